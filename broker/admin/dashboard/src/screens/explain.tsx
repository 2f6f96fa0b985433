// What would happen to a message of a topic, and why. Nothing is published.
import { useState } from "preact/hooks";
import { ask } from "../lib/api";
import { plural } from "../lib/format";
import { usePoll } from "../lib/poll";
import { hashOf, type Route } from "../lib/route";
import type { Explanation } from "../lib/types";
import { Empty, Field, Loading, Pill, Problem, Scroll, Silent, Title } from "../ui/parts";

function Receivers({ answer }: { answer: Explanation }) {
  if (answer.receivers.length === 0) return <Empty>Nobody would get it.</Empty>;
  return (
    <Scroll label="Receivers">
      <table>
        <thead>
          <tr>
            <th scope="col">Client id</th><th scope="col">Would</th><th scope="col">Why</th><th scope="col">Filter</th>
            <th scope="col" class="number">QoS</th><th scope="col" class="wide">Shared group</th><th scope="col" class="wide">Rule</th>
            <th scope="col">Node</th>
          </tr>
        </thead>
        <tbody>
          {answer.receivers.map((each) => (
            <tr key={`${each.client_id} ${each.share ?? ""} ${each.filter}`}>
              <th scope="row"><a class="mono" href={hashOf("clients", each.client_id)}>{each.client_id}</a></th>
              <td><Pill>{each.would}</Pill></td>
              <td>{each.why || "–"}</td>
              <td class="mono">{each.filter}</td>
              <td class="number">{each.qos}</td>
              <td class="wide">{each.share || "–"}</td>
              <td class="wide">{each.rule || "–"}</td>
              <td class="nowrap">{each.node ?? "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Verdict({ answer, client }: { answer: Explanation; client: string }) {
  const refused = answer.publisher?.allowed === false;
  const rule = answer.publisher?.rule || answer.publisher?.why;
  const counts = ["deliver", "queue", "drop"].map((would) => answer.receivers.filter((each) => each.would === would).length);
  return (
    <div class={refused ? "notice notice-bad" : "notice notice-good"} role="status">
      {client && (refused ? `${client} may not publish here. ` : `${client} may publish here. `)}
      {rule ? `Rule: ${rule}. ` : ""}
      {`${plural(counts[0] ?? 0, "client")} would be sent it, ${counts[1]} would find it in their queue, ${counts[2]} would not get it. `}
      {answer.retained ? "The topic has a retained message." : "The topic has no retained message."}
    </div>
  );
}

function Result({ topic, client }: { topic: string; client: string }) {
  const { data, error } = usePoll(
    `explain ${topic} ${client}`, (signal) => ask<Explanation>("explain", { parameters: { topic, client_id: client }, signal }), 2_000);
  if (error) return <Problem error={error} />;
  if (!data) return <Loading />;
  return (
    <>
      <Silent nodes={data.silent_nodes} />
      <Verdict answer={data} client={client} />
      <h2>Receivers</h2>
      <Receivers answer={data} />
    </>
  );
}

export function ExplainScreen({ route }: { route: Route }) {
  const [topic, setTopic] = useState(route.query.topic ?? "");
  const [client, setClient] = useState(route.query.client ?? "");
  return (
    <>
      <Title>Explain a topic</Title>
      <p class="quiet">Who would get a message of this topic now, and why not. Nothing is published.</p>
      <form
        class="filters"
        onSubmit={(event) => {
          event.preventDefault();
          location.hash = hashOf("explain", null, { topic, client });
        }}
      >
        <Field id="topic" label="Topic" value={topic} onInput={setTopic} mono required placeholder="plant/3/temperature" />
        <Field id="client" label="Published by (client id, optional)" value={client} onInput={setClient} mono />
        <button type="submit" class="button button-full">Explain</button>
      </form>
      {route.query.topic && <Result topic={route.query.topic} client={route.query.client ?? ""} />}
    </>
  );
}
