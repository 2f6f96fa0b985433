// The page against a cluster that does not exist (mock_server.mjs): every screen, and what it does when something is refused.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { PHONE, startBrowser, Visit } from "./browser.mjs";
import { Mock } from "./mock_server.mjs";

const SCREENS = [
  ["#/overview", "Overview", "All 3 nodes serve"], ["#/clients", "Clients", "sensor-0001"],
  ["#/clients/sensor-0003", "sensor-0003", "plant/+/alarm"], ["#/slow", "Slow consumers", "sensor-0008"],
  ["#/events", "Events", "bad_credentials"],
  ["#/retained", "Retained messages", "6 messages"], ["#/retained?view=tree", "Retained messages", "firmware"],
  ["#/topics", "Try topics", "Connect"], ["#/explain?topic=plant/1&client=guest", "Explain a topic", "may not publish"],
  ["#/partitions", "Partitions", "mq-2"], ["#/config", "Configuration", "storage.durability"],
];
// What the width decides; the rest is the same.
const PHONE_RULES = ["scrollable-region-focusable", "target-size", "aria-hidden-focus", "empty-table-header", "link-name", "button-name"];
const TOKEN = "0123456789abcdef";

let browser;
let mock;

before(async () => {
  browser = await startBrowser();
});
after(async () => {
  await mock?.close();
  await browser?.close();
});
beforeEach(async () => {
  await mock?.close();
  mock = await new Mock(process.env.DASHBOARD_PAGE).listen();
});

const open = (hash, options) => Visit.open(browser, mock.url, { hash, ...options });

test("every screen is sound, in light and dark, wide and on a phone", async () => {
  const visit = await open("");
  for (const [hash, title, content] of SCREENS) {
    await visit.go(hash, title);
    await visit.text(content);
    assert.deepEqual(await visit.findings(), [], `${hash} in light`);
    await visit.page.emulateMedia({ colorScheme: "dark" });
    assert.deepEqual(await visit.findings(["color-contrast"]), [], `${hash} in dark`);
    await visit.page.emulateMedia({ colorScheme: "light" });
  }
  await visit.page.setViewportSize(PHONE);
  await visit.page.emulateMedia({ colorScheme: "dark" });
  for (const [hash, title, content] of SCREENS) {
    await visit.go(hash, title);
    await visit.page.getByText(content).first().waitFor({ state: "attached" });
    assert.equal(await visit.overflow(), 0, `${hash} on a phone`);
    assert.deepEqual(await visit.findings(PHONE_RULES), [], `${hash} on a phone`);
  }
  await visit.close();
});

test("figures move by themselves", async () => {
  const visit = await open("");
  const tile = visit.page.locator(".tile", { hasText: "Connections" });
  await tile.getByText("111", { exact: true }).waitFor();
  mock.clients = mock.clients.slice(0, 7);
  await tile.getByText("6", { exact: true }).waitFor();
  await visit.page.locator(".tile", { hasText: "Messages in" }).getByText(/^\d[\d,.]*k? \/s$/).waitFor();
  await visit.close();
});

test("a node that is silent is named, and the figures say when they are old", async () => {
  const visit = await open("");
  await visit.text("All 3 nodes serve");
  mock.silent = ["mq-2"];
  await visit.text("No answer from mq-2. mq-2 is away.");
  await visit.page.getByRole("row", { name: "mq-2 silent no answer" }).waitFor();
  visit.expect(/ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET/);
  await mock.close();
  await visit.text("The node does not answer. What is shown is old.");
  await visit.close();
  mock = null;
});

test("clients are filtered and paged, and the address keeps the filter", async () => {
  const visit = await open("#/clients", {});
  const { page } = visit;
  await page.getByRole("button", { name: "Next" }).click();
  await page.getByRole("link", { name: "sensor-0050" }).waitFor();
  await page.getByRole("button", { name: "Previous" }).click();
  await page.getByRole("link", { name: "sensor-0001" }).waitFor();
  await page.getByLabel("Client id begins with").fill("sensor-012");
  await page.getByLabel("State").selectOption("Offline");
  await page.getByRole("link", { name: "sensor-0122" }).waitFor();
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 2);
  await page.reload();
  await page.getByRole("link", { name: "sensor-0122" }).waitFor();
  assert.equal(await page.getByLabel("Client id begins with").inputValue(), "sensor-012");
  await visit.close();
});

