// The parts of the page that need no browser: rates, figures as text, payloads, trees, addresses, axes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { pathOf } from "../../../broker/admin/dashboard/src/lib/api";
import { reachable } from "../../../broker/admin/dashboard/src/lib/broker";
import { bytes, count, duration, expiry, latency, moment, plural, rate, short } from "../../../broker/admin/dashboard/src/lib/format";
import { NO_HISTORY, remember, SAMPLES } from "../../../broker/admin/dashboard/src/lib/history";
import { asHex, asJson, asText, bestView, decodeBase64, preview } from "../../../broker/admin/dashboard/src/lib/payload";
import { rateOf, ratesOfAll, ratesOfNode, worstLatency } from "../../../broker/admin/dashboard/src/lib/rates";
import { hashOf, parseRoute } from "../../../broker/admin/dashboard/src/lib/route";
import { ceiling, nearest, positionOf, runs } from "../../../broker/admin/dashboard/src/lib/scale";
import { treeOf } from "../../../broker/admin/dashboard/src/lib/tree";
import type { NodeOverview, Overview } from "../../../broker/admin/dashboard/src/lib/types";
import { merge } from "../../../broker/admin/dashboard/src/screens/events";
import { troubles } from "../../../broker/admin/dashboard/src/screens/overview";
import { ledBy, ranges } from "../../../broker/admin/dashboard/src/screens/partitions";

const utf8 = (text: string) => new TextEncoder().encode(text);

function node(name: string, fields: Partial<NodeOverview> = {}): NodeOverview {
  return {
    node: name, version: "1", state: "serving", linked: 0, uptime_seconds: 100, connections: 2, sessions: 3, subscriptions: 4, routes: 5,
    retained_messages: 6, queued_messages: 7, messages_in_total: 100, messages_out_total: 200, bytes_in_total: 1000, bytes_out_total: 2000,
    dropped_total: 0, partitions: 1, outbox_messages: 0, ...fields,
  };
}
const overview = (time: number, ...nodes: NodeOverview[]): Overview => ({ time, nodes, silent_nodes: [] });

test("a rate is what a counter gained in a second", () => {
  assert.equal(rateOf(100, 350, 500), 500);
  assert.equal(rateOf(100, 100, 1000), 0);
  assert.equal(rateOf(100, 99, 1000), null, "the node was restarted");
  assert.equal(rateOf(undefined, 5, 1000), null);
  assert.equal(rateOf(1, 5, 0), null);
});

test("a node that was restarted, or was not there before, has no rate", () => {
  const before = overview(0, node("a"), node("b", { uptime_seconds: 900, messages_in_total: 0 }));
  const after = overview(2000, node("a", { messages_in_total: 300 }), node("b", { uptime_seconds: 1 }), node("c"));
  assert.equal(ratesOfNode(before, after, "a").messagesIn, 100);
  assert.equal(ratesOfNode(before, after, "b").messagesIn, null);
  assert.equal(ratesOfNode(before, after, "c").messagesIn, null);
  assert.equal(ratesOfAll(before, after).messagesIn, 100);
  assert.equal(ratesOfAll(null, after).messagesIn, null);
});

test("the latency is the worst node's", () => {
  const latencies = (p50: number | null, p99: number | null) => ({ latency: { publish_ack: { p50, p99 }, publish_deliver: null } });
  const nodes = [node("a", latencies(0.001, 0.01)), node("b", latencies(0.002, null)), node("c")];
  assert.deepEqual(worstLatency(nodes, "publish_ack"), { p50: 0.002, p99: 0.01 });
  assert.deepEqual(worstLatency(nodes, "publish_deliver"), { p50: null, p99: null });
});

test("the history is bounded, and a repeated answer is a gap", () => {
  let history = NO_HISTORY;
  for (let i = 0; i < SAMPLES + 5; i += 1) history = remember(history, overview(i * 1000, node("a", { messages_in_total: i * 10 })));
  assert.equal(history.samples.length, SAMPLES);
  assert.equal(history.samples.at(-1)?.messagesIn, 10);
  assert.equal(history.samples.at(-1)?.connections, 2);
  assert.equal(remember(history, history.overview!).samples.at(-1)?.messagesIn, null);
});

