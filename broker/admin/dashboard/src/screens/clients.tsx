// Sessions and connections of the whole cluster: filters, pages, and the way to one of them.
import { useEffect, useState } from "preact/hooks";
import { ask } from "../lib/api";
import { bytes, count, moment } from "../lib/format";
import { usePoll, useSettled } from "../lib/poll";
import { hashOf, replaceQuery, type Route } from "../lib/route";
import type { Client, ClientList } from "../lib/types";
import { Choice, Empty, Field, Loading, Pill, Problem, Scroll, Silent, Title } from "../ui/parts";

const PAGE = 50;

export function ClientTable({ clients, label }: { clients: Client[]; label: string }) {
  return (
    <Scroll label={label}>
      <table class="clients">
        <thead>
          <tr>
            <th scope="col">Client id</th><th scope="col">State</th><th scope="col">Node</th><th scope="col" class="wide">User</th>
            <th scope="col" class="wide">Address</th><th scope="col" class="wide">Listener</th><th scope="col" class="wide">MQTT</th>
            <th scope="col" class="number wide">Subscriptions</th><th scope="col" class="number">Queued</th>
            <th scope="col" class="number wide">In flight</th><th scope="col" class="wide">Since</th>
          </tr>
        </thead>
        <tbody>
          {clients.map((client) => (
            <tr key={client.client_id}>
              <th scope="row"><a class="mono" href={hashOf("clients", client.client_id)}>{client.client_id}</a></th>
              <td><Pill>{client.connected ? "connected" : "offline"}</Pill></td>
              <td class="nowrap">{client.node ?? client.owner ?? "–"}</td>
              <td class="wide">{client.username ?? "–"}</td>
              <td class="wide mono">{client.address ?? "–"}</td>
              <td class="wide">{client.listener ?? "–"}</td>
              <td class="wide">{client.protocol_version ?? "–"}</td>
              <td class="number wide">{count(client.subscriptions)}</td>
              <td class="number" title={bytes(client.queued_bytes)}>{count(client.queued_messages)}</td>
              <td class="number wide">{count(client.inflight)}</td>
              <td class="wide">{moment(client.connected_at)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Filters({ route, nodes }: { route: Route; nodes: string[] }) {
  const query = route.query;
  const set = (name: string) => (value: string) => replaceQuery(route, { ...query, [name]: value });
  return (
    <form class="filters" role="search" aria-label="Clients" onSubmit={(event) => event.preventDefault()}>
      <Field id="prefix" label="Client id begins with" value={query.prefix ?? ""} onInput={set("prefix")} mono />
      <Field id="username" label="User" value={query.username ?? ""} onInput={set("username")} />
      <Field id="listener" label="Listener" value={query.listener ?? ""} onInput={set("listener")} />
      <Choice
        id="connected" label="State" value={query.connected ?? ""} onInput={set("connected")}
        options={[["", "All"], ["true", "Connected"], ["false", "Offline"]]}
      />
      <Choice
        id="node" label="Node" value={query.node ?? ""} onInput={set("node")}
        options={[["", "All"], ...nodes.map((node): [string, string] => [node, node])]}
      />
    </form>
  );
}

function Pages({ first, next, turn, back }: { first: boolean; next: string | null; turn: () => void; back: () => void }) {
  if (first && !next) return null;
  return (
    <nav class="row row-end" aria-label="Pages">
      <button type="button" class="button" disabled={first} onClick={back}>Previous</button>
      <button type="button" class="button" disabled={!next} onClick={turn}>Next</button>
    </nav>
  );
}

export function ClientsScreen({ route, nodes }: { route: Route; nodes: string[] }) {
  const filters = useSettled(JSON.stringify(route.query));
  // The way back through the pages: the cursor of each page so far.
  const [cursors, setCursors] = useState<string[]>([]);
  useEffect(() => setCursors([]), [filters]);
  const cursor = cursors[cursors.length - 1] ?? "";
  const { prefix, username, listener, connected, node } = JSON.parse(filters) as Record<string, string>;
  const { data, error } = usePoll(`clients ${filters} ${cursor}`, (signal) =>
    ask<ClientList>("clients", { parameters: { prefix, username, listener, connected, node, limit: PAGE, cursor }, signal }),
  );
  return (
    <>
      <Title>Clients</Title>
      <Filters route={route} nodes={nodes} />
      <Problem error={error} />
      <Silent nodes={data?.silent_nodes} />
      {!data && !error && <Loading />}
      {data && data.clients.length === 0 && <Empty>No client matches.</Empty>}
      {data && data.clients.length > 0 && <ClientTable clients={data.clients} label="Clients" />}
      {data && (
        <Pages
          first={cursors.length === 0} next={data.next}
          turn={() => setCursors([...cursors, data.next ?? ""])} back={() => setCursors(cursors.slice(0, -1))}
        />
      )}
    </>
  );
}

// The longest queues of the cluster: who does not keep up.
export function SlowScreen() {
  const { data, error } = usePoll(
    "slow", (signal) => ask<ClientList>("clients", { parameters: { order: "queued", limit: PAGE }, signal }), 2_000);
  const slow = data?.clients.filter((client) => client.queued_messages > 0);
  return (
    <>
      <Title>Slow consumers</Title>
      <p class="quiet">Sessions with the longest queues first. A connected client here takes messages more slowly than they come.</p>
      <Problem error={error} />
      <Silent nodes={data?.silent_nodes} />
      {!data && !error && <Loading />}
      {slow && slow.length === 0 && <Empty>Nobody is behind: every queue is empty.</Empty>}
      {slow && slow.length > 0 && <ClientTable clients={slow} label="Slow consumers" />}
    </>
  );
}
