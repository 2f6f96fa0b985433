// One session: what it is, what it subscribes to, what waits for it, and how to end it.
import { useState } from "preact/hooks";
import { ApiError, ask } from "../lib/api";
import { bytes, count, duration, expiry, moment, plural } from "../lib/format";
import { decodeBase64 } from "../lib/payload";
import { usePoll } from "../lib/poll";
import { hashOf } from "../lib/route";
import type { ClientDetail, QueuedMessage, Subscription } from "../lib/types";
import { ConfirmButton } from "../ui/confirm";
import { Empty, Facts, Loading, Pill, Problem, Scroll, Title } from "../ui/parts";
import { Payload } from "../ui/payload";

const PEEK = 20;

function FactsOf({ client }: { client: ClientDetail }) {
  return (
    <Facts
      rows={[
        ["State", <Pill key="state">{client.connected ? "connected" : "offline"}</Pill>],
        ["Connected to", client.node ?? "–"],
        ["Session kept by", client.owner ?? "–"],
        ["Since", moment(client.connected_at)],
        ["Address", <span key="address" class="mono">{client.address ?? "–"}</span>],
        ["User", client.username ?? "–"],
        ["Listener", client.listener ?? "–"],
        ["MQTT", client.protocol_version ?? "–"],
        ["Session", client.durable ? "durable" : "transient"],
        ["Session ends", expiry(client.session_expiry_seconds)],
        ["Keep alive", client.keep_alive_seconds ? duration(client.keep_alive_seconds) : "none"],
        ["Queued", `${count(client.queued_messages)} (${bytes(client.queued_bytes)})`],
        ["In flight", count(client.inflight)],
      ]}
    />
  );
}

function optionsOf(row: Subscription): string {
  const found: string[] = [];
  if (row.no_local) found.push("no local");
  if (row.retain_as_published) found.push("retain as published");
  if (row.retain_handling) found.push(`retain handling ${row.retain_handling}`);
  if (row.identifier) found.push(`identifier ${row.identifier}`);
  return found.join(", ") || "–";
}

function Subscriptions({ rows }: { rows: Subscription[] }) {
  if (rows.length === 0) return <Empty>It subscribes to nothing.</Empty>;
  return (
    <Scroll label="Subscriptions">
      <table>
        <thead>
          <tr>
            <th scope="col">Filter</th><th scope="col" class="number">QoS</th><th scope="col">Shared group</th>
            <th scope="col" class="wide">Options</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={`${row.share ?? ""} ${row.filter}`}>
              <th scope="row" class="mono">{row.filter}</th>
              <td class="number">{row.qos}</td>
              <td>{row.share || "–"}</td>
              <td class="wide">{optionsOf(row)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Waiting({ message, open, turn }: { message: QueuedMessage; open: boolean; turn: () => void }) {
  if (message.topic === null) {
    return <li class="message-head"><span class="quiet">QoS 2, received by the client: PUBCOMP is missing</span></li>;
  }
  return (
    <li>
      <button type="button" class="message-head" aria-expanded={open} onClick={turn}>
        <span class="mono">{message.topic}</span>
        <span class="quiet">
          {message.packet_id ? "sent · " : ""}QoS {message.qos}{message.retain ? ", retained" : ""} · {bytes(message.payload_bytes)} ·{" "}
          {moment(message.received_at)}
        </span>
      </button>
      {open && <Payload data={decodeBase64(message.payload_base64 ?? "")} size={message.payload_bytes ?? 0} />}
    </li>
  );
}

function Queue({ id }: { id: string }) {
  const { data, error } = usePoll(`queue ${id}`, (signal) =>
    ask<{ messages: QueuedMessage[]; total: number }>(`clients/${encodeURIComponent(id)}/queue`, { parameters: { limit: PEEK }, signal }),
  );
  const [open, setOpen] = useState<number | null>(null);
  if (error && !data) return <Problem error={error} />;
  if (!data) return <Loading />;
  if (data.messages.length === 0) return <Empty>Nothing waits.</Empty>;
  return (
    <>
      <p class="quiet">
        {data.total > data.messages.length
          ? `The first ${data.messages.length} of ${count(data.total)}. Looking takes nothing out.`
          : `${plural(data.messages.length, "message")}. Looking takes nothing out.`}
      </p>
      <ul class="messages panel">
        {data.messages.map((message, index) => (
          <Waiting key={index} message={message} open={open === index} turn={() => setOpen(open === index ? null : index)} />
        ))}
      </ul>
    </>
  );
}

function Actions({ client, changed }: { client: ClientDetail; changed: () => void }) {
  const id = client.client_id;
  const path = `clients/${encodeURIComponent(id)}`;
  return (
    <div class="row">
      {client.connected && (
        <ConfirmButton
          label="Disconnect" question={`Disconnect ${id}?`}
          text="The connection ends with an administrative action (0x98). A durable session stays, and most clients connect again."
          act={async () => {
            await ask(`${path}/connection`, { method: "DELETE" });
            return `${id} is disconnected.`;
          }}
          done={changed}
        />
      )}
      <ConfirmButton
        label="Delete session" question={`Delete the session of ${id}?`}
        text={`Its subscriptions and ${plural(client.queued_messages, "queued message")} are lost. This cannot be undone.`}
        act={async () => {
          await ask(`${path}/session`, { method: "DELETE" });
          return `The session of ${id} is deleted.`;
        }}
        done={() => {
          location.hash = hashOf("clients");
        }}
      />
    </div>
  );
}

export function ClientScreen({ id }: { id: string }) {
  const { data, error, refresh } = usePoll(`client ${id}`, (signal) => ask<ClientDetail>(`clients/${encodeURIComponent(id)}`, { signal }));
  const gone = error instanceof ApiError && error.status === 404;
  return (
    <>
      <a class="back" href={hashOf("clients")}>All clients</a>
      <Title aside={data && !gone && <Actions client={data} changed={refresh} />}><span class="mono break">{id}</span></Title>
      {gone ? <Empty>There is no session of this client any more.</Empty> : <Problem error={error} />}
      {!data && !error && <Loading />}
      {data && !gone && (
        <>
          <div class="panel"><FactsOf client={data} /></div>
          <h2>Subscriptions</h2>
          <Subscriptions rows={data.subscription_list ?? []} />
          <h2>Queue</h2>
          <Queue id={id} />
        </>
      )}
    </>
  );
}
