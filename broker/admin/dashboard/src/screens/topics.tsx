// An MQTT client in the page: subscribe, publish, look.
import { useEffect, useRef, useState } from "preact/hooks";
import { reachable, TryClient, type ConnectFields, type Incoming } from "../lib/broker";
import { moment, plural } from "../lib/format";
import type { Overview } from "../lib/types";
import { Choice, Empty, Field, Pill, Title } from "../ui/parts";
import { Payload } from "../ui/payload";
import { complain, tell } from "../ui/toast";

const MOST = 200; // the oldest go
const QOS: [string, string][] = [["0", "0"], ["1", "1"], ["2", "2"]];

type Qos = 0 | 1 | 2;
const why = (error: unknown) => (error instanceof Error ? error.message : String(error));

function listenersOf(overview: Overview | null): [string, string][] {
  const found = overview?.nodes.flatMap((node) => node.websocket_listeners ?? []) ?? [];
  return found.map((each) => [reachable(each.url, location), each.name]);
}

function ConnectForm({ overview, connect }: { overview: Overview | null; connect: (fields: ConnectFields) => Promise<void> }) {
  const known = listenersOf(overview);
  const [url, setUrl] = useState<string | null>(null);
  const [clientId, setClientId] = useState(() => `dashboard-${Math.random().toString(36).slice(2, 8)}`);
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const shown = url ?? known[0]?.[0] ?? `${location.protocol === "https:" ? "wss" : "ws"}://${location.hostname}:8083/mqtt`;
  return (
    <form
      class="panel form-grid"
      onSubmit={async (event) => {
        event.preventDefault();
        setBusy(true);
        await connect({ url: shown, clientId, username, password });
        setBusy(false);
      }}
    >
      {known.length > 1 && <Choice id="ws" label="Listener" value={shown} onInput={setUrl} options={known} />}
      <Field id="url" label="WebSocket address" value={shown} onInput={setUrl} mono required />
      <Field id="client-id" label="Client id" value={clientId} onInput={setClientId} mono required />
      <Field id="mqtt-user" label="User" value={username} onInput={setUsername} />
      <Field id="mqtt-password" label="Password" type="password" value={password} onInput={setPassword} autocomplete="off" />
      <button type="submit" class="button button-full" disabled={busy}>{busy ? "Connecting…" : "Connect"}</button>
      {known.length === 0 && (
        <p class="quiet">
          No node has a WebSocket listener (<code>ws://</code> or <code>wss://</code> in <code>listeners</code>) that is known here.
        </p>
      )}
    </form>
  );
}

function SubscribeForm({ client }: { client: TryClient }) {
  const [filter, setFilter] = useState("#");
  const [qos, setQos] = useState("0");
  const [filters, setFilters] = useState<string[]>([]);
  const run = async (event: Event) => {
    event.preventDefault();
    try {
      await client.subscribe(filter, Number(qos) as Qos);
      setFilters((old) => (old.includes(filter) ? old : [...old, filter]));
    } catch (error) {
      complain(`Not subscribed to ${filter}: ${why(error)}.`);
    }
  };
  const drop = async (each: string) => {
    await client.unsubscribe(each).catch((error) => complain(why(error)));
    setFilters((old) => old.filter((other) => other !== each));
  };
  return (
    <form class="panel form-stack" onSubmit={run} aria-label="Subscribe">
      <h2>Subscribe</h2>
      <div class="row row-bottom">
        <Field id="sub-filter" label="Topic filter" value={filter} onInput={setFilter} mono required />
        <Choice id="sub-qos" label="QoS" value={qos} onInput={setQos} options={QOS} />
        <button type="submit" class="button button-full">Subscribe</button>
      </div>
      {filters.length > 0 && (
        <ul class="chips" aria-label="Subscriptions">
          {filters.map((each) => (
            <li key={each} class="chip mono">
              {each}
              <button type="button" aria-label={`Unsubscribe from ${each}`} onClick={() => drop(each)}>×</button>
            </li>
          ))}
        </ul>
      )}
    </form>
  );
}

function PublishForm({ client }: { client: TryClient }) {
  const [topic, setTopic] = useState("");
  const [payload, setPayload] = useState("");
  const [qos, setQos] = useState("1");
  const [retain, setRetain] = useState(false);
  const run = async (event: Event) => {
    event.preventDefault();
    try {
      await client.publish(topic, payload, Number(qos) as Qos, retain);
      tell(qos === "0" ? `Sent to ${topic}.` : `Published to ${topic}, acknowledged.`);
    } catch (error) {
      complain(`Not published: ${why(error)}.`);
    }
  };
  return (
    <form class="panel form-stack" onSubmit={run} aria-label="Publish">
      <h2>Publish</h2>
      <div class="row row-bottom">
        <Field id="pub-topic" label="Topic" value={topic} onInput={setTopic} mono required />
        <Choice id="pub-qos" label="QoS" value={qos} onInput={setQos} options={QOS} />
      </div>
      <div class="field">
        <label for="pub-payload">Payload</label>
        <textarea
          id="pub-payload" class="mono" rows={3} value={payload} spellcheck={false}
          onInput={(event) => setPayload(event.currentTarget.value)}
        />
      </div>
      <div class="row">
        <label class="check"><input type="checkbox" checked={retain} onChange={(e) => setRetain(e.currentTarget.checked)} /> Retain</label>
        <button type="submit" class="button button-full">Publish</button>
      </div>
    </form>
  );
}

function Messages({ messages, clear }: { messages: Incoming[]; clear: () => void }) {
  const [open, setOpen] = useState<number | null>(null);
  if (messages.length === 0) return <Empty>Nothing has come yet.</Empty>;
  return (
    <>
      <div class="row row-apart">
        <span class="quiet">
          {plural(messages.length, "message")}, newest first{messages.length === MOST ? "; older ones are gone" : ""}
        </span>
        <button type="button" class="button button-small" onClick={clear}>Clear</button>
      </div>
      <div class="panel" role="log" aria-label="Messages">
        <ul class="messages">
          {messages.map((message) => (
            <li key={message.number}>
              <button
                type="button" class="message-head" aria-expanded={open === message.number}
                onClick={() => setOpen(open === message.number ? null : message.number)}
              >
                <span class="mono">{message.topic}</span>
                <span class="quiet">
                  {new TextDecoder().decode(message.payload.subarray(0, 80))} · QoS {message.qos}{message.retain ? ", retained" : ""} ·{" "}
                  {moment(message.time.toISOString())}
                </span>
              </button>
              {open === message.number && <Payload data={message.payload} size={message.payload.length} />}
            </li>
          ))}
        </ul>
      </div>
    </>
  );
}

export function TopicsScreen({ overview }: { overview: Overview | null }) {
  const [client, setClient] = useState<TryClient | null>(null);
  const [where, setWhere] = useState("");
  const [messages, setMessages] = useState<Incoming[]>([]);
  const current = useRef<TryClient | null>(null);
  current.current = client;
  useEffect(() => () => current.current?.end(), []);
  const connect = async (fields: ConnectFields) => {
    try {
      const made = await TryClient.connect(fields, {
        incoming: (message) => setMessages((old) => [message, ...old].slice(0, MOST)),
        closed: (reason) => {
          if (current.current) complain(`The connection is closed: ${reason}.`);
          setClient(null);
        },
      });
      setClient(made);
      setWhere(`${fields.clientId} on ${fields.url}`);
    } catch (error) {
      complain(`Not connected: ${why(error)}.`);
    }
  };
  const leave = () => {
    client?.end();
    setClient(null);
  };
  return (
    <>
      <Title aside={client && <button type="button" class="button" onClick={leave}>Disconnect</button>}>Try topics</Title>
      <p class="quiet">A client of MQTT 5 in this page, over WebSocket. Access rules are those of its user.</p>
      {!client && <ConnectForm overview={overview} connect={connect} />}
      {client && (
        <>
          <p class="row"><Pill>connected</Pill> <span class="mono break">{where}</span></p>
          <div class="pair">
            <SubscribeForm client={client} />
            <PublishForm client={client} />
          </div>
          <h2>Messages</h2>
          <Messages messages={messages} clear={() => setMessages([])} />
        </>
      )}
    </>
  );
}
