// Looks at the traffic and at the endpoints, as an operator does.
import assert from "node:assert/strict";
import { at, base, finish, isAccessible, open, rows, shop, step, token } from "./driver.mjs";

const HOSTILE = "<img src=x onerror=alert(1)>";
const heading = (page, words) => page.locator("h1", { hasText: new RegExp(`^${words}$`) });
const chart = (page, id) => page.locator(`#chart-${id}`);
const query = (page) => new URL(page.url()).search;
const focused = (page) => page.evaluate(() => document.activeElement?.id);
/* Returns after the page has taken what arrived before. */
const later = (page) => page.evaluate(async () => { await (await fetch("login")).text(); await new Promise(requestAnimationFrame); });

await shop("resolve");
await shop("past");

await step("the small charts of the inbox open the traffic, and the back button leaves it", async () => {
  const page = await open();
  await page.locator("#small-received", { hasText: /\d+ refused/ }).waitFor();
  assert.equal(await page.locator("#charts svg").count(), 3);
  await page.click("#small-ack");
  await heading(page, "Traffic").waitFor();
  assert.deepEqual([await focused(page), query(page)], ["view-h", "?view=traffic"]);
  assert.match(await page.title(), /^Traffic · /);
  assert.equal(await page.getAttribute(".bar [data-view=traffic]", "aria-current"), "page");
  await page.goBack();
  await rows(page).first().waitFor();
  assert.deepEqual([await focused(page), await page.locator("#report").isVisible()], ["attention-h", false]);
  await page.goForward();
  await chart(page, "received").locator("svg").waitFor();
});

await step("a time span is a link, and the address restores it", async () => {
  const page = await at("?view=traffic");
  await page.locator("#report .lead", { hasText: "the last 24 hours" }).waitFor();
  for (const [span, words] of [["1h", "the last hour"], ["7d", "the last 7 days"], ["90d", "the last 90 days"]]) {
    await page.click(`#span-${span}`);
    await page.locator("#report .lead", { hasText: words }).first().waitFor();
    assert.deepEqual([query(page), await page.getAttribute(`#span-${span}`, "aria-current"), await focused(page)], [`?view=traffic&span=${span}`, "true", `span-${span}`]);
  }
  const other = await page.context().newPage();
  await other.goto(page.url());
  await other.locator("#report .lead", { hasText: "the last 90 days" }).first().waitFor();
  await page.goBack();
  await page.locator("#report .lead", { hasText: "the last 7 days" }).first().waitFor();
});

await step("each chart has a table with the same values", async () => {
  const page = await at("?view=traffic&span=1h");
  for (const id of ["received", "ack", "backlog", "attempts", "handler"]) {
    await chart(page, id).locator("svg[role=img]").waitFor();
    assert.match(await chart(page, id).locator("svg").getAttribute("aria-label"), /in the last hour: ./);
    await page.click(`#table-${id}`);
    await chart(page, id).locator("tbody tr").first().waitFor();
    assert.deepEqual([await focused(page), await page.getAttribute(`#table-${id}`, "aria-pressed"), await chart(page, id).locator("svg").count()], [`table-${id}`, "true", 0]);
  }
  const recorded = await chart(page, "received").locator("tbody td:nth-child(2)").allTextContents();
  const total = await chart(page, "received").locator("figcaption b").textContent();
  const digits = (text) => Number(text.replace(/\D/g, ""));
  assert.equal(recorded.reduce((sum, text) => sum + digits(text), 0), digits(total));
  await page.click("#table-ack");
  await chart(page, "ack").locator("svg").waitFor();
});

await step("refusals have their reasons, and their addresses as text", async () => {
  const page = await at("?view=traffic&span=1h");
  await page.locator("#refusals th", { hasText: "address not on the allow-list" }).waitFor();
  await page.locator("#refusals th.mono", { hasText: HOSTILE }).waitFor();
  assert.ok(await page.locator("#values-addresses tbody tr").count() <= 8);
  assert.equal(await page.locator("#report img").count(), 0);
  await page.click("#span-7d");
  await page.click("#to-addresses");
  await page.waitForSelector("#values-addresses");
});

await step("a report that arrives late does not replace the one that was asked for after it", async () => {
  const page = await at("?view=traffic");
  await chart(page, "received").waitFor();
  let late;
  await page.route(/api\/traffic\?span=7d/, (route) => { late = route; });
  await page.click("#span-7d");
  await page.click("#span-1h");
  await page.locator("#report .lead", { hasText: "the last hour" }).first().waitFor();
  const answered = page.waitForResponse(/span=7d/);
  await late.continue();
  await (await answered).finished();
  await later(page);
  assert.equal(await page.locator("#report .lead", { hasText: "the last hour" }).count(), 1);
});

