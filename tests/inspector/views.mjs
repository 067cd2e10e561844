// Opens every view on one screen: checks that it is accessible in both themes, and leaves pictures. The last argument is `phone` or `wide`.
import { at, base, button, finish, isAccessible, open, pictures, rows, shop, step } from "./driver.mjs";

const first = async (page) => { await rows(page).first().click(); await page.waitForSelector(".d-head"); };
const act = (words) => async (page) => { await first(page); await page.click(`.acts >> text=${words}`); await page.waitForSelector("#dialog[open]"); };

/* The name of each view, its query, and how to get there. */
const VIEWS = [
  ["inbox", ""],
  ["dead", "?state=dead", first],
  ["handled", "?state=handled", first],
  ["order", "?state=handled&type=payment_started", first],
  ["conflict", "?state=conflict", first],
  ["quarantined", "?state=quarantined", first],
  ["parked", "?state=parked", first],
  ["hostile", "?type=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E", first],
  ["revealed", "?state=dead", async (page) => { await first(page); await page.click("#detail .body >> text=Reveal"); await page.locator(".history", { hasText: "revealed" }).waitFor(); }],
  ["replay", "?state=dead", act("Replay")],
  ["replay-unsure", "?state=dead&reason=transaction", act("Replay")],
  ["replay-conflict", "?state=conflict", act("Replay as well")],
  ["compare", "?state=conflict", async (page) => { await act("Compare")(page); await page.waitForSelector(".differs"); }],
  ["replay-handled", "?state=handled", act("Replay anyway")],
  ["resolve", "?state=dead", act("Resolve")],
  ["forget", "?state=dead", async (page) => { await act("Forget")(page); await button(page, "Forget").click(); await page.locator("#dialog .wrong", { hasText: "to confirm" }).waitFor(); }],
  ["review", "", async (page) => { await page.click("text=Review and replay"); await page.waitForSelector(".replay"); }],
  ["keys", "", async (page) => { await page.keyboard.press("?"); await page.waitForSelector(".shortcuts"); }],
  ["no-match", "?state=leased", (page) => page.waitForSelector(".none")],
  ["many-filters", "?state=dead,conflict&type=order_complete&endpoint=wert&error=insert%20into%20points%3A%20column"],
  ["paused", "", (page) => page.click("#live")],
  ["full", "", async (page) => {
    await page.route("**/api/events", (route) => route.abort());
    await page.route("**/api/overview", async (route) => {
      const response = await route.fetch(), overview = await response.json();
      const full = { kind: "cannot_record", title: "the inbox cannot record: the store is full", detail: "Free some space: until then, only a spill can record events. The inbox takes: bodies 3310 MiB, everything else 1295 MiB, unused pages 0 MiB, the log 4 MiB." };
      overview.attention.unshift({ ...overview.attention[0], ...full, count: "0", purchases: "0", unclear: "0", money: [], since: null, newest: null });
      await route.fulfill({ response, json: overview });
    });
    await page.reload();
    await page.locator("#attention li >> nth=0", { hasText: "the inbox cannot record" }).waitFor();
  }],
  ["away", "", async (page) => { await page.route("**/api/**", (route) => route.abort()); await page.click(".chip >> nth=0"); await page.locator("#attention-h", { hasText: "cannot be reached" }).waitFor(); }],
];
/* The same of the views without a list. Changes of a report are fulfilled by the driver. */
const tables = async (page) => { for (const one of await page.locator("[id^=table-]").all()) await one.click(); };
const REPORTS = [
  ["traffic", "?view=traffic"],
  ["traffic-1h", "?view=traffic&span=1h"],
  ["traffic-7d", "?view=traffic&span=7d"],
  ["traffic-90d", "?view=traffic&span=90d"],
  ["traffic-tables", "?view=traffic&span=1h", tables],
  ["traffic-reader", "?view=traffic&span=1h", null, ["traffic", (seen) => { seen.total.refused_from = null; }]],
  ["traffic-empty", "?view=traffic", null, ["traffic", (seen) => {
    for (const one of [seen.total, ...seen.steps]) Object.assign(one, { received: 0, refused: 0, backlog: 0, outcomes: {}, attempts: {}, acknowledged: null, handled: null });
    seen.processes = [];
  }]],
  ["endpoints", "?view=endpoints"],
  ["endpoints-none", "?view=endpoints", null, ["endpoints", (seen) => { seen.data = []; }]],
];
const [, , , , , screen] = process.argv;
const SCREENS = {
  phone: { viewport: { width: 390, height: 844 }, widths: [320] },
  wide: { viewport: { width: 1440, height: 1000 }, widths: [900, 1920] },
};
const { viewport, widths } = SCREENS[screen];
const still = { viewport, reducedMotion: "reduce" };

