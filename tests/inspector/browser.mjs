// Does what an operator does, step by step.
import assert from "node:assert/strict";
import { at, base, button, dialog, finish, open, rows, shop, step, token } from "./driver.mjs";

await step("a wrong token is refused and the right one opens the page", async () => {
  const page = await open({}, base);
  await page.fill("#token", "wrong");
  await page.click("text=Sign in");
  await page.waitForSelector("text=This token is not valid.");
  await page.fill("#token", token);
  await page.click("text=Sign in");
  await rows(page).first().waitFor();
  await page.click("#sign-out");
  await page.waitForSelector("#token");
  assert.equal(await rows(page).count(), 0);
});

await step("the token leaves the address at once", async () => {
  const page = await open();
  await rows(page).first().waitFor();
  assert.equal(page.url(), base);
});

await step("received text is shown as text", async () => {
  const page = await open();
  await page.locator("#rows .c-type", { hasText: "<img src=x onerror=alert(1)>" }).first().click();
  await page.locator(".d-head h2", { hasText: "<img src=x onerror=alert(1)>" }).waitFor();
  assert.equal(await page.locator("#detail img, #rows img").count(), 0);
});

await step("a link restores the view, and the browser's back button leaves it", async () => {
  const page = await open();
  await page.click(".chip.act >> nth=0");
  await page.waitForFunction(() => [...document.querySelectorAll("#rows tr[id]")].every((row) => row.textContent.includes("dead letter")));
  await rows(page).first().click();
  await page.waitForSelector(".d-head");
  const other = await page.context().newPage();
  await other.goto(page.url());
  await other.waitForSelector(".told.act");
  assert.equal(await rows(other).count(), 5);
  await page.goBack();
  await page.waitForSelector(".empty");
});

await step("the keyboard opens, closes and moves", async () => {
  const page = await open();
  await rows(page).first().waitFor();
  await page.keyboard.press("j");
  await page.waitForSelector(".d-head");
  const first = new URL(page.url()).searchParams.get("id");
  await page.keyboard.press("j");
  await page.waitForFunction((id) => new URLSearchParams(location.search).get("id") !== id, first);
  await page.keyboard.press("Escape");
  await page.waitForSelector(".empty");
  await page.keyboard.press("?");
  await page.waitForSelector(".shortcuts");
  await page.keyboard.press("Escape");
  await dialog(page).waitFor({ state: "hidden" });
});

await step("personal data is masked until it is revealed", async () => {
  const page = await at("?state=dead");
  await rows(page).first().click();
  await page.waitForSelector("pre .m");
  assert.ok(!(await page.content()).includes("customer-20418"));
  await page.click("#detail >> text=Reveal >> nth=0");
  await page.locator("#detail dd", { hasText: "customer-20418" }).waitFor();
});

await step("one dead letter is replayed", async () => {
  const page = await at("?state=dead");
  await rows(page).first().click();
  await page.click(".acts >> text=Replay");
  await button(page, "Replay").click();
  await page.waitForFunction(() => document.querySelectorAll("#rows tr[id]").length === 4);
});

await step("the other dead letters are reviewed and replayed, one first", async () => {
  const page = await open();
  await page.click("text=Review and replay");
  await page.waitForSelector(".replay");
  await button(page, "Replay 1 first").click();
  await button(page, "Replay the other 3").click({ timeout: 20_000 });
  await dialog(page).locator("text=3 of 3 handled.").waitFor({ timeout: 20_000 });
  await button(page, "Close").click();
  await page.waitForFunction(() => !document.querySelector("#attention").textContent.includes("dead letter"));
});

await step("a conflict is resolved with a note", async () => {
  const page = await at("?state=conflict");
  await rows(page).first().click();
  await page.click(".acts >> text=Resolve");
  await page.fill("#dialog textarea", "the first amount is right <b>");
  await button(page, "Resolve").click();
  await page.locator(".history", { hasText: "the first amount is right <b>" }).waitFor();
  await page.waitForSelector("text=Reopen");
});

await step("a quarantined delivery is forgotten only with its id", async () => {
  const page = await at("?state=quarantined");
  await rows(page).first().click();
  await page.waitForSelector(".d-head");
  const id = new URL(page.url()).searchParams.get("id");
  await page.click(".acts >> text=Forget");
  await page.fill("#dialog input", "1x");
  await button(page, "Forget").click().catch(() => {});
  await dialog(page).locator(".wrong", { hasText: `Type ${id} to confirm.` }).waitFor();
  await page.fill("#dialog input", id);
  await button(page, "Forget").click();
  await dialog(page).waitFor({ state: "hidden" });
});

await step("the server goes away and comes back", async () => {
  const page = await open();
  await rows(page).first().waitFor();
  await page.route("**/api/**", (route) => route.abort());
  await page.click(".chip >> nth=0");
  await page.locator("#attention-h", { hasText: "The inbox cannot be reached" }).waitFor();
  assert.ok((await rows(page).count()) > 0, "the last data stays");
  await page.unroute("**/api/**");
  await page.locator("#attention-h", { hasText: "quiet" }).waitFor();
});

await step("an ended session asks for the token and keeps the view", async () => {
  const page = await open();
  await rows(page).first().waitFor();
  await page.context().clearCookies();
  await page.click(".chip.done");
  await page.waitForSelector("#token");
  await page.fill("#token", token);
  await page.click("text=Sign in");
  await page.waitForFunction(() => document.querySelectorAll("#rows tr[id]").length > 0);
  assert.equal(new URL(page.url()).searchParams.get("state"), "handled");
  assert.equal(await page.getAttribute(".chip.done", "aria-pressed"), "true");
});

await step("an order is found by its id, which never enters the address", async () => {
  const page = await open();
  await rows(page).filter({ hasText: "payment_started" }).first().click();
  const order = await page.locator(".d-head a.mono").textContent();
  await page.keyboard.press("Escape");
  await page.keyboard.press("/");
  await page.fill("#find", order);
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelectorAll("#rows tr[id]").length === 3);
  assert.ok(!page.url().includes(order));
});

await step("an order shows its timeline", async () => {
  const page = await open();
  await rows(page).filter({ hasText: "payment_started" }).first().click();
  await page.waitForSelector(".life svg");
  assert.equal(await page.locator(".life .lane").count(), 3);
  await page.click(".d-head a.mono");
  await page.waitForFunction(() => document.querySelectorAll("#rows tr[id]").length === 3);
});

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
  await page.waitForResponse("**/api/overview");
  await page.clock.runFor(10_000);
  await page.waitForFunction((id) => document.querySelector("#rows tr[id]").id !== id, newest);
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
  await ended.click(".chip >> nth=0");
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
  await page.context().clearCookies();
  await button(page, "Replay").click();
  await dialog(page).waitFor({ state: "hidden" }).catch(() => {});
  await page.fill("#token", token);
  await page.click("text=Sign in");
  await rows(page).first().waitFor();
});

await finish();
