// The values that this node runs with, and where each comes from.
import { ask } from "../lib/api";
import { usePoll } from "../lib/poll";
import { replaceQuery, type Route } from "../lib/route";
import type { ConfigValue } from "../lib/types";
import { Choice, Empty, Field, Loading, Pill, Problem, Scroll, Title } from "../ui/parts";

function textOf(value: unknown): string {
  if (value === null || value === undefined || value === "") return "–";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export function ConfigScreen({ route }: { route: Route }) {
  const { data, error } = usePoll("config", (signal) => ask<{ values: ConfigValue[] }>("config", { signal }), 10_000);
  const { key = "", source = "" } = route.query;
  const set = (name: string) => (value: string) => replaceQuery(route, { ...route.query, [name]: value });
  const rows = data?.values.filter((row) => row.key.includes(key.trim().toLowerCase()) && (source === "" || row.source !== "default"));
  return (
    <>
      <Title>Configuration</Title>
      <p class="quiet">Of the node that served this page. Secrets are not shown.</p>
      <form class="filters" role="search" aria-label="Configuration" onSubmit={(event) => event.preventDefault()}>
        <Field id="key" label="Key contains" value={key} onInput={set("key")} mono />
        <Choice id="source" label="Show" value={source} onInput={set("source")} options={[["", "All values"], ["set", "What is set"]]} />
      </form>
      <Problem error={error} />
      {!rows && !error && <Loading />}
      {rows && rows.length === 0 && <Empty>No key matches.</Empty>}
      {rows && rows.length > 0 && (
        <Scroll label="Configuration">
          <table>
            <thead>
              <tr><th scope="col">Key</th><th scope="col">Value</th><th scope="col">Source</th></tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.key}>
                  <th scope="row" class="mono">{row.key}</th>
                  <td class="mono break">{textOf(row.value)}</td>
                  <td><Pill tone={row.source === "default" ? "plain" : "good"}>{row.source}</Pill></td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </>
  );
}
