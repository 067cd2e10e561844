// Opens the page in a headless browser, and does what an operator does. Prints one line for each step, and exits with 1 at the first failure.
// Arguments: the address with the token, and a folder for pictures. The variable CHROMIUM names the program.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [, , address, pictures, modules] = process.argv;
const { chromium } = createRequire(`${modules}/`)("playwright-core");
const [base, token] = [address.split("#")[0], address.split("#k=")[1]];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
const complaints = [];

/** Opens a page whose complaints are failures: errors, violations of the policy, and dialogs that received text has opened. */
async function open(options = {}, to = address) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 1000 }, ...options });
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && !message.text().startsWith("Failed to load resource") && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("dialog", (dialog) => { complaints.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  await page.goto(to);
  return page;
}

async function step(name, run) {
  try {
    await run();
    assert.deepEqual(complaints, []);
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`failed ${name}: ${error.stack}`);
    await browser.close();
    process.exit(1);
  }
}

const rows = (page) => page.locator("#rows tr[id]");
const dialog = (page) => page.locator("#dialog");

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

await step("pictures in both themes, wide and narrow", async () => {
  for (const colorScheme of ["dark", "light"]) {
    for (const width of [320, 390, 900, 1440, 1920]) {
      const page = await open({ viewport: { width, height: 1000 }, colorScheme });
      await rows(page).first().waitFor();
      await page.screenshot({ path: `${pictures}/${colorScheme}-${width}.png` });
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(wider <= 0, `${width} px: the page is ${wider} px too wide`);
      await page.context().close();
    }
  }
});

await step("received text is shown as text", async () => {
  const page = await open();
  await page.getByText("<img src=x onerror=alert(1)>").first().click();
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
  const page = await open({}, `${base}?state=dead#k=${token}`);
  await rows(page).first().click();
  await page.waitForSelector("pre .m");
  assert.ok(!(await page.content()).includes("customer-20418"));
  await page.click("#detail >> text=Reveal >> nth=0");
  await page.locator("#detail dd", { hasText: "customer-20418" }).waitFor();
  await page.screenshot({ path: `${pictures}/revealed.png` });
});

await step("one dead letter is replayed", async () => {
  const page = await open({}, `${base}?state=dead#k=${token}`);
  await rows(page).first().click();
  await page.click(".acts >> text=Replay");
  await dialog(page).locator("button", { hasText: /^Replay$/ }).click();
  await page.waitForFunction(() => document.querySelectorAll("#rows tr[id]").length === 4);
});

await step("the other dead letters are reviewed and replayed, one first", async () => {
  const page = await open();
  await page.click("text=Review and replay");
  await page.waitForSelector(".replay");
  await page.screenshot({ path: `${pictures}/review.png` });
  await dialog(page).locator("button", { hasText: /^Replay 1 first$/ }).click();
  await dialog(page).locator("button", { hasText: /^Replay the other 3$/ }).click({ timeout: 20_000 });
  await dialog(page).locator("text=3 of 3 handled.").waitFor({ timeout: 20_000 });
  await dialog(page).locator("button", { hasText: /^Close$/ }).click();
  await page.waitForFunction(() => !document.querySelector("#attention").textContent.includes("dead letter"));
});

await step("a conflict is resolved with a note", async () => {
  const page = await open({}, `${base}?state=conflict#k=${token}`);
  await rows(page).first().click();
  await page.click(".acts >> text=Resolve");
  await page.fill("#dialog textarea", "the first amount is right <b>");
  await dialog(page).locator("button", { hasText: /^Resolve$/ }).click();
  await page.locator(".history", { hasText: "the first amount is right <b>" }).waitFor();
  await page.waitForSelector("text=Reopen");
});

await step("a quarantined delivery is forgotten only with its id", async () => {
  const page = await open({}, `${base}?state=quarantined#k=${token}`);
  await rows(page).first().click();
  await page.waitForSelector(".d-head");
  const id = new URL(page.url()).searchParams.get("id");
  await page.click(".acts >> text=Forget");
  await page.fill("#dialog input", "1x");
  await dialog(page).locator("button", { hasText: /^Forget$/ }).click().catch(() => {});
  await dialog(page).locator(".wrong", { hasText: `Type ${id} to confirm.` }).waitFor();
  await page.fill("#dialog input", id);
  await dialog(page).locator("button", { hasText: /^Forget$/ }).click();
  await dialog(page).waitFor({ state: "hidden" });
});

await step("the server goes away and comes back", async () => {
  const page = await open();
  await rows(page).first().waitFor();
  await page.route("**/api/**", (route) => route.abort());
  await page.click(".chip >> nth=0");
  await page.locator("#attention-h", { hasText: "The inbox cannot be reached" }).waitFor();
  assert.ok((await rows(page).count()) > 0, "the last data stays");
  await page.screenshot({ path: `${pictures}/away.png` });
  await page.unroute("**/api/**");
  await page.click("text=Retry now");
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
  await page.screenshot({ path: `${pictures}/order.png` });
  await page.click(".d-head a.mono");
  await page.waitForFunction(() => document.querySelectorAll("#rows tr[id]").length === 3);
});

await browser.close();
