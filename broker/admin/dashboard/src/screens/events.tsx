// The log of connects, disconnects and refused clients, as it comes.
import { useEffect, useRef, useState } from "preact/hooks";
import { ask } from "../lib/api";
import { moment } from "../lib/format";
import { usePoll } from "../lib/poll";
import { hashOf, replaceQuery, type Route } from "../lib/route";
import type { BrokerEvent } from "../lib/types";
import { Choice, Empty, Loading, Pill, Problem, Scroll, Silent, Title, type Tone } from "../ui/parts";

const MOST = 500; // the oldest go

const KINDS: [string, string][] = [
  ["", "All"], ["client.refused", "Refused"], ["client.connected", "Connected"], ["client.disconnected", "Disconnected"],
];
const TONES: Record<string, Tone> = { refused: "bad", connected: "good" };

interface Answer {
  events: BrokerEvent[];
  last: string | number;
  silent_nodes?: string[];
}

const keyOf = (event: BrokerEvent) => `${event.node}:${event.id}`;

// Newest first, each once.
export function merge(old: BrokerEvent[], fresh: BrokerEvent[]): BrokerEvent[] {
  const known = new Set(old.map(keyOf));
  const added = fresh.filter((event) => !known.has(keyOf(event)));
  if (added.length === 0) return old;
  return [...added, ...old].sort((a, b) => b.time.localeCompare(a.time) || b.id - a.id).slice(0, MOST);
}

function Row({ event }: { event: BrokerEvent }) {
  const kind = event.kind.replace(/^client\./, "");
  return (
    <tr>
      <td class="mono nowrap">{moment(event.time)}</td>
      <td>
        <Pill tone={TONES[kind] ?? "plain"}>{kind}</Pill>
        {event.reason && <span class="narrow small quiet">{event.reason}</span>}
      </td>
      <th scope="row">{event.client_id ? <a class="mono" href={hashOf("clients", event.client_id)}>{event.client_id}</a> : "–"}</th>
      <td class="wide">{event.reason || "–"}</td>
      <td class="wide mono">{event.address || "–"}</td>
      <td class="wide">{event.listener || "–"}</td>
      <td class="wide nowrap">{event.node}</td>
    </tr>
  );
}

export function EventsScreen({ route }: { route: Route }) {
  const kind = route.query.kind ?? "";
  const [paused, setPaused] = useState(false);
  const [events, setEvents] = useState<BrokerEvent[]>([]);
  const after = useRef("");
  useEffect(() => {
    after.current = "";
    setEvents([]);
  }, [kind]);
  const { data, error } = usePoll<Answer | null>(`events ${kind} ${paused}`, async (signal) => {
    if (paused) return null;
    const answer = await ask<Answer>("events", { parameters: { after: after.current, kind }, signal });
    if (signal.aborted) return null;
    after.current = String(answer.last ?? "");
    setEvents((old) => merge(old, answer.events));
    return answer;
  });
  return (
    <>
      <Title aside={<button type="button" class="button" onClick={() => setPaused(!paused)}>{paused ? "Go on" : "Pause"}</button>}>
        Events
      </Title>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <Choice id="kind" label="Kind" value={kind} options={KINDS} onInput={(value) => replaceQuery(route, { kind: value })} />
      </form>
      <Problem error={error} />
      <Silent nodes={data?.silent_nodes} />
      {events.length === 0 && !error && (data ? <Empty>Nothing has happened yet.</Empty> : <Loading />)}
      {events.length > 0 && (
        <div role="log" aria-label="Events" aria-live={paused ? "off" : "polite"} aria-relevant="additions">
          <Scroll label="Events">
            <table>
              <thead>
                <tr>
                  <th scope="col">Time</th><th scope="col">What</th><th scope="col">Client id</th><th scope="col" class="wide">Why</th>
                  <th scope="col" class="wide">Address</th><th scope="col" class="wide">Listener</th><th scope="col" class="wide">Node</th>
                </tr>
              </thead>
              <tbody>{events.map((event) => <Row key={keyOf(event)} event={event} />)}</tbody>
            </table>
          </Scroll>
        </div>
      )}
    </>
  );
}
