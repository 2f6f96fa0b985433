// Retained messages: a filter, a list or a tree of topics, and one message in full.
import { useMemo, useState } from "preact/hooks";
import { ask } from "../lib/api";
import { bytes, expiry, moment, plural } from "../lib/format";
import { decodeBase64, preview } from "../lib/payload";
import { usePoll, useSettled } from "../lib/poll";
import { replaceQuery, type Route } from "../lib/route";
import { treeOf, type Branch } from "../lib/tree";
import type { RetainedMessage } from "../lib/types";
import { ConfirmButton } from "../ui/confirm";
import { Empty, Facts, Field, Loading, Problem, Scroll, Title } from "../ui/parts";
import { Payload } from "../ui/payload";

const PAGE = 500;

interface Answer {
  messages: RetainedMessage[];
  next: string | null;
}

interface Picking {
  picked: string | null;
  pick: (topic: string) => void;
}

function shown(message: RetainedMessage): string {
  const data = decodeBase64(message.payload_base64);
  return preview(data, message.payload_bytes > data.length);
}

function List({ messages, picked, pick }: { messages: RetainedMessage[] } & Picking) {
  return (
    <Scroll label="Retained messages">
      <table>
        <thead>
          <tr>
            <th scope="col">Topic</th><th scope="col" class="wide">Payload</th><th scope="col" class="number">Size</th>
            <th scope="col" class="number">QoS</th><th scope="col" class="wide">Stored</th>
          </tr>
        </thead>
        <tbody>
          {messages.map((message) => (
            <tr key={message.topic} class={picked === message.topic ? "picked" : ""}>
              <th scope="row">
                <button type="button" class="link mono" aria-pressed={picked === message.topic} onClick={() => pick(message.topic)}>
                  {message.topic}
                </button>
              </th>
              <td class="wide mono clip">{shown(message)}</td>
              <td class="number nowrap">{bytes(message.payload_bytes)}</td>
              <td class="number">{message.qos}</td>
              <td class="wide nowrap">{moment(message.stored_at)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function BranchOf({ branch, depth, picked, pick }: { branch: Branch<RetainedMessage>; depth: number } & Picking) {
  const leaf = branch.leaf && (
    <button type="button" class="link mono" aria-pressed={picked === branch.topic} onClick={() => pick(branch.topic)}>
      {branch.level || "(empty)"}
    </button>
  );
  if (branch.branches.length === 0) {
    return <li><span class="leaf">{leaf} {branch.leaf && <span class="quiet mono clip">{shown(branch.leaf)}</span>}</span></li>;
  }
  return (
    <li>
      <details open={depth < 2}>
        <summary><span class="mono">{branch.level || "(empty)"}</span> <span class="quiet">{branch.count}</span></summary>
        <ul>
          {leaf && <li><span class="leaf">{leaf} <span class="quiet">(the topic itself)</span></span></li>}
          {branch.branches.map((each) => <BranchOf key={each.level} branch={each} depth={depth + 1} picked={picked} pick={pick} />)}
        </ul>
      </details>
    </li>
  );
}

function Tree({ messages, picked, pick }: { messages: RetainedMessage[] } & Picking) {
  const root = useMemo(() => treeOf(messages), [messages]);
  return (
    <div class="panel tree">
      <ul>{root.branches.map((branch) => <BranchOf key={branch.level} branch={branch} depth={0} picked={picked} pick={pick} />)}</ul>
    </div>
  );
}

function Detail({ message, changed }: { message: RetainedMessage; changed: () => void }) {
  const data = useMemo(() => decodeBase64(message.payload_base64), [message.payload_base64]);
  return (
    <section class="panel detail" aria-label={`Message of ${message.topic}`}>
      <h2 class="mono break">{message.topic}</h2>
      <Facts
        rows={[
          ["Stored", moment(message.stored_at)],
          ["Expires", message.expires_at ? moment(message.expires_at) : expiry(null)],
          ["QoS", String(message.qos)],
        ]}
      />
      <Payload key={message.topic} data={data} size={message.payload_bytes} />
      <ConfirmButton
        label="Delete" question={`Delete the retained message of ${message.topic}?`}
        text="It is deleted on all nodes. Subscribers that come later are not given it."
        act={async () => {
          await ask("retained", { method: "DELETE", parameters: { filter: message.topic } });
          return `The retained message of ${message.topic} is deleted.`;
        }}
        done={changed}
      />
    </section>
  );
}

export function RetainedScreen({ route }: { route: Route }) {
  const filter = route.query.filter ?? "#";
  const tree = route.query.view === "tree";
  const settled = useSettled(filter) || "#";
  const { data, error, refresh } = usePoll(`retained ${settled}`, (signal) =>
    ask<Answer>("retained", { parameters: { filter: settled, limit: PAGE }, signal }), 2_000);
  const [picked, setPicked] = useState<string | null>(null);
  const message = data?.messages.find((each) => each.topic === picked);
  const set = (name: string, value: string) => replaceQuery(route, { ...route.query, [name]: value });
  const views: [string, string][] = [["", "List"], ["tree", "Tree"]];
  return (
    <>
      <Title>Retained messages</Title>
      <form class="filters" role="search" aria-label="Retained messages" onSubmit={(event) => event.preventDefault()}>
        <Field id="filter" label="Topic filter" value={filter} onInput={(value) => set("filter", value)} mono placeholder="#" />
        <div class="segments" role="group" aria-label="Show as">
          {views.map(([key, name]) => (
            <button key={name} type="button" aria-pressed={tree === (key === "tree")} onClick={() => set("view", key)}>{name}</button>
          ))}
        </div>
      </form>
      <Problem error={error} />
      {!data && !error && <Loading />}
      {data && data.messages.length === 0 && <Empty>No retained message matches.</Empty>}
      {data && data.messages.length > 0 && (
        <div class={message ? "split" : ""}>
          <div>
            {tree
              ? <Tree messages={data.messages} picked={picked} pick={setPicked} />
              : <List messages={data.messages} picked={picked} pick={setPicked} />}
            <p class="quiet">
              {data.next ? `The first ${data.messages.length}; a narrower filter shows others.` : plural(data.messages.length, "message")}
            </p>
          </div>
          {message && <Detail message={message} changed={refresh} />}
        </div>
      )}
    </>
  );
}