test("figures as people read them", () => {
  assert.deepEqual([0, 1234, 9999, 12_345, 999_950, 1_500_000].map(short), ["0", "1,234", "9,999", "12.3k", "1M", "1.5M"]);
  assert.deepEqual([0, 0.25, 2, 14.4].map(rate), ["0", "0.25", "2", "14"]);
  assert.deepEqual([0, 1023, 1024, 1536, 1 << 20].map(bytes), ["0 B", "1023 B", "1 KiB", "1.5 KiB", "1 MiB"]);
  assert.deepEqual([0.0000004, 0.00047, 0.0123, 2].map(latency), ["0.4 µs", "470 µs", "12.3 ms", "2 s"]);
  assert.deepEqual([0, 59, 60, 3661, 93_784, 86_400].map(duration), ["0s", "59s", "1m", "1h 1m", "1d 2h", "1d"]);
  assert.deepEqual([0, 60, 0xffffffff, null].map(expiry), ["when it disconnects", "after 1m", "never", "never"]);
  assert.deepEqual([short, rate, bytes, latency, duration, count].map((each) => each(null)), Array(6).fill("–"));
  assert.equal(plural(1, "message"), "1 message");
  assert.equal(plural(1200, "message"), "1,200 messages");
});

test("a moment has its date when that is not today's", () => {
  const now = new Date(2026, 4, 7, 12, 0, 0);
  assert.equal(moment(new Date(2026, 4, 7, 9, 5, 3).toISOString(), now), "09:05:03");
  assert.equal(moment(new Date(2026, 3, 30, 9, 5, 3).toISOString(), now), "2026-04-30 09:05:03");
  assert.equal(moment(null), "–");
  assert.equal(moment("soon"), "soon");
});

test("payloads: text, JSON, hexadecimal", () => {
  assert.equal(asText(utf8("Süd")), "Süd");
  assert.equal(asText(Uint8Array.of(0xff)), null);
  assert.equal(asText(utf8("Süd").subarray(0, 2)), null);
  assert.equal(asText(utf8("Süd").subarray(0, 2), true), "S", "cut in the middle of a character");
  assert.equal(asJson(utf8('{"a":1}')), '{\n  "a": 1\n}');
  assert.equal(asJson(utf8("{a")), null);
  assert.equal(asHex(utf8("0123456789abcdef!\n")),
    "0000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  0123456789abcdef\n" +
    `0010  21 0a${" ".repeat(18)}  ${" ".repeat(23)}  !.`);
  const datas = [utf8("21.5"), utf8("[1]"), Uint8Array.of(0, 1), utf8("[1")];
  assert.deepEqual(datas.map((data) => bestView(data)), ["text", "json", "hex", "text"]);
  assert.equal(preview(Uint8Array.of()), "(empty)");
  assert.equal(preview(Uint8Array.of(0, 255)), "00 ff");
  assert.equal(preview(utf8("a\n b")), "a b");
  assert.deepEqual(decodeBase64("AP8="), Uint8Array.of(0, 255));
});

test("topics as a tree keep empty levels and messages of inner topics", () => {
  const tree = treeOf(["a", "a/b", "a//b", "/a"].map((topic) => ({ topic })));
  assert.equal(tree.count, 4);
  assert.deepEqual(tree.branches.map((branch) => [branch.level, branch.count, branch.leaf?.topic]), [["a", 3, "a"], ["", 1, undefined]]);
  assert.deepEqual(tree.branches[0]?.branches.map((branch) => branch.topic), ["a/b", "a/"]);
  assert.equal(tree.branches[1]?.branches[0]?.leaf?.topic, "/a");
});

