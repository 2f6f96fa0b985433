// Which node leads which partition.
import { ask } from "../lib/api";
import { usePoll } from "../lib/poll";
import type { PartitionRow } from "../lib/types";
import { Loading, Problem, Scroll, Title } from "../ui/parts";

const TONES = 8; // colours of the style sheet; then they come again

export interface Led {
  node: string | null; // null: nobody
  partitions: number[];
}

export function ledBy(rows: PartitionRow[]): Led[] {
  const found = new Map<string | null, number[]>();
  for (const row of rows) found.set(row.node, [...(found.get(row.node) ?? []), row.partition]);
  return [...found]
    .map(([node, partitions]) => ({ node, partitions }))
    .sort((a, b) => (a.node === null ? 1 : b.node === null ? -1 : a.node.localeCompare(b.node, "en", { numeric: true })));
}

// 0,1,2,5 -> "0–2, 5"
export function ranges(numbers: number[]): string {
  const parts: string[] = [];
  for (let at = 0; at < numbers.length; at += 1) {
    const first = numbers[at] ?? 0;
    let last = first;
    while (numbers[at + 1] === last + 1) {
      at += 1;
      last += 1;
    }
    parts.push(first === last ? String(first) : `${first}–${last}`);
  }
  return parts.join(", ");
}

export function PartitionsScreen() {
  const { data, error } = usePoll("partitions", (signal) => ask<{ partitions: PartitionRow[] }>("partitions", { signal }), 2_000);
  const led = data ? ledBy(data.partitions) : [];
  const shares = led.map((each) => `${each.node ?? "nobody"} leads ${each.partitions.length}`).join(", ");
  const tones = new Map(led.map(({ node }, index) => [node, node === null ? "none" : String((index % TONES) + 1)]));
  return (
    <>
      <Title>Partitions</Title>
      <p class="quiet">Durable sessions are divided by their client id. Each partition has one node that leads it.</p>
      <Problem error={error} />
      {!data && !error && <Loading />}
      {data && (
        <>
          <div class="panel">
            <div class="cells" role="img" aria-label={shares}>
              {data.partitions.map((row) => (
                <span
                  key={row.partition} class={`cell cell-${tones.get(row.node)}`}
                  title={`Partition ${row.partition}: ${row.node ?? "nobody"}, epoch ${row.epoch}`}
                />
              ))}
            </div>
          </div>
          <Scroll label="Partitions by node">
            <table>
              <thead>
                <tr><th scope="col">Node</th><th scope="col" class="number">Leads</th><th scope="col">Partitions</th></tr>
              </thead>
              <tbody>
                {led.map((each) => (
                  <tr key={each.node}>
                    <th scope="row" class="nowrap">
                      <span class={`swatch cell-${tones.get(each.node)}`} aria-hidden="true" />
                      {each.node ?? "nobody"}
                    </th>
                    <td class="number">{each.partitions.length}</td>
                    <td class="ranges">{ranges(each.partitions)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        </>
      )}
    </>
  );
}
