// The page against a real broker, with a token and real clients.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { PATIENCE, startBrowser, Visit } from "./browser.mjs";

const { default: mqtt } = createRequire(join(process.env.DASHBOARD_MODULES, "package.json"))("mqtt");
const TOKEN = "0123456789abcdef0123456789abcdef";

let browser;
let broker;

async function until(condition, what) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

class Broker {
  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "skeinmq-dashboard-"));
    const token = join(this.folder, "token");
    const config = join(this.folder, "broker.yaml");
    writeFileSync(token, `${TOKEN}\n`);
    // The last listener lets nobody in: it names no authenticator and refuses anonymous clients.
    writeFileSync(config, [
      "node: {id: mq-0}", `data_dir: ${this.folder}/data`, `admin: {listen: "127.0.0.1:0", token_file: ${token}}`, "listeners:",
      '  - {url: "tcp://127.0.0.1:0", name: devices}', '  - {url: "ws://127.0.0.1:0", name: web}',
      '  - {url: "tcp://127.0.0.1:0", name: closed, allow_anonymous: false}', "",
    ].join("\n"));
    const log = openSync(this.logFile(), "a");
    const options = { stdio: ["ignore", log, log] };
    this.process = spawn(process.env.SKEINMQD, ["--config", config, "--shards", "2"], options);
    this.ended = new Promise((resolve) => this.process.once("exit", resolve));
  }

  logFile() {
    return join(this.folder, "log");
  }
  log() {
    return readFileSync(this.logFile(), "utf8");
  }
  async ready() {
    const found = await until(() => this.log().match(/admin\.ready address=(\S+)/), "admin.ready");
    this.url = `http://${found[1]}`;
    this.urls = await until(() => {
      const urls = [...this.log().matchAll(/listener\.ready url=(\S+)/g)].map((each) => each[1]);
      return urls.length === 3 && urls;
    }, "three listeners");
    await until(async () => (await fetch(`${this.url}/readyz`)).ok, "readyz");
    return this;
  }
  port(index) {
    return Number(this.urls[index].match(/:(\d+)/)[1]);
  }
  client(index, clientId, fields = {}) {
    return mqtt.connect(`mqtt://127.0.0.1:${this.port(index)}`, { clientId, protocolVersion: 5, reconnectPeriod: 0, ...fields });
  }
  ask(path, method = "GET") {
    return fetch(`${this.url}/api/v1/${path}`, { method, headers: { Authorization: `Bearer ${TOKEN}` } });
  }
  async stop() {
    this.process.kill("SIGTERM");
    const code = await this.ended;
    const log = this.log();
    rmSync(this.folder, { recursive: true });
    assert.equal(code, 0, log);
  }
}

before(async () => {
  broker = await new Broker().ready();
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await broker?.stop();
});

async function signedIn(hash) {
  const visit = await Visit.open(browser, broker.url, { hash });
  visit.expect(/401/);
  await visit.title("Sign in");
  await visit.page.getByLabel("Token").fill(TOKEN);
  await visit.page.getByLabel("Token").press("Enter");
  return visit;
}

const connected = (client) => new Promise((resolve, reject) => client.once("connect", resolve).once("error", reject));

test("the files are served with their headers, and are not sent twice", async () => {
  const moved = await fetch(`${broker.url}/`, { redirect: "manual" });
  assert.deepEqual([moved.status, moved.headers.get("location")], [308, "/dashboard/"]);
  const page = await fetch(`${broker.url}/dashboard/`);
  assert.equal(page.headers.get("cache-control"), "no-cache");
  assert.match(page.headers.get("content-security-policy"), /default-src 'none'; script-src 'self'.*frame-ancestors 'none'/);
  assert.equal(page.headers.get("x-content-type-options"), "nosniff");
  const again = await fetch(`${broker.url}/dashboard/`, { headers: { "If-None-Match": page.headers.get("etag") } });
  assert.equal(again.status, 304);
  const names = [...(await page.text()).matchAll(/(?:src|href)="([^"]+)"/g)].map((found) => found[1]);
  assert.equal(names.length, 4);
  for (const name of names) {
    const part = await fetch(`${broker.url}/dashboard/${name}`);
    assert.match(part.headers.get("cache-control"), /immutable/, name);
    const plain = await fetch(`${broker.url}/dashboard/${name}`, { headers: { "Accept-Encoding": "identity" } });
    assert.deepEqual([part.headers.get("content-encoding"), plain.headers.get("content-encoding")], ["gzip", null]);
    assert.equal(await part.text(), await plain.text(), name);
  }
  assert.equal((await fetch(`${broker.url}/dashboard/none.js`)).status, 404);
});