test("a client of a strange name is shown, disconnected, and gone from the list", async () => {
  const visit = await open("#/clients");
  const { page } = visit;
  await page.getByRole("link", { name: "pump/7 <main>" }).click();
  await visit.title("pump/7 <main>");
  await page.getByRole("button", { name: "Disconnect", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Disconnect" }).press("Enter");
  await visit.text("pump/7 <main> is disconnected.");
  assert.ok(mock.asked.includes("DELETE /api/v1/clients/pump%2F7%20%3Cmain%3E/connection"));
  visit.expect(/404/);
  await visit.text("There is no session of this client any more.");
  await page.getByRole("link", { name: "All clients" }).click();
  await page.getByRole("link", { name: "sensor-0001" }).waitFor();
  assert.equal(await page.getByRole("link", { name: "pump/7 <main>" }).count(), 0);
  await visit.close();
});

test("what a role does not allow is said", async () => {
  mock.role = "read";
  const visit = await open("#/clients/sensor-0001");
  visit.expect(/403/);
  await visit.page.getByRole("button", { name: "Delete session" }).click();
  await visit.page.getByRole("dialog").getByRole("button", { name: "Delete session" }).click();
  await visit.text("Your token does not allow this: it needs the role operate.");
  await visit.title("sensor-0001");
  await visit.close();
});

test("a token is asked for, kept for the tab, and given up", async () => {
  mock.token = TOKEN;
  const visit = await open("#/partitions");
  const { page } = visit;
  visit.expect(/401/);
  await visit.title("Sign in");
  assert.deepEqual(await visit.findings(), []);
  await page.getByLabel("Token").fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await visit.text("The node says: the token is not right.");
  await page.getByLabel("Token").fill(TOKEN);
  await page.getByLabel("Token").press("Enter");
  await visit.title("Partitions");
  await page.reload();
  await visit.title("Partitions");
  assert.equal(await page.evaluate(() => localStorage.length), 0, "it does not outlive the tab");
  await page.getByRole("button", { name: "Sign out" }).click();
  await visit.title("Sign in");
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await visit.close();
});

test("a refused login comes into the log, which can be filtered and held", async () => {
  const visit = await open("#/events");
  const { page } = visit;
  await visit.text("keep_alive");
  mock.event("client.refused", "stranger", "bad_credentials");
  const row = page.getByRole("row", { name: /refused stranger/ });
  await row.waitFor();
  assert.match(await row.innerText(), /bad_credentials/);
  assert.match(await page.locator("tbody tr").first().innerText(), /stranger/, "the newest is the first");
  await page.getByLabel("Kind").selectOption("Refused");
  await page.waitForFunction(() => ![...document.querySelectorAll("tbody .pill")].some((pill) => pill.textContent !== "refused"));
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByRole("button", { name: "Go on" }).waitFor();
  assert.ok(await row.isVisible(), "what was there stays");
  await visit.close();
});

test("retained messages: filter, payload in three views, delete", async () => {
  const visit = await open("#/retained");
  const { page } = visit;
  await page.getByLabel("Topic filter").fill("plant/1/#");
  await visit.text("3 messages");
  await page.getByRole("button", { name: "plant/1/line/3/state" }).click();
  const payload = page.getByLabel("Payload", { exact: true });
  await page.waitForFunction(() => document.querySelector("pre")?.textContent?.includes('"speed": 1450'));
  await page.getByRole("button", { name: "Text" }).click();
  assert.match(await payload.innerText(), /^\{"running":true/);
  await page.getByRole("button", { name: "Hex" }).click();
  assert.match(await payload.innerText(), /^0000 {2}7b 22 72 75/);
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await visit.text("2 messages");
  await visit.close();
});

test("slow consumers come in order; a queue is looked into", async () => {
  const visit = await open("#/slow");
  await visit.text("sensor-0008");
  assert.match(await visit.page.locator("tbody tr").first().innerText(), /sensor-0008[\s\S]*4,213/);
  await visit.go("#/clients/sensor-0003", "sensor-0003");
  await visit.text("The first 20 of 111");
  await visit.page.getByRole("button", { name: /plant\/0\/alarm/ }).first().click();
  await visit.text('"unit": "bar"');
  await visit.close();
});

test("explain and configuration", async () => {
  const visit = await open("#/explain");
  const { page } = visit;
  await page.getByLabel("Topic", { exact: true }).fill("plant/3/alarm");
  await page.getByLabel("Topic", { exact: true }).press("Enter");
  await visit.text("1 client would be sent it, 1 would find it in their queue, 1 would not get it.");
  await page.getByRole("row", { name: /sensor-0005 drop may not read it/ }).waitFor();
  await visit.go("#/config", "Configuration");
  await page.getByLabel("Show").selectOption("What is set");
  await page.getByLabel("Key contains").fill("log");
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
  await page.getByRole("row", { name: "log.level info flag" }).waitFor();
  await visit.close();
});

test("the keyboard is enough, and the focus is seen", async () => {
  const visit = await open("");
  const { page } = visit;
  await visit.text("All 3 nodes serve");
  await page.keyboard.press("Tab");
  const skip = page.getByRole("link", { name: "Skip to the content" });
  assert.ok(await skip.evaluate((link) => link === document.activeElement && link.getBoundingClientRect().top >= 0));
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "main");
  await page.getByRole("link", { name: "Partitions" }).focus();
  const outline = await page.getByRole("link", { name: "Partitions" }).evaluate((link) => getComputedStyle(link).outlineStyle);
  await page.keyboard.press("Enter");
  await visit.title("Partitions");
  assert.equal(outline, "solid");
  await page.waitForFunction(() => document.activeElement?.id === "title");
  await visit.close();
});

test("the theme follows the system until one is chosen; on a phone the menu opens", async () => {
  const visit = await open("", { viewport: PHONE, scheme: "dark" });
  const { page } = visit;
  const back = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  await visit.title("Overview");
  const dark = await back();
  await page.emulateMedia({ colorScheme: "light" });
  await page.waitForFunction((before) => getComputedStyle(document.documentElement).backgroundColor !== before, dark);
  await page.emulateMedia({ colorScheme: "dark" });
  await page.waitForFunction((before) => getComputedStyle(document.documentElement).backgroundColor === before, dark);
  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByLabel("Theme").selectOption("Light");
  const light = await back();
  assert.notEqual(light, dark);
  await page.emulateMedia({ colorScheme: "light" });
  await page.emulateMedia({ colorScheme: "dark" });
  assert.equal(await back(), light, "what was chosen stays");
  await page.reload();
  await visit.title("Overview");
  assert.equal(await back(), light);
  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByRole("link", { name: "Events" }).click();
  await visit.title("Events");
  assert.ok(!(await page.getByLabel("Theme").isVisible()), "the menu closes behind who chose");
  await visit.close();
});
