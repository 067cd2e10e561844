// Does what an operator does while the shop goes on: live updates, replays of many, and personal data that must not stay.
import assert from "node:assert/strict";
import { at, base, button, dialog, finish, open, rows, shop, step, token } from "./driver.mjs";

await shop("resolve");

await step("a change appears by itself, also in the open delivery, and in a second tab", async () => {
  const page = await open();
  await rows(page).first().waitFor();
  const before = await rows(page).first().getAttribute("id");
  await shop("receive");
  await page.waitForFunction((id) => document.querySelector("#rows tr[id]").id !== id, before);
  await shop("dead/1");
  await page.locator("#attention", { hasText: "dead letter" }).waitFor();
  const [one, other] = [await at("?state=dead"), await at("?state=dead")];
  for (const tab of [one, other]) {
    await rows(tab).first().click();
    await tab.locator(".acts >> text=Resolve").waitFor();
  }
  await one.click(".acts >> text=Resolve");
  await one.fill("#dialog textarea", "by hand");
  await button(one, "Resolve").click();
  await other.locator(".acts >> text=Reopen").waitFor();
  await other.locator(".history", { hasText: "resolved: by hand" }).waitFor();
  await page.locator("#attention-h", { hasText: "quiet" }).waitFor();
});

await step("the open delivery and a report keep what is selected while the shop goes on", async () => {
  const page = await open();
  await rows(page).first().click();
  await page.waitForSelector("pre .k");
  const select = (where) => page.evaluate((place) => getSelection().selectAllChildren(document.querySelector(place)), where);
  const selected = () => page.evaluate(() => getSelection().toString());
  await select("pre");
  const body = await selected();
  await shop("dead/1");
  await page.locator("#attention", { hasText: "dead letter" }).waitFor();
  assert.equal(await selected(), body);
  await page.click(".bar [data-view=endpoints]");
  await page.waitForSelector(".endpoint, #report .lead");
  await select("#report h1");
  await shop("resolve");
  await page.waitForFunction(() => !document.title.includes("need attention"));
  assert.equal(await selected(), "Endpoints");
});

await step("a busy shop does not fill the page, and leaves no hole in the list", async () => {
  const page = await open();
  await rows(page).first().waitFor();
  await page.mouse.move(0, 0);
  const ids = () => page.evaluate(() => [...document.querySelectorAll("#rows tr[id]")].map((row) => Number(row.id.slice(2))));
  const isWhole = (list) => list.every((id, nth) => nth === 0 || id === list[nth - 1] - 1);
  for (let round = 0; round < 5; round += 1) {
    const [newest] = await ids();
    for (let sent = 0; sent < 80; sent += 1) await shop("receive");
    await page.waitForFunction((id) => Number(document.querySelector("#rows tr[id]").id.slice(2)) === id, newest + 80);
  }
  const shown = await ids();
  assert.ok(shown.length <= 300 && isWhole(shown), `${shown.length} rows: ${shown}`);
  await page.click("#live");
  await page.click("#older");
  await page.waitForFunction((count) => document.querySelectorAll("#rows tr[id]").length > count, shown.length);
  assert.ok(isWhole(await ids()), `${await ids()}`);
});

await step("rows do not move under the pointer", async () => {
  const page = await open();
  await rows(page).first().hover();
  const first = await rows(page).first().getAttribute("id");
  await shop("receive");
  await page.locator("#fresh", { hasText: "1 new" }).waitFor();
  assert.equal(await rows(page).first().getAttribute("id"), first);
  await page.click("#fresh");
  await page.waitForFunction((id) => document.querySelector("#rows tr[id]").id !== id, first);
});

await step("a paused or hidden page asks for nothing", async () => {
  const page = await open();
  await rows(page).first().waitFor();
  await page.click("#live");
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  const newest = await rows(page).first().getAttribute("id");
  await shop("receive");
  const other = await open();
  await rows(other).first().waitFor();
  assert.notEqual(await rows(other).first().getAttribute("id"), newest);
  assert.deepEqual(asked, []);
  await page.click("#live");
  await page.waitForFunction((id) => document.querySelector("#rows tr[id]").id !== id, newest);
});

await step("without a place for a stream the page asks for the data itself", async () => {
  const page = await open({}, base);
  await page.clock.install();
  await page.route("**/api/events", (route) => route.fulfill({ status: 503 }));
  await page.fill("#token", token);
  await page.click("text=Sign in");
  await rows(page).first().waitFor();
  const newest = await rows(page).first().getAttribute("id");
  await shop("receive");
  await page.mouse.move(0, 0);
  const seen = page.waitForFunction((id) => document.querySelector("#rows tr[id]").id !== id, newest).then(() => true);
  while (!(await Promise.race([seen, page.clock.runFor(10_000)])));
});