test("a client comes, is disconnected, and goes; a refused one is in the log", async () => {
  const visit = await signedIn("#/overview");
  const { page } = visit;
  await visit.text("The node serves, nothing is wrong.");
  const client = broker.client(0, "pump-7");
  await connected(client);
  await page.locator(".tile", { hasText: "Connections" }).getByText("1", { exact: true }).waitFor();
  await client.subscribeAsync("plant/+/alarm", { qos: 1 });
  await visit.go("#/clients", "Clients");
  await page.getByRole("link", { name: "pump-7" }).click();
  await visit.text("plant/+/alarm");
  const reason = new Promise((resolve) => client.once("disconnect", (packet) => resolve(packet.reasonCode)));
  await page.getByRole("button", { name: "Disconnect", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Disconnect" }).click();
  assert.equal(await reason, 0x98);
  visit.expect(/404/);
  await visit.go("#/clients", "Clients");
  await visit.text("No client matches.");
  const stranger = broker.client(2, "stranger");
  await new Promise((resolve) => stranger.once("error", resolve));
  stranger.end(true);
  await visit.go("#/events", "Events");
  await page.getByRole("row", { name: /refused stranger/ }).waitFor();
  await page.getByRole("row", { name: /disconnected pump-7/ }).waitFor();
  await visit.close();
});

test("topics are tried over WebSocket; what is retained is seen and deleted", async () => {
  const visit = await signedIn("#/topics");
  const { page } = visit;
  visit.allow(`127.0.0.1:${broker.port(1)}`);
  const address = page.getByLabel("WebSocket address");
  await until(async () => (await address.inputValue()).includes(`:${broker.port(1)}`), "the listener is proposed");
  await page.getByRole("button", { name: "Connect" }).click();
  await page.getByLabel("Topic filter").fill("try/#");
  await page.getByRole("button", { name: "Subscribe" }).click();
  await page.getByRole("button", { name: "Unsubscribe from try/#" }).waitFor();
  await page.getByLabel("Topic", { exact: true }).fill("try/one");
  await page.getByLabel("Payload").fill('{"level": 7}');
  await page.getByLabel("Retain").check();
  await page.getByRole("button", { name: "Publish" }).click();
  await visit.text("Published to try/one, acknowledged.");
  await page.getByRole("button", { name: /^try\/one/ }).click();
  await visit.text('"level": 7');
  assert.deepEqual(await visit.findings(["aria-allowed-role", "button-name", "label", "list", "listitem"]), []);
  await visit.go("#/retained", "Retained messages");
  await page.getByRole("button", { name: "try/one" }).click();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await visit.text("No retained message matches.");
  await visit.close();
});

test("explain says what would become of a message, and publishes nothing", async () => {
  const present = broker.client(0, "here");
  await connected(present);
  const got = [];
  present.on("message", (topic) => got.push(topic));
  await present.subscribeAsync("line/+/alarm", { qos: 1 });
  const away = broker.client(0, "away", { clean: false, properties: { sessionExpiryInterval: 300 } });
  await connected(away);
  await away.subscribeAsync("line/#", { qos: 1 });
  await away.endAsync();
  const visit = await signedIn("#/explain");
  const { page } = visit;
  await page.getByLabel("Topic", { exact: true }).fill("line/3/alarm");
  await page.getByLabel("Published by").fill("here");
  await page.getByRole("button", { name: "Explain" }).click();
  await visit.text("here may publish here.");
  await visit.text("1 client would be sent it, 1 would find it in their queue, 0 would not get it.");
  await visit.text("The topic has no retained message.");
  await page.getByRole("row", { name: /^here deliver connected line\/\+\/alarm 1 / }).waitFor();
  await page.getByRole("row", { name: /^away queue offline: it waits until the client comes back line\/# 1 / }).waitFor();
  // It follows what changes.
  await present.publishAsync("line/3/alarm", "real", { qos: 1, retain: true });
  await visit.text("The topic has a retained message.");
  await until(() => got.length === 1, "only what was really published arrives");
  await page.getByLabel("Topic", { exact: true }).fill("line/4/temperature");
  await page.getByRole("button", { name: "Explain" }).click();
  await visit.text("0 clients would be sent it, 1 would find it in their queue, 0 would not get it.");
  await broker.ask("retained?filter=line/%23", "DELETE");
  await present.endAsync();
  await broker.ask("clients/away/session", "DELETE");
  await visit.close();
});

test("every other screen shows what the node answers", async () => {
  const offline = broker.client(0, "sleeper", { clean: false, properties: { sessionExpiryInterval: 300 } });
  await connected(offline);
  await offline.subscribeAsync("jobs/#", { qos: 1 });
  await offline.endAsync();
  const publisher = broker.client(0, "publisher");
  await connected(publisher);
  for (let i = 0; i < 3; i += 1) await publisher.publishAsync("jobs/weld", `job ${i}`, { qos: 1 });
  await publisher.endAsync();
  const visit = await signedIn("#/slow");
  const { page } = visit;
  await page.getByRole("link", { name: "sleeper" }).click();
  await visit.text("3 messages. Looking takes nothing out.");
  await page.getByRole("button", { name: /^jobs\/weld/ }).first().click();
  await visit.text("job 0");
  await visit.go("#/partitions", "Partitions");
  await page.getByRole("row", { name: "mq-0 256 0–255" }).waitFor();
  await visit.go("#/config?source=set", "Configuration");
  await page.getByRole("row", { name: /^node\.id "?mq-0/ }).waitFor();
  await visit.close();
});
