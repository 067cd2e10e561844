// The browser of the tests. Arguments of each script: the address with the token, a folder for pictures, and the folder of node_modules.
// The variable CHROMIUM names the program; otherwise it is Debian's, preferably the one without a window, which needs a third less time.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [, , address, pictures, modules] = process.argv;
const load = createRequire(`${modules}/`);
const installed = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"].find((program) => existsSync(program));
const browser = await load("playwright-core").chromium.launch({ executablePath: process.env.CHROMIUM ?? installed, args: ["--no-sandbox"] });
const axe = readFileSync(load.resolve("axe-core/axe.min.js"), "utf8");
const complaints = [], contexts = [];

export const [base, token] = [address.split("#")[0], address.split("#k=")[1]];
export { pictures };

/** Opens a page whose complaints are failures: errors, violations of the policy, and dialogs that received text has opened. */
export async function open(options = {}, to = address) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 1000 }, ...options });
  contexts.push(context);
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && !message.text().startsWith("Failed to load resource") && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("dialog", (dialog) => { complaints.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  await page.goto(to);
  return page;
}

/** Opens the page with this query. */
export const at = (query, options) => open(options, `${base}${query}#k=${token}`);

/** Runs a step, and closes its pages. The script ends at the first one that fails. */
export async function step(name, run) {
  try {
    await run();
    await Promise.all(contexts.splice(0).map((context) => context.close()));
    assert.deepEqual(complaints, []);
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`failed ${name}: ${error.stack}`);
    await browser.close();
    process.exit(1);
  }
}

/** Has the shop do something. Returns its answer. */
export async function shop(action) {
  const response = await fetch(`${base}test/${action}`);
  assert.equal(response.status, 200, action);
  return response.text();
}

/** Checks that a page is accessible, and as wide as its window. With names of rules, only these are checked. */
export async function isAccessible(page, name, rules) {
  if (!await page.evaluate(() => "axe" in globalThis)) await page.evaluate(axe);
  const options = { resultTypes: ["violations"], ...rules && { runOnly: rules } };
  const { violations } = await page.evaluate((options) => globalThis.axe.run(document, options), options);
  assert.deepEqual(violations.flatMap(({ id, nodes }) => nodes.map((node) => `${name}: ${id}: ${node.html} ${node.failureSummary}`)), []);
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wider <= 0, `${name}: the page is ${wider} px too wide`);
}

export const rows = (page) => page.locator("#rows tr[id]");
export const dialog = (page) => page.locator("#dialog");
export const button = (page, words) => page.locator("#dialog button", { hasText: new RegExp(`^${words}$`) });

export const finish = () => browser.close();