/* The dark theme changes nothing but colors. */
async function check(page, view) {
  for (const [colorScheme, rules] of [["light"], ["dark", ["color-contrast"]]]) {
    const name = `${view}-${colorScheme}-${screen}`;
    await page.emulateMedia({ colorScheme });
    await page.evaluate(() => Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => {}))));
    await page.screenshot({ path: `${pictures}/${name}.png` });
    await isAccessible(page, name, rules);
  }
}

async function openReport(page, query, change) {
  await page.route(/api\/(traffic|endpoints)/, async (route) => {
    const response = await route.fetch(), seen = await response.json();
    if (change && route.request().url().includes(change[0])) change[1](seen);
    await route.fulfill({ response, json: seen });
  });
  await page.goto(`${base}${query}`);
  await page.locator("#report .lead, #report .panel", { hasNotText: "Loading" }).first().waitFor();
}

await shop("unsure");
await shop("past");

await step("every view is accessible", async () => {
  const signIn = await open(still, base);
  await signIn.waitForSelector("#token");
  await check(signIn, "sign-in");
  const session = await open(still);
  await session.waitForSelector(".attention li");
  for (const [view, query, go] of VIEWS) {
    const page = await session.context().newPage();
    await page.goto(`${base}${query}`);
    await page.waitForSelector("#attention li");
    if (view !== "no-match") await rows(page).first().waitFor();
    await go?.(page);
    await check(page, view);
    await page.close();
  }
});

await step("traffic and endpoints are accessible", async () => {
  await shop("silent");
  const session = await open(still);
  await session.locator("#attention li", { hasText: "wert-eu is silent" }).waitFor();
  await check(session, "inbox-silent");
  for (const [view, query, go, change] of REPORTS) {
    const page = await session.context().newPage();
    await openReport(page, query, change);
    await go?.(page);
    await check(page, view);
    await page.close();
  }
});

await step("the page fits every width", async () => {
  for (const width of widths) {
    for (const query of ["", "?state=dead"]) {
      const page = await at(query, { viewport: { width, height: 1000 } });
      await rows(page).first().waitFor();
      if (query) await first(page);
      await isAccessible(page, `${width} px ${query}`);
      await page.context().close();
    }
    await shop("silent");
    for (const query of ["?view=traffic&span=1h", "?view=endpoints"]) {
      const page = await at(query, { viewport: { width, height: 1000 } });
      await page.waitForSelector("#report section");
      await isAccessible(page, `${width} px ${query}`);
      if (query.includes("traffic")) { await tables(page); await isAccessible(page, `${width} px ${query}, tables`); }
      await page.screenshot({ path: `${pictures}/${query.slice(6).split("&")[0]}-${width}.png` });
      await page.context().close();
    }
  }
});

await step("an inbox in which nothing waits is accessible", async () => {
  await shop("resolve");
  await shop("calm");
  const page = await open(still);
  await page.locator("#attention-h", { hasText: "quiet" }).waitFor();
  await check(page, "quiet");
});

await finish();
