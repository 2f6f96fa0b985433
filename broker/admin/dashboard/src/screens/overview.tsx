// How the cluster is, at a glance: what is wrong first, then figures, lines, the map and the nodes.
import { ask } from "../lib/api";
import { bytes, count, duration, latency, plural, rate, short } from "../lib/format";
import { type History, type Sample } from "../lib/history";
import { usePoll } from "../lib/poll";
import { ratesOfNode, total } from "../lib/rates";
import type { Cluster, NodeOverview, Overview } from "../lib/types";
import { Chart, Spark } from "../ui/chart";
import { ClusterMap } from "../ui/cluster_map";
import { Loading, Pill, Problem, Scroll, Title } from "../ui/parts";

// What an operator should look at, in words; empty when all is well.
export function troubles(cluster: Cluster | null, overview: Overview): string[] {
  const found: string[] = [];
  if (overview.silent_nodes.length) found.push(`No answer from ${overview.silent_nodes.join(", ")}.`);
  for (const member of cluster?.members ?? []) {
    if (member.state === "away") found.push(`${member.node} is away.`);
    else if (member.state === "draining") found.push(`${member.node} is draining.`);
    else if (!member.self && !member.linked) found.push(`${cluster?.node} does not reach ${member.node}.`);
  }
  if (cluster?.lease === false) found.push(`${cluster.node} has no lease.`);
  if (cluster?.moving) found.push(`${cluster.node} is giving away ${plural(cluster.moving, "partition")}.`);
  const waiting = total(overview, "outbox_messages");
  if (waiting) found.push(`${plural(waiting, "message")} wait${waiting === 1 ? "s" : ""} in outboxes for nodes that are away.`);
  return found;
}

function Health({ cluster, overview }: { cluster: Cluster | null; overview: Overview }) {
  const found = troubles(cluster, overview);
  if (!cluster) return null;
  const nodes = cluster.members.length;
  return (
    <div class={found.length ? "notice notice-warn" : "notice notice-good"} role="status">
      {found.length ? found.join(" ") : nodes === 1 ? "The node serves, nothing is wrong." : `All ${nodes} nodes serve and are linked.`}
    </div>
  );
}

function Tile({ name, value, unit, values, times, tone }: {
  name: string; value: string; unit?: string; values: (number | null)[]; times: number[]; tone?: 1 | 2 | 3 | 4;
}) {
  return (
    <div class="tile panel">
      <span class="tile-name">{name}</span>
      <span class="tile-value">{value}{unit && <small> {unit}</small>}</span>
      <Spark values={values} times={times} tone={tone} />
    </div>
  );
}

type Drawn = "connections" | "sessions" | "subscriptions" | "retained" | "queued" | "messagesIn" | "messagesOut" | "dropped";

function Tiles({ samples }: { samples: Sample[] }) {
  const last = samples[samples.length - 1];
  const times = samples.map((sample) => sample.time);
  const line = (field: Drawn) => ({ values: samples.map((sample) => sample[field]), times });
  return (
    <div class="tiles" data-test="tiles">
      <Tile name="Connections" value={short(last?.connections)} {...line("connections")} />
      <Tile name="Sessions" value={short(last?.sessions)} {...line("sessions")} />
      <Tile name="Subscriptions" value={short(last?.subscriptions)} {...line("subscriptions")} />
      <Tile name="Retained" value={short(last?.retained)} {...line("retained")} />
      <Tile name="Messages in" value={rate(last?.messagesIn)} unit="/s" {...line("messagesIn")} />
      <Tile name="Messages out" value={rate(last?.messagesOut)} unit="/s" {...line("messagesOut")} tone={2} />
      <Tile name="Queued" value={short(last?.queued)} {...line("queued")} tone={3} />
      <Tile name="Dropped" value={rate(last?.dropped)} unit="/s" {...line("dropped")} tone={4} />
    </div>
  );
}