await step("a replay of many stops when its dialog is closed, and repeats nothing", async () => {
  await shop("dead/6");
  const page = await open();
  await page.click("text=Review and replay");
  await button(page, "Replay 1 first").click();
  await button(page, "Replay the other 5").waitFor();
  await shop("hold");
  await button(page, "Replay the other 5").click();
  await shop("held");
  await page.keyboard.press("Escape");
  await page.locator("#toast", { hasText: "Stopped. 1 of 6 were handled." }).waitFor();
  await shop("mend");
  await shop("states/dead/4");
  await page.locator("#attention", { hasText: "4 dead letters" }).waitFor();
  await page.click("text=Review and replay");
  await button(page, "Replay 1 first").click();
  await button(page, "Replay the other 3").click();
  await dialog(page).locator("text=3 of 3 handled.").waitFor();
  assert.equal(await shop("twice"), "0");
});

await step("a replay of many that failed goes on with the next one", async () => {
  await shop("dead/6");
  const page = await open();
  await page.click("text=Review and replay");
  await button(page, "Replay 1 first").click();
  await button(page, "Replay the other 5").waitFor();
  await shop("break");
  await button(page, "Replay the other 5").click();
  await dialog(page).locator(".wrong", { hasText: "Stopped: 3 in a row were not handled. 2 were left alone." }).waitFor();
  await shop("mend");
  await button(page, "Replay the other 2").click();
  await button(page, "Close").click();
  await shop("states/dead/3");
  assert.equal(await shop("twice"), "0");
  await page.locator("#attention", { hasText: "3 dead letters" }).waitFor();
  await page.click("text=Review and replay");
  await button(page, "Replay 1 first").click();
  await button(page, "Replay the other 2").click();
  await button(page, "Close").click();
  await page.locator("#attention-h", { hasText: "quiet" }).waitFor();
});

await step("of more than 100 dead letters the oldest are replayed", async () => {
  const oldest = await shop("dead/103");
  const page = await open();
  await page.click("text=Review and replay");
  await dialog(page).locator("h2", { hasText: "Replay the oldest 100 dead letters" }).waitFor();
  await button(page, "Replay 1 first").click();
  await dialog(page).locator(`text=#${oldest} was handled.`).waitFor();
  await page.keyboard.press("Escape");
  await shop("states/dead/102");
  await shop("resolve");
});

await step("a dead letter that may have succeeded is replayed only with its id", async () => {
  const id = await shop("unsure");
  const page = await open();
  await page.locator("#attention li", { hasText: "its transaction was ended by the handler" }).locator("text=Open").click();
  await page.locator(".told", { hasText: "It may have been handled" }).waitFor();
  await page.click(".acts >> text=Replay");
  await dialog(page).locator("text=The handler may have succeeded").waitFor();
  await dialog(page).locator("text=pays twice").waitFor();
  await button(page, "Replay").click();
  await dialog(page).locator(".wrong", { hasText: `Type ${id} to confirm.` }).waitFor();
  await page.fill("#dialog input", id);
  await button(page, "Replay").click();
  await page.locator("#toast", { hasText: `#${id}: It is due now.` }).waitFor();
  await page.locator("#attention-h", { hasText: "quiet" }).waitFor();
});

await step("revealed data leaves the screen with the server, the session and the time", async () => {
  await shop("dead/1");
  const reveal = async () => {
    const page = await open({}, base);
    await page.clock.install();
    await page.fill("#token", token);
    await page.click("text=Sign in");
    await page.click(".chip.act >> nth=0");
    await page.waitForFunction(() => document.querySelectorAll("#rows tr[id]").length === 1);
    await rows(page).first().click();
    await page.click("#detail >> text=Reveal >> nth=0");
    await page.locator("#detail dd", { hasText: "customer-20418" }).waitFor();
    await page.locator(".history", { hasText: "revealed by operator" }).waitFor();
    return page;
  };
  const gone = (page) => page.waitForFunction(() => !document.documentElement.innerHTML.includes("customer-20418"));
  const away = await reveal();
  await away.route("**/api/**", (route) => route.abort());
  await away.click(".chip >> nth=0");
  await gone(away);
  const ended = await reveal();
  await ended.context().clearCookies();
  await ended.waitForSelector("#token");
  await gone(ended);
  const late = await reveal();
  await late.route("**/api/deliveries/*", (route) => route.abort());
  await late.clock.runFor(5 * 60_000);
  await gone(late);
});

await step("an ended session closes the dialog that hides the token", async () => {
  const page = await at("?state=dead");
  await rows(page).first().click();
  await page.click(".acts >> text=Replay");
  await page.waitForSelector("#dialog[open]");
  await page.context().clearCookies();
  await dialog(page).waitFor({ state: "hidden" });
  await page.fill("#token", token);
  await page.click("text=Sign in");
  await rows(page).first().waitFor();
});

await finish();
