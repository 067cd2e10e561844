// Does what an operator does, step by step.
import assert from "node:assert/strict";
import { at, base, button, dialog, finish, open, rows, step, token } from "./driver.mjs";

/* Returns after the page has taken what arrived before. */
const later = (page) => page.evaluate(async () => { await (await fetch("login")).text(); await new Promise(requestAnimationFrame); });

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

await step("a list that arrives late does not replace the one that was asked for after it", async () => {
  const page = await open({}, base);
  let late;
  await page.route(/api\/deliveries(\?|$)/, async (route) => { late ??= route; if (late !== route) await route.continue(); });
  await page.fill("#token", token);
  await page.click("text=Sign in");
  await page.click(".chip.act >> nth=0");
  await page.waitForFunction(() => document.querySelectorAll("#rows tr[id]").length === 5);
  const answered = page.waitForResponse((response) => response.request() === late.request());
  await late.continue();
  await (await answered).finished();
  await later(page);
  assert.equal(await rows(page).count(), 5);
});

await step("what arrives after the end of the session is not shown", async () => {
  const page = await open();
  await rows(page).first().waitFor();
  const signal = () => { let resolve; const promise = new Promise((given) => { resolve = given; }); return { promise, resolve }; };
  const [fetched, gate] = [signal(), signal()];
  await page.route(/api\/deliveries/, async (route) => {
    const response = await route.fetch();
    fetched.resolve();
    await gate.promise;
    await route.fulfill({ response });
  }, { times: 1 });
  await page.click(".chip >> nth=0");
  await fetched.promise;
  await page.click("#sign-out");
  await page.waitForSelector("#token");
  const answered = page.waitForResponse(/api\/deliveries/);
  gate.resolve();
  await (await answered).finished();
  await later(page);
  assert.deepEqual([await rows(page).count(), await page.locator("#token").count()], [0, 1]);
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

await step("a conflict is compared with the first delivery, and the first one is kept", async () => {
  const page = await at("?state=conflict");
  await rows(page).first().click();
  await page.click(".acts >> text=Compare");
  await dialog(page).locator(".differs", { hasText: "order.quote_amount" }).locator("td", { hasText: "950.00" }).waitFor();
  await button(page, "Keep the first…").click();
  assert.equal(await page.inputValue("#dialog textarea"), "the first was right");
  await page.keyboard.press("Escape");
  await page.keyboard.press("c");
  await button(page, "Replay the second too…").click();
  await button(page, "Replay").click();
  await dialog(page).locator(".wrong", { hasText: "to confirm." }).waitFor();
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
  await page.click(".chip.done");
  await page.context().clearCookies();
  await page.waitForSelector("#token");
  assert.equal(await rows(page).count(), 0);
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

await finish();
