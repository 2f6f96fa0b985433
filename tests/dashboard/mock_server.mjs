// A cluster of three nodes that does not exist: serves the built page and answers the API from made-up, moving figures.
//
//   node tests/dashboard/mock_server.mjs PAGE_FOLDER [PORT]      then open http://127.0.0.1:PORT/dashboard/
//
// For work on the page, and for tests of what a real cluster does not show at will. The answers have the form of docs/operations.md.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { pathToFileURL } from "node:url";

const TYPES = { ".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml" };
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
  "connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
const NODES = ["mq-0", "mq-1", "mq-2"];
const START = Date.now();

const base64 = (text) => Buffer.from(text).toString("base64");
const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();

function makeClients() {
  const clients = [];
  for (let i = 0; i < 130; i += 1) {
    const connected = i % 7 !== 3;
    const queued = i % 7 === 3 ? (i * 37) % 900 : i === 8 ? 4213 : 0;
    clients.push({
      client_id: i === 0 ? "pump/7 <main>" : `sensor-${String(i).padStart(4, "0")}`,
      node: connected ? NODES[i % 3] : null, owner: NODES[(i * 5) % 3], connected,
      listener: i % 4 ? "devices" : "field", protocol_version: i % 3 ? "5.0" : "3.1.1", username: i % 2 ? "plant" : "edge",
      address: connected ? `10.4.${i % 200}.17:${40000 + i}` : null, connected_at: connected ? ago(120 + i * 61) : null,
      durable: i % 5 !== 0, session_expiry_seconds: i % 5 ? 86400 : 0, keep_alive_seconds: 60,
      subscriptions: 1 + (i % 4), queued_messages: queued, queued_bytes: queued * 210, inflight: i % 3,
    });
  }
  return clients;
}

function makeRetained() {
  const payloads = [
    ["plant/1/line/3/temperature", "21.7"], ["plant/1/line/3/state", '{"running":true,"speed":1450,"tags":["a","b"]}'],
    ["plant/1/line/4/state", '{"running":false}'], ["plant/2/firmware", Buffer.from([0, 1, 2, 250, 251, 252, 253, 10, 65, 66, 67])],
    ["plant/2/name", "Wärmepumpe Süd"], ["$SYS/broker/version", "SkeinMQ 0.1.0"],
  ];
  return payloads.map(([topic, payload], i) => ({
    topic, qos: i % 3, payload_bytes: Buffer.byteLength(payload), payload_base64: base64(payload), stored_at: ago(40 + i * 500),
    expires_at: i === 1 ? ago(-3600) : null,
  }));
}

export class Mock {
  constructor(page) {
    this.page = page;
    this.token = ""; // what a request has to show; empty: nothing
    this.role = "admin"; // read: changes are answered 403
    this.silent = [];
    this.asked = []; // paths, in order
    this.clients = makeClients();
    this.retained = makeRetained();
    this.events = [];
    for (let i = 1; i <= 24; i += 1) {
      const kind = ["client.connected", "client.disconnected", "client.refused"][i % 3];
      const reason = ["", "keep_alive", "bad_credentials"][i % 3];
      this.event(kind, `sensor-${String(i).padStart(4, "0")}`, reason, 240 - i * 9);
    }
  }

  event(kind, client_id, reason, seconds = 0) {
    const id = this.events.length + 1;
    const where = { node: NODES[id % 3], listener: "devices", address: "10.4.2.9:40111" };
    this.events.push({ id, time: ago(seconds), kind, client_id, reason, ...where });
  }

