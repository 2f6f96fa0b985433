// Chromium for the tests of the page: opens it, and holds against it what a user must never see.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.DASHBOARD_TEST_MODULES, "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export const PATIENCE = 30_000; // milliseconds; machines that test are busy
export const WIDE = { width: 1440, height: 900 };
export const PHONE = { width: 360, height: 780 };

export async function startBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: [
      "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync",
    ],
  });
}

// A page and what went wrong in it. `expect(pattern)`: an error that the test provokes.
export class Visit {
  static async open(browser, url, { hash = "", viewport = WIDE, scheme = "light" } = {}) {
    const visit = new Visit();
    visit.base = url;
    visit.wrong = [];
    visit.expected = [];
    visit.hosts = [new URL(url).host];
    visit.context = await browser.newContext({ viewport, colorScheme: scheme, reducedMotion: "reduce" });
    visit.page = await visit.context.newPage();
    visit.page.setDefaultTimeout(PATIENCE);
    visit.watch();
    await visit.page.goto(`${url}/dashboard/${hash}`);
    return visit;
  }

  watch() {
    this.page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") this.wrong.push(`console: ${message.text()}`);
    });
    this.page.on("pageerror", (error) => this.wrong.push(`error: ${error.message}`));
    const check = (request) => {
      const url = new URL(request.url());
      if (url.protocol !== "data:" && !this.hosts.includes(url.host)) this.wrong.push(`request to ${request.url()}`);
    };
    this.page.on("request", check);
    this.page.on("websocket", check);
  }

  allow(host) {
    this.hosts.push(host);
  }

  expect(pattern) {
    this.expected.push(pattern);
  }

  // Waits until the title of a screen is there.
  async title(text) {
    await this.page.getByRole("heading", { level: 1, name: text }).waitFor();
  }

  async go(hash, text) {
    await this.page.evaluate((where) => {
      location.hash = where;
    }, hash);
    if (text) await this.title(text);
  }

  text(text) {
    return this.page.getByText(text).filter({ visible: true }).first().waitFor();
  }

  // Serious and critical findings of axe-core, as text.
  async findings(rules) {
    if (!(await this.page.evaluate("typeof axe === 'object'"))) await this.page.evaluate(axe);
    const options = { resultTypes: ["violations"], ...(rules ? { runOnly: { type: "rule", values: rules } } : {}) };
    const results = await this.page.evaluate((how) => window.axe.run(document, how), options);
    return results.violations
      .filter((violation) => violation.impact === "serious" || violation.impact === "critical")
      .map((violation) => `${violation.id}: ${violation.nodes.map((node) => node.html).join(" | ").slice(0, 400)}`);
  }

  // How many pixels the page is wider than the window.
  overflow() {
    return this.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  }

  async close() {
    await this.context.close();
    assert.deepEqual(this.wrong.filter((text) => !this.expected.some((pattern) => pattern.test(text))), []);
  }
}
