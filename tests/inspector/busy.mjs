// Measures a page that is open while 100 events a second arrive: the time between frames, and the tasks that held them up.
import { finish, open, rows, shop, step } from "./driver.mjs";

const SECONDS = 10, RATE = 100;

await step("100 events a second", async () => {
  const page = await open();
  await rows(page).first().waitFor();
  await page.mouse.move(0, 0);
  const measured = page.evaluate((seconds) => new Promise((resolve) => {
    const frames = [], tasks = [];
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map((task) => task.duration))).observe({ entryTypes: ["longtask"] });
    const end = performance.now() + seconds * 1000;
    const frame = (now) => { frames.push(now); if (now < end) requestAnimationFrame(frame); else resolve({ frames, tasks }); };
    requestAnimationFrame(frame);
  }), SECONDS);
  const before = await rows(page).first().getAttribute("id"), begun = Date.now();
  let sent = 0;
  while (Date.now() - begun < SECONDS * 1000) {
    const due = Math.min(SECONDS * RATE, Math.ceil((Date.now() - begun) / 1000 * RATE)) - sent;
    await Promise.all(Array.from({ length: due }, () => shop("receive")));
    sent += due;
    await new Promise((wait) => setTimeout(wait, 5));
  }
  const { frames, tasks } = await measured;
  await page.waitForFunction((id) => document.querySelector("#rows tr[id]").id !== id, before);
  const gaps = frames.slice(1).map((at, nth) => at - frames[nth]).sort((a, b) => a - b), gap = (share) => gaps[Math.floor(share * (gaps.length - 1))].toFixed(1);
  console.log(`${sent} events in ${SECONDS} s; ${(frames.length / SECONDS).toFixed(1)} frames a second, ms between two: p50 ${gap(0.5)}, p99 ${gap(0.99)}, longest ${gap(1)}`);
  console.log(`tasks over 50 ms: ${tasks.length}, ${tasks.reduce((sum, task) => sum + task, 0).toFixed(0)} ms in all; rows ${await rows(page).count()}`);
});

await finish();