function Charts({ samples }: { samples: Sample[] }) {
  const times = samples.map((sample) => sample.time);
  const perSecond = (value: number | null | undefined) => `${rate(value)}/s`;
  const bytesPerSecond = (value: number | null | undefined) => `${bytes(value)}/s`;
  const of = (pick: (sample: Sample) => number | null) => samples.map(pick);
  return (
    <div class="charts">
      <Chart
        title="Messages" format={perSecond} times={times}
        series={[{ name: "in", tone: 1, values: of((s) => s.messagesIn) }, { name: "out", tone: 2, values: of((s) => s.messagesOut) }]}
      />
      <Chart
        title="Bytes" base={1024} format={bytesPerSecond} times={times}
        series={[{ name: "in", tone: 1, values: of((s) => s.bytesIn) }, { name: "out", tone: 2, values: of((s) => s.bytesOut) }]}
      />
      <Chart
        title="Publish to ack" format={latency} times={times}
        series={[{ name: "p50", tone: 1, values: of((s) => s.ack.p50) }, { name: "p99", tone: 3, values: of((s) => s.ack.p99) }]}
      />
      <Chart
        title="Publish to delivery" format={latency} times={times}
        series={[{ name: "p50", tone: 1, values: of((s) => s.deliver.p50) }, { name: "p99", tone: 3, values: of((s) => s.deliver.p99) }]}
      />
    </div>
  );
}

function NodeRow({ node, history }: { node: NodeOverview; history: History }) {
  const rates = history.overview ? ratesOfNode(history.before, history.overview, node.node) : null;
  return (
    <tr>
      <th scope="row" class="nowrap">{node.node}</th>
      <td><Pill>{node.state}</Pill></td>
      <td class="number">{count(node.connections)}</td>
      <td class="number">{count(node.sessions)}</td>
      <td class="number">{rate(rates?.messagesIn)}</td>
      <td class="number">{rate(rates?.messagesOut)}</td>
      <td class="number">{count(node.queued_messages)}</td>
      <td class="number">{latency(node.latency?.publish_ack?.p50)} / {latency(node.latency?.publish_ack?.p99)}</td>
      <td class="number">{latency(node.latency?.publish_deliver?.p50)} / {latency(node.latency?.publish_deliver?.p99)}</td>
      <td class="number">{count(node.partitions)}</td>
      <td class="number">{count(node.outbox_messages)}</td>
      <td class="number">{duration(node.uptime_seconds)}</td>
      <td>{node.version}</td>
    </tr>
  );
}

function Nodes({ history }: { history: History }) {
  const overview = history.overview;
  if (!overview) return null;
  return (
    <Scroll label="Nodes">
      <table>
        <thead>
          <tr>
            <th scope="col">Node</th><th scope="col">State</th><th scope="col" class="number">Connections</th>
            <th scope="col" class="number">Sessions</th><th scope="col" class="number">In/s</th><th scope="col" class="number">Out/s</th>
            <th scope="col" class="number">Queued</th><th scope="col" class="number">Ack p50 / p99</th>
            <th scope="col" class="number">Deliver p50 / p99</th><th scope="col" class="number">Partitions</th>
            <th scope="col" class="number">Outbox</th><th scope="col" class="number">Up</th><th scope="col">Version</th>
          </tr>
        </thead>
        <tbody>
          {overview.nodes.map((node) => <NodeRow key={node.node} node={node} history={history} />)}
          {overview.silent_nodes.map((name) => (
            <tr key={name}>
              <th scope="row" class="nowrap">{name}</th>
              <td><Pill>silent</Pill></td>
              <td colSpan={11} class="quiet">no answer</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

export function OverviewScreen({ history, error }: { history: History; error: unknown }) {
  const { data: cluster } = usePoll("cluster", (signal) => ask<Cluster>("cluster", { signal }));
  const { overview, samples } = history;
  return (
    <>
      <Title aside={cluster && <span class="quiet">{cluster.cluster || "alone"} · coordinator {cluster.coordinator}</span>}>Overview</Title>
      <Problem error={error} />
      {!overview && !error && <Loading />}
      {overview && (
        <>
          <Health cluster={cluster} overview={overview} />
          <Tiles samples={samples} />
          <div class="overview">
            <Charts samples={samples} />
            {cluster && <ClusterMap members={cluster.members} partitions={cluster.partitions} silent={overview.silent_nodes} />}
          </div>
          <h2>Nodes</h2>
          <Nodes history={history} />
        </>
      )}
    </>
  );
}