test("an address names the screen, a client of any name, and filters", () => {
  for (const id of ["plain", "a/b", "ü?#% &", "..", "\u0001"]) {
    assert.deepEqual(parseRoute(hashOf("clients", id, { view: "a&b=c" })), { screen: "clients", id, query: { view: "a&b=c" } });
  }
  assert.deepEqual(parseRoute(""), { screen: "overview", id: null, query: {} });
  assert.deepEqual(parseRoute("#/clients/%zz"), { screen: "clients", id: "%zz", query: {} });
  assert.equal(hashOf("clients", null, { prefix: "" }), "#/clients");
});

test("requests leave out what is empty, and escape the rest", () => {
  assert.equal(pathOf("clients", { prefix: "a&b", node: "", limit: 50, cursor: undefined }), "/api/v1/clients?prefix=a%26b&limit=50");
});

test("the axis ends at a round number", () => {
  assert.deepEqual([[], [0], [3], [7], [11], [100], [0.0003]].map((values) => ceiling(values)), [1, 1, 5, 10, 20, 100, 0.0005]);
  assert.equal(ceiling([null, 3 << 20], 1024), 5 << 20);
});

test("a line is broken where nothing is known", () => {
  const times = [-200_000, 0, 1000, 2000, 3000, 60_000];
  assert.deepEqual(runs([9, 1, 2, null, 3, 4], times), [[1, 2], [4], [5]], "too old, a gap, a pause");
  assert.equal(positionOf(times, 5), 1);
  assert.equal(positionOf([0, 90_000], 0), 0.5);
  assert.equal(nearest(times, 1), 5);
  assert.equal(nearest(times, positionOf(times, 3) - 0.001), 3);
  assert.equal(nearest(times, 0.9), null);
});

test("partitions by node", () => {
  const rows = ["b", "a", "a", null, "a", "a10", "a9"].map((name, partition) => ({ partition, epoch: 1, node: name }));
  assert.deepEqual(ledBy(rows).map((each) => each.node), ["a", "a9", "a10", "b", null]);
  assert.equal(ranges([1, 2, 4]), "1–2, 4");
  assert.equal(ranges([]), "");
});

test("events are kept once, newest first", () => {
  const event = (id: number, name: string, time: string) => ({ id, node: name, time, kind: "client.connected" });
  const first = [event(2, "a", "2026-01-01T00:00:02Z"), event(1, "a", "2026-01-01T00:00:01Z")];
  const all = merge(first, [event(2, "a", "2026-01-01T00:00:02Z"), event(2, "b", "2026-01-01T00:00:03Z")]);
  assert.deepEqual(all.map((each) => `${each.node}${each.id}`), ["b2", "a2", "a1"]);
  assert.equal(merge(first, []), first);
});

test("what is wrong is said in words", () => {
  const member = (name: string, fields = {}) =>
    ({ node: name, number: 0, address: "", state: "active", self: name === "a", linked: true, partitions: 1, ...fields });
  const cluster = {
    node: "a", version: "1", cluster: "c", coordinator: "etcd", lease: true, state: "serving", ready: true, partitions: 3, moving: 0,
    members: [member("a"), member("b", { linked: false }), member("c", { state: "away", linked: false })],
  };
  const now = { ...overview(1, node("a", { outbox_messages: 2 })), silent_nodes: ["c"] };
  assert.deepEqual(troubles({ ...cluster, lease: false }, now), [
    "No answer from c.", "a does not reach b.", "c is away.", "a has no lease.", "2 messages wait in outboxes for nodes that are away.",
  ]);
  assert.deepEqual(troubles({ ...cluster, members: [member("a")] }, overview(1, node("a"))), []);
});

test("a listener's address as the browser reaches it", () => {
  const page = { hostname: "broker.example" };
  assert.equal(reachable("ws://0.0.0.0:8083/", page), "ws://broker.example:8083/");
  assert.equal(reachable("wss://[::]:8084/mqtt", page), "wss://broker.example:8084/mqtt");
  assert.equal(reachable("ws://mq.example:8083/", page), "ws://mq.example:8083/");
  assert.equal(reachable("nonsense", page), "nonsense");
});