await step("a report of an ended session is not shown", async () => {
  const page = await at("?view=traffic");
  await chart(page, "received").waitFor();
  let late;
  await page.route(/api\/traffic\?span=90d/, (route) => { late = route; });
  await page.click("#span-90d");
  await page.click("#sign-out");
  await page.waitForSelector("#token");
  const answered = page.waitForResponse(/span=90d/);
  await late.continue();
  await (await answered).finished();
  await later(page);
  assert.deepEqual([await page.locator("#report > *").count(), await page.locator("#token").count()], [0, 1]);
  await page.unrouteAll();
  await page.fill("#token", token);
  await page.click("text=Sign in");
  await page.locator("#report .lead", { hasText: "the last 90 days" }).first().waitFor();
});

await step("the keys lead to the views, and are listed", async () => {
  const page = await open();
  await rows(page).first().waitFor();
  const press = async (...keys) => { for (const one of keys) await page.keyboard.press(one); };
  await press("g", "t");
  await heading(page, "Traffic").waitFor();
  await press("g", "e");
  await heading(page, "Endpoints").waitFor();
  await press("j");
  assert.equal(query(page), "?view=endpoints");
  await press("g", "i");
  await rows(page).first().waitFor();
  assert.equal(await page.locator("#report").isVisible(), false);
  await press("?");
  await page.locator(".shortcuts dl", { hasText: "traffic" }).waitFor();
});

await step("a silent endpoint needs attention, and its item leads to what to do", async () => {
  await shop("silent");
  const page = await open();
  const item = page.locator("#attention li", { hasText: "wert-eu is silent" });
  await item.locator("text=Next steps").click();
  await heading(page, "Endpoints").waitFor();
  await page.waitForFunction(() => document.activeElement?.id === "e-wert-eu");
  assert.equal(query(page), "?view=endpoints&endpoint=wert-eu");
  const silent = page.locator(".endpoint", { has: page.locator("#e-wert-eu") });
  await silent.locator(".told", { hasText: HOSTILE }).waitFor();
  assert.equal(await page.locator("#report img").count(), 0);
  await silent.locator("code", { hasText: "onramp-webhooks doctor --endpoint wert-eu" }).waitFor();
  await silent.locator("code", { hasText: /^onramp-webhooks reconcile --endpoint wert-eu --since \d{4}-\d\d-\d\dT[\d:.]+Z$/ }).waitFor();
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await silent.locator("text=Copy").first().click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "onramp-webhooks doctor --endpoint wert-eu");
  const refusing = page.locator(".endpoint", { has: page.locator("#e-kriptomat-eu") });
  await refusing.locator(".state", { hasText: "refusing" }).waitFor();
  assert.equal(await refusing.locator(".commands code").count(), 1, "only orders of Wert are reconciled");
  await page.locator(".endpoint", { has: page.locator("#e-wert-old") }).locator(".state", { hasText: "no receiver runs" }).waitFor();
  await page.locator(".bar .badge", { hasText: "2" }).waitFor();
  await shop("calm");
});

await step("an endpoint leads to its deliveries", async () => {
  const page = await at("?view=endpoints");
  await page.click("#d-of-kriptomat");
  await rows(page).first().waitFor();
  assert.equal(query(page), "?endpoint=kriptomat");
  assert.equal(await rows(page).count(), 1);
});

await step("a search leaves the view for the list", async () => {
  const page = await at("?view=traffic");
  await chart(page, "received").waitFor();
  await page.fill("#find", "no-such-order");
  await page.keyboard.press("Enter");
  await page.locator("#rows .none", { hasText: "No delivery matches." }).waitFor();
  assert.equal(page.url(), base);
});

await step("a view follows the shop, and asks for nothing when it is paused", async () => {
  const page = await open({}, base);
  await page.clock.install();
  await page.fill("#token", token);
  await page.click("text=Sign in");
  await page.click(".bar [data-view=endpoints]");
  await page.locator(".endpoint", { has: page.locator("#e-wert-eu") }).locator(".state", { hasText: "fine" }).waitFor();
  await shop("silent");
  const seen = page.locator(".endpoint .state", { hasText: "silent" }).waitFor().then(() => true);
  while (!(await Promise.race([seen, page.clock.runFor(10_000)])));
  await shop("calm");
  await page.click("#live");
  await later(page);
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.clock.runFor(60_000);
  assert.deepEqual(asked, []);
});

await step("the server goes away and comes back", async () => {
  const page = await at("?view=traffic");
  await chart(page, "received").waitFor();
  await page.route("**/api/**", (route) => route.abort());
  await page.click("#span-7d");
  await page.locator("#away", { hasText: "The inbox cannot be reached" }).waitFor();
  await isAccessible(page, "traffic, away");
  await page.unroute("**/api/**");
  // The page may be back by itself before the click.
  await page.click("#away >> text=Retry now", { timeout: 1_000 }).catch(() => {});
  await page.locator("#report .lead", { hasText: "the last 7 days" }).first().waitFor();
  await page.locator("#away").waitFor({ state: "hidden" });
});

await finish();