  async listen(port = 0) {
    this.server = createServer((request, response) => this.answer(request, response));
    await new Promise((resolve) => this.server.listen(port, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  async close() {
    this.server.closeAllConnections?.();
    await new Promise((resolve) => this.server.close(resolve));
  }

  answer(request, response) {
    const url = new URL(request.url, "http://mock");
    this.asked.push(`${request.method} ${url.pathname}`);
    if (url.pathname.startsWith("/dashboard/")) return this.file(url.pathname.slice("/dashboard/".length) || "index.html", response);
    const [status, body] = this.judge(request, url);
    response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" });
    response.end(JSON.stringify(body));
    return undefined;
  }

  file(name, response) {
    try {
      const bytes = readFileSync(join(this.page, name));
      response.writeHead(200, { "Content-Type": TYPES[extname(name)] ?? "text/plain", "Content-Security-Policy": POLICY });
      response.end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  }

  judge(request, url) {
    if (this.token && request.headers.authorization !== `Bearer ${this.token}`) {
      return [401, { error: request.headers.authorization ? "the token is not right" : "a bearer token is needed" }];
    }
    if (request.method !== "GET" && this.role === "read") return [403, { error: "it needs the role operate" }];
    const path = url.pathname.replace("/api/v1/", "").split("/").map(decodeURIComponent);
    const handler = this[`on_${path[0].replace("-", "_")}`];
    return handler ? handler.call(this, path, url.searchParams, request.method) : [404, { error: "there is nothing here" }];
  }

  on_overview() {
    const now = Date.now();
    const t = (now - START) / 1000 + 86_000;
    const nodes = NODES.filter((name) => !this.silent.includes(name)).map((node, i) => {
      const wave = 1 + 0.18 * Math.sin(t / 9 + i) + 0.06 * Math.sin(t * 1.7 + i * 2);
      return {
        node, version: "0.1.0", state: "serving", linked: 2, uptime_seconds: Math.floor(t) + i * 400,
        connections: this.clients.filter((client) => client.node === node).length, sessions: 4100 + i * 13, subscriptions: 9120 + i,
        routes: 27_000, retained_messages: this.retained.length, queued_messages: Math.round(420 * wave) + i,
        partitions: [86, 85, 85][i], outbox_messages: 0,
        messages_in_total: Math.round(t * 2100 + 300 * (wave - 1) * 40), messages_out_total: Math.round(t * 6300 + 900 * (wave - 1) * 40),
        bytes_in_total: Math.round(t * 2100 * 190), bytes_out_total: Math.round(t * 6300 * 190), dropped_total: Math.floor(t / 3),
        latency: {
          publish_ack: { p50: 0.0011 * wave, p99: 0.0043 * wave * wave },
          publish_deliver: { p50: 0.0004 * wave, p99: 0.0019 * wave * wave },
        },
        ...(i === 0 ? { websocket_listeners: [{ name: "web", url: this.websocket ?? "ws://0.0.0.0:8083/mqtt" }] } : {}),
      };
    });
    return [200, { time: now, nodes, silent_nodes: this.silent }];
  }

  on_cluster() {
    const members = NODES.map((node, i) => ({
      node, number: i, address: `${node}.mq-peers:7883`, state: this.silent.includes(node) ? "away" : "active", self: i === 0,
      linked: !this.silent.includes(node), partitions: [86, 85, 85][i],
    }));
    return [200, {
      node: "mq-0", number: 0, version: "0.1.0", cluster: "plant", coordinator: "etcd", lease: true, state: "serving", ready: true,
      partitions: 256, moving: 0, members,
    }];
  }

  on_partitions() {
    const rowOf = (_, partition) => ({ partition, epoch: 3, node: NODES[(partition * 7 + (partition >> 3)) % 3] });
    return [200, { partitions: Array.from({ length: 256 }, rowOf) }];
  }

  on_clients(path, query, method) {
    if (path[1] !== undefined) return this.client(path, method);
    const wanted = (name) => query.get(name) ?? "";
    let found = this.clients.filter((client) =>
      client.client_id.startsWith(wanted("prefix")) &&
      (!wanted("username") || client.username === wanted("username")) &&
      (!wanted("listener") || client.listener === wanted("listener")) &&
      (!wanted("connected") || String(client.connected) === wanted("connected")) &&
      (!wanted("node") || client.node === wanted("node")));
    const limit = Number(wanted("limit") || 100);
    if (wanted("order") === "queued") {
      found = [...found].sort((a, b) => b.queued_messages - a.queued_messages).slice(0, limit);
      return [200, { clients: found, next: null, silent_nodes: this.silent }];
    }
    const from = Number(wanted("cursor") || 0);
    const next = from + limit < found.length ? String(from + limit) : null;
    return [200, { clients: found.slice(from, from + limit), next, silent_nodes: this.silent }];
  }

  client([, id, part], method) {
    const client = this.clients.find((each) => each.client_id === id);
    if (!client) return [404, { error: `there is no session of '${id}'` }];
    if (method === "DELETE") {
      this.clients = this.clients.filter((each) => each !== client);
      this.event("client.disconnected", id, part === "session" ? "deleted" : "kicked");
      return [200, {}];
    }
    if (part === "queue") {
      const messages = Array.from({ length: Math.min(20, client.queued_messages) }, (_, i) => ({
        topic: `plant/${i % 3}/alarm`, qos: 1, retain: false, payload_bytes: 24, payload_base64: base64(`{"level":${i},"unit":"bar"}`),
        received_at: ago(300 - i), expires_at: null,
      }));
      return [200, { messages, total: client.queued_messages }];
    }
    const subscription_list = Array.from({ length: client.subscriptions }, (_, i) => ({
      filter: ["plant/+/alarm", "plant/#", "jobs/weld", "time"][i], qos: i % 3, no_local: i === 1, retain_as_published: i === 2,
      retain_handling: 0, identifier: i === 2 ? 7 : null, share: i === 2 ? "welders" : null,
    }));
    return [200, { ...client, subscription_list }];
  }

  on_retained(path, query, method) {
    const filter = query.get("filter") ?? "#";
    const pattern = filter.replace(/[.*$^()[\]|\\{}?]/g, "\\$&").replace(/\+/g, "[^/]*").replace(/\/?#$/, ".*");
    const matches = (message) => new RegExp(`^${pattern}$`).test(message.topic);
    if (method === "DELETE") {
      const before = this.retained.length;
      this.retained = this.retained.filter((message) => !matches(message));
      return [200, { deleted: before - this.retained.length }];
    }
    return [200, { messages: this.retained.filter(matches), next: null }];
  }

  on_events(path, query) {
    const after = Number(query.get("after") || 0);
    const kind = query.get("kind");
    const events = this.events.filter((event) => event.id > after && (!kind || event.kind === kind)).slice(-100);
    return [200, { events, last: String(this.events.length), silent_nodes: this.silent }];
  }

  on_config() {
    const values = [
      ["admin.listen", "0.0.0.0:9883", "file:broker.yaml:3"], ["admin.token_file", "***", "file:broker.yaml:4"],
      ["cluster.etcd", "http://etcd:2379", "environment"], ["limits.max_inflight", 20, "default"],
      ["limits.max_packet_size", 1048576, "default"], ["log.level", "info", "flag"], ["net.shards", 0, "default"],
      ["node.id", "mq-0", "environment"], ["storage.durability", "fsync", "default"],
    ].map(([key, value, source]) => ({ key, value, source }));
    return [200, { values }];
  }

  on_explain(path, query) {
    const topic = query.get("topic") ?? "";
    const receivers = [
      ["sensor-0002", "mq-2", "plant/#", 1, true, "deliver", "connected", "rules.yaml:4"],
      ["sensor-0003", "mq-0", "plant/+/alarm", 1, false, "queue", "durable, offline", ""],
      ["sensor-0005", "mq-1", "#", 0, true, "drop", "may not read it", "rules.yaml:9"],
    ].map(([client_id, node, filter, qos, connected, would, why, rule]) =>
      ({ client_id, node, filter, qos, share: null, connected, would, why, rule }));
    const client = query.get("client_id");
    const publisher = client ? { client_id: client, allowed: client !== "guest", rule: "rules.yaml:2" } : null;
    return [200, { topic, publisher, retained: topic.startsWith("plant/"), receivers, silent_nodes: this.silent }];
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const mock = await new Mock(process.argv[2]).listen(Number(process.argv[3] ?? 8800));
  console.log(`${mock.url}/dashboard/`);
}
