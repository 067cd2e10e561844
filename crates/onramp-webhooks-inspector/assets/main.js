/* The page: its address, its data, and its keys. The address is the view. */
import { Problem, act, get, post } from "./api.js";
import { drawDelivery, nothing } from "./delivery.js";
import { askForget, askReplay, askResolve, reviewDead, showComparison, showKeys } from "./dialogs.js";
import { $, h, shut, toast } from "./dom.js";
import { drawEndpoints, focusEndpoint } from "./endpoints.js";
import { drawAttention, drawFilters, drawRows, isAboutEndpoint, isOne, isReviewed, tr } from "./inbox.js";
import { SPANS, drawCharts, drawTraffic } from "./traffic.js";

/* The time between two looks while the server has no place for a stream, and after which a stream that does not come back is lost. */
const POLL = 10_000;
const LOST = 3_000;
/* The number of rows up to which older ones stay below new ones. */
const MOST_ROWS = 300;
const REVEALED_FOR = 5 * 60_000;
/* The time between two reports of traffic, and the longer one while they are only small charts. */
const REPORTS = 10_000;
const SMALL_REPORTS = 30_000;
const CONDITIONS = ["type", "endpoint", "reason", "error", "order"];
const PAGES = { inbox: "Inbox", traffic: "Traffic", endpoints: "Endpoints" };

const view = { page: "inbox", span: "24h", states: new Set(), type: "", endpoint: "", reason: "", error: "", order: "", id: null, found: null };
const data = { overview: null, rows: [], page: { complete: true }, waiting: [], one: null, order: [] };
/* The last reports, by their addresses, and the reading of the last one. */
const reports = new Map(), reading = { address: "", at: 0, turn: 0 };
/* The number of sessions that have ended. What arrives for one of them is dropped. */
let session = 0;
let live = true, wide = matchMedia("(min-width: 1081px)"), stream = null, timer, hiding, again, resized, goal = null;
const isAway = () => document.documentElement.dataset.state === "away", isSignedOut = () => document.body.classList.contains("signed-out");

/* ---- the address ---- */
function readAddress() {
  let query = new URLSearchParams(location.search);
  const page = query.get("view") ?? "", span = query.get("span");
  view.page = Object.hasOwn(PAGES, page) ? page : "inbox";
  view.span = SPANS.some(([name]) => name === span) ? span : "24h";
  goal = view.page === "endpoints" ? query.get("endpoint") : null;
  if (view.page !== "inbox") query = new URLSearchParams();
  view.states = new Set((query.get("state") ?? "").split(",").filter(Boolean));
  for (const name of CONDITIONS) view[name] = query.get(name) ?? "";
  view.id = query.get("id");
}
function writeAddress() {
  const query = new URLSearchParams();
  if (view.states.size) query.set("state", [...view.states].join(","));
  for (const name of [...CONDITIONS, "id"]) if (view[name]) query.set(name, view[name]);
  const address = query.size ? `?${query}` : location.pathname;
  if (address !== (location.search || location.pathname)) history.pushState(null, "", address);
}
/* Shows the view of an address. */
async function arrive() {
  const left = view.page;
  readAddress();
  clearTimeout(hiding);
  if (!view.id) data.one = null;
  drawPage();
  if (isSignedOut()) return;
  if (left !== view.page) {
    view.found = null;
    $("find").value = "";
    scrollTo(0, 0);
    $(view.page === "inbox" ? "attention-h" : "view-h")?.focus({ preventScroll: true });
  }
  await load();
}
const visit = (query) => { history.pushState(null, "", query || location.pathname); return arrive(); };
/* Follows a link to a view, unless it is opened in another tab. */
function follows(event) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  visit(event.currentTarget.search);
}
function listAddress(before) {
  const query = new URLSearchParams();
  if (view.states.size) query.set("state", [...view.states].join(","));
  for (const name of CONDITIONS) if (view[name]) query.set(name, view[name]);
  const waits = [...view.states].every((state) => ["dead", "conflict", "quarantined"].includes(state));
  if (view.states.size && waits) query.set("resolved", "false");
  if (before) query.set("before", before);
  return `api/deliveries?${query}`;
}

/* ---- data ---- */
/* A part that cannot be read does not stand for the whole inbox. */
async function tried(run, is_part = false) {
  const begun = session;
  try {
    const result = await run();
    if (begun !== session) return undefined;
    online();
    return result;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.status === 401) return undefined;
    if (problem.status === 0 || problem.status === 503 && !is_part) offline(problem.message);
    else if (!is_part || !isAway()) toast(problem.message);
    return undefined;
  }
}
function offline(words) {
  conceal();
  document.documentElement.dataset.state = "away";
  $("live-text").textContent = "Waiting";
  const retry = () => h("button", { type: "button", class: "button quiet", onclick: refresh }, "Retry now");
  $("away").replaceChildren(h("p", {}, h("b", {}, "The inbox cannot be reached"), " The page tries again by itself, and shows the last data meanwhile."), retry());
  $("attention-h").replaceChildren(h("b", {}, "The inbox cannot be reached"));
  $("attention").replaceChildren(h("li", {}, h("span"), h("div", { class: "say" }, h("p", {}, h("b", {}, "The page tries again"), h("span", {}, "by itself, and shows the last data meanwhile.")),
    h("p", { class: "why" }, h("code", {}, words))), h("span"), retry()));
}
function online() {
  if (!isAway()) return;
  delete document.documentElement.dataset.state;
  drawLive();
  if (data.overview) drawAll();
  if (view.id && !data.one) loadOne();
}
async function loadOverview() {
  const overview = await tried(() => get("api/overview"));
  if (overview) showOverview(overview);
  return Boolean(overview);
}
function showOverview(overview) {
  data.overview = overview;
  document.body.classList.remove("signed-out");
  $("signed-out").replaceChildren();
  $("sign-out").hidden = !overview.signs_out;
  drawAttention(overview, openItem);
  drawBar();
  filters();
}
/* A page that arrives after the view has changed is dropped. */
const wanted = () => view.found ?? listAddress();
async function loadList() {
  const asked = wanted(), page = await tried(() => (view.found ? post("api/find", { text: view.found }) : get(asked)));
  if (!page || asked !== wanted()) return;
  Object.assign(data, { rows: page.data, page, waiting: [] });
  $("fresh").hidden = true;
  rows();
}
async function older() {
  const asked = wanted(), page = await tried(() => get(listAddress(data.page.next)));
  if (!page || asked !== wanted()) return;
  data.rows.push(...page.data);
  data.page = page;
  rows();
}
/* A delivery without a key leaves nothing when it is forgotten. */
const gone = (problem) => {
  if (problem.status !== 404) throw problem;
  return null;
};
async function loadOne(focus) {
  clearTimeout(hiding);
  if (!view.id) return drawDetail();
  const id = view.id, one = await tried(() => get(`api/deliveries/${encodeURIComponent(id)}`).catch(gone));
  if (view.id !== id || one === undefined) return;
  if (one === null) return close();
  data.one = one;
  data.order = [];
  if (one.about) {
    const [endpoint, kind] = one.subject.split("/"), path = [endpoint, kind, one.about].map(encodeURIComponent).join("/");
    data.order = (await tried(() => get(`api/orders/${path}`)))?.data ?? [];
    if (view.id !== id) return;
  }
  const had_focus = $("detail").contains(document.activeElement);
  drawDetail();
  if (focus || had_focus) $("detail").focus({ preventScroll: true });
}

/* ---- traffic and endpoints ---- */
const reportAddress = () => (view.page === "endpoints" ? "api/endpoints" : `api/traffic?span=${view.page === "traffic" ? view.span : "24h"}`);
/* Reads the report of the view, unless that was done a moment ago. One that arrives after another was asked for is dropped. */
async function loadReport(at_once = false) {
  const address = reportAddress(), every = view.page === "inbox" ? SMALL_REPORTS : REPORTS;
  const wait = address === reading.address ? reading.at + every - Date.now() : 0;
  if (!at_once && wait > 0) return loadReportIn(wait);
  const turn = reading.turn + 1;
  Object.assign(reading, { address, at: Date.now(), turn });
  const seen = await tried(() => get(address), true);
  if (turn !== reading.turn) return undefined;
  if (seen) {
    reports.set(address, seen);
    if (!isSelected($("report"))) drawReport();
  }
  return loadReportIn(every);
}
function loadReportIn(ms) {
  clearTimeout(again);
  if (live && !document.hidden && !isSignedOut()) again = setTimeout(loadReport, ms);
}
/* A text that is about to be copied stays. */
const isSelected = (node) => { const selection = getSelection(); return selection && !selection.isCollapsed && node.contains(selection.anchorNode); };
function load() {
  return Promise.all(view.page === "inbox" ? [loadList().then(() => loadOne()), loadReport()] : [loadReport(true)]);
}

/* ---- live updates ---- */
async function refresh() {
  stop();
  if (document.hidden || !live || isSignedOut()) return;
  await loadOverview();
  await update();
  follow();
}
function stop() {
  clearTimeout(timer);
  clearTimeout(again);
  stream?.close();
  stream = null;
}
/* A stream ends after some seconds, so that no server waits for it, and the browser opens the next one. */
function follow() {
  stop();
  if (document.hidden || !live || isSignedOut()) return;
  const opened = new EventSource("api/events");
  stream = opened;
  opened.addEventListener("overview", ({ data: text }) => { online(); showOverview(JSON.parse(text)); update(); });
  opened.addEventListener("away", ({ data: text }) => offline(JSON.parse(text).detail));
  opened.addEventListener("open", () => { clearTimeout(timer); if (isAway()) refresh(); });
  opened.addEventListener("error", () => {
    if (opened !== stream) return;
    clearTimeout(timer);
    timer = setTimeout(refresh, opened.readyState === EventSource.CLOSED ? POLL : LOST);
    if (opened.readyState === EventSource.CLOSED) loadOverview();
  });
}
let updating = null, isOutdated = false;
/* Reads the list again, one time after another. */
async function update() {
  loadReport();
  if (view.page !== "inbox") return;
  isOutdated = true;
  updating ??= (async () => {
    while (isOutdated) {
      isOutdated = false;
      const address = listAddress(), page = view.found ? null : await tried(() => get(address));
      if (page && !view.found && address === listAddress()) merge(page);
      await updateOne(page?.data ?? []);
    }
  })().finally(() => { updating = null; });
  await updating;
}
/* Personal data that was revealed stays until its time is over. */
async function updateOne(rows) {
  const one = data.one, id = view.id;
  if (!one || one.id !== id || one.body.revealed) return;
  const row = rows.find((row) => row.id === id) ?? (await tried(() => get(`api/deliveries?id=${encodeURIComponent(id)}`)))?.data[0];
  if (row && ["state", "attempts", "duplicates", "due_at", "resolved_at"].some((name) => row[name] !== one[name])) loadOne();
}
/* Rows do not move under a pointer or the focus: new ones wait above. */
function merge(page) {
  const known = new Set(data.rows.map((row) => row.id)), fresh = page.data.filter((row) => !known.has(row.id));
  const list = $("deliveries"), held = list.matches(":hover") || list.contains(document.activeElement);
  if (!held) {
    const last = page.data.at(-1), adjoins = fresh.length < page.data.length;
    const older = page.complete || !adjoins ? [] : data.rows.filter((row) => BigInt(row.id) < BigInt(last.id));
    const all = [...page.data, ...older], kept = all.slice(0, MOST_ROWS);
    const rest = kept.length < all.length ? { ...data.page, complete: false, next: kept.at(-1).id, searched_to: null } : data.page;
    Object.assign(data, { rows: kept, page: older.length ? rest : page, waiting: [] });
    $("fresh").hidden = true;
    rows();
    return;
  }
  for (const row of page.data.filter((one) => known.has(one.id))) {
    const place = data.rows.findIndex((one) => one.id === row.id), old = $(`d-${row.id}`);
    if (JSON.stringify(data.rows[place]) === JSON.stringify(row)) continue;
    data.rows[place] = row;
    if (old && !old.contains(document.activeElement)) old.replaceWith(tr(row, view.id, select));
  }
  data.waiting = fresh;
  $("fresh").hidden = !fresh.length;
  $("fresh").textContent = `${fresh.length} new`;
}

/* ---- drawing ---- */
const filters = () => drawFilters(view, data.overview?.counts ?? {}, { toggle, change, clear });
const rows = () => drawRows(data.rows, data.page, view, view.id, select, clear);
function drawAll() { drawAttention(data.overview, openItem); drawPage(); rows(); }
/* The links to the views, and the title. */
function drawBar() {
  const { overview } = data, is_inbox = view.page === "inbox";
  $("inbox").hidden = !is_inbox;
  $("page").hidden = is_inbox;
  document.body.classList.toggle("paged", !is_inbox);
  for (const link of document.querySelectorAll("[data-view]")) {
    if (link.dataset.view === view.page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  $("skip").setAttribute("href", is_inbox ? "#deliveries" : "#page");
  $("skip").textContent = is_inbox ? "Skip to the deliveries" : "Skip to the content";
  const count = overview?.attention.length ?? 0, alarms = overview?.attention.filter(isAboutEndpoint).length ?? 0;
  for (const badge of document.querySelectorAll(".tally")) {
    badge.replaceChildren(...(alarms ? [h("span", { class: "badge" }, String(alarms), h("span", { class: "sr" }, alarms === 1 ? " needs attention" : " need attention"))] : []));
  }
  const place = overview ? [overview.title, overview.environment] : [];
  document.title = [is_inbox ? null : PAGES[view.page], count && `${count} need attention`, ...place].filter(Boolean).join(" · ") || "Inspector";
}
function drawPage() {
  drawBar();
  filters();
  if (view.page === "inbox") drawDetail();
  drawReport();
}
function drawReport() {
  const seen = reports.get(reportAddress());
  if (view.page === "inbox") drawCharts(seen, follows);
  else if (view.page === "traffic") drawTraffic(seen, view, data.overview?.caller.operates ?? false, drawReport, follows);
  else {
    drawEndpoints(seen, follows);
    /* The report may be a moment older than the item that led here. */
    if (["view-h", ""].includes(document.activeElement?.id ?? "") && goal !== null && focusEndpoint(goal)) goal = null;
  }
}
function drawLive() {
  $("live").setAttribute("aria-pressed", String(live));
  $("live-text").textContent = live ? "Live" : "Paused";
}
function drawDetail() {
  document.body.classList.toggle("opened", Boolean(view.id));
  for (const row of $("rows").children) row.setAttribute("aria-selected", String(row.id === `d-${view.id}`));
  if (!view.id || data.one?.id !== view.id) return $("detail").replaceChildren(nothing());
  const one = data.one, operates = data.overview?.caller.operates ?? false, done = () => { loadOne(); loadOverview(); loadList(); };
  const replay = () => askReplay(one, done);
  drawDelivery(one, data.order, operates, {
    close, reveal, replay,
    compare: async () => {
      const comparison = await tried(() => get(`api/deliveries/${encodeURIComponent(one.id)}/comparison`));
      if (comparison) showComparison(comparison, operates && !one.resolved_at && { replay, resolve: () => askResolve(one, done, "the first was right") });
    },
    openOrder: (order) => { Object.assign(view, { states: new Set(), type: "", endpoint: "", reason: "", error: "", order, found: null }); go(); },
    resolve: () => askResolve(one, done), forget: () => askForget(one, done),
    reopen: async () => { if (await tried(() => act(one.id, "reopen", {}))) done(); },
  });
  return undefined;
}

/* ---- what an operator does ---- */
function go() { writeAddress(); filters(); loadList(); drawDetail(); }
function toggle(state) {
  if (state === null) view.states.clear();
  else if (!view.states.delete(state)) view.states.add(state);
  view.found = null;
  go();
}
function change(name, value) { view[name] = value; view.found = null; go(); }
function clear() { Object.assign(view, { states: new Set(), type: "", endpoint: "", reason: "", error: "", order: "", found: null }); $("find").value = ""; go(); }
function select(id) { view.id = id; writeAddress(); drawDetail(); loadOne(!wide.matches); }
function close() {
  const row = view.id && $(`d-${view.id}`);
  view.id = null;
  data.one = null;
  writeAddress();
  drawDetail();
  row?.querySelector("button")?.focus();
}
async function openItem(item) {
  const query = new URLSearchParams(item.query);
  if (isAboutEndpoint(item)) { visit(`?${new URLSearchParams({ view: "endpoints", endpoint: query.get("endpoint") ?? "" })}`); return; }
  Object.assign(view, { states: new Set((query.get("state") ?? "").split(",").filter(Boolean)), order: "", found: null, id: null });
  for (const name of ["type", "endpoint", "error", "reason"]) view[name] = query.get(name) ?? "";
  if (!isReviewed(item)) {
    view.id = item.newest;
    go();
    loadOne(true);
    return;
  }
  go();
  const found = await tried(() => get(isOne(item) ? `api/deliveries?id=${item.newest}` : `${listAddress()}&oldest_first=true&limit=100`));
  const letters = found?.data.filter((one) => one.state === "dead" && !one.unknown_result && !one.resolved_at) ?? [];
  if (letters.length) reviewDead(item, letters, found.complete, () => { loadOverview(); loadList(); });
}
async function reveal() {
  const one = await tried(() => act(view.id, "reveal", {}));
  if (!one) return;
  data.one = one;
  drawDetail();
  toast("Revealed for 5 minutes. The history records it.");
  clearTimeout(hiding);
  hiding = setTimeout(() => { conceal(); loadOne(); }, REVEALED_FOR);
}
/* Removes what was revealed, whether the server can be reached or not. */
function conceal() {
  clearTimeout(hiding);
  if (!data.one?.body.revealed) return;
  data.one = null;
  drawDetail();
}
function find(event) {
  event.preventDefault();
  const text = $("find").value.trim();
  if (view.page !== "inbox") { visit(""); $("find").value = text; }
  view.found = text || null;
  loadList();
}

/* ---- signing in ---- */
function signIn() {
  if (isSignedOut()) return;
  session += 1;
  stop();
  if ($("dialog").open) shut();
  clearTimeout(hiding);
  Object.assign(data, { overview: null, rows: [], page: { complete: true }, waiting: [], one: null, order: [] });
  view.found = null;
  $("find").value = "";
  reports.clear();
  Object.assign(reading, { address: "", at: 0, turn: reading.turn + 1 });
  for (const id of ["rows", "detail", "attention", "report", "charts"]) $(id).replaceChildren();
  document.body.classList.add("signed-out");
  const token = h("input", { class: "field", type: "password", autocomplete: "current-password", id: "token", required: true }), wrong = h("p", { class: "wrong", role: "alert" });
  $("signed-out").replaceChildren(h("main", { class: "sign-in" }, h("form", { onsubmit: async (event) => {
    event.preventDefault();
    wrong.textContent = await enter(token.value);
  } }, h("h1", {}, "Inspector"), h("label", { for: "token" }, "Token"), token, wrong, h("button", { class: "button" }, "Sign in"))));
  token.focus();
}
/* Returns the reason why the token was refused, or nothing. */
async function enter(token) {
  try {
    await post("login", { token });
  } catch (problem) {
    return problem.status === 401 ? "This token is not valid." : problem.message;
  }
  await start();
  return "";
}
async function signOut() {
  await tried(() => post("logout"));
  signIn();
}

/* ---- theme and keys ---- */
function theme() {
  const root = document.documentElement, dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("onramp-theme", root.dataset.theme);
}
function pause() { live = !live; drawLive(); refresh(); }
function move(by) {
  const at = data.rows.findIndex((row) => row.id === view.id), to = data.rows[Math.min(data.rows.length - 1, Math.max(0, at + by))];
  if (to) { select(to.id); $(`d-${to.id}`)?.scrollIntoView({ block: "nearest" }); }
}
function next() {
  const waits = data.rows.filter((row) => ["dead", "conflict", "quarantined"].includes(row.state) && !row.resolved_at);
  const to = waits[(waits.findIndex((row) => row.id === view.id) + 1) % waits.length];
  if (to) select(to.id);
}
const press = (start) => () => [...$("detail").querySelectorAll("button")].find((button) => start.some((words) => button.textContent.startsWith(words)))?.click();
const KEYS = {
  j: () => move(1), k: () => move(-1), t: theme, p: pause, n: next, "?": showKeys, "/": () => $("find").focus(),
  r: press(["Replay", "Re-read", "Retry"]), c: press(["Compare"]), e: press(["Resolve"]), v: press(["Reveal"]), y: press(["Copy link"]),
};
/* The keys of views other than the inbox, and the views that follow the key g. */
const ANYWHERE = ["t", "p", "?", "/"];
const PLACES = { i: "", t: "?view=traffic", e: "?view=endpoints" };
const SEQUENCE = 1500;
let leading = 0;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isSignedOut()) return;
  const typing = event.target instanceof Element && event.target.matches("input, select, textarea");
  if (event.key === "Escape" && !$("dialog").open) return typing ? event.target.blur() : view.id && close();
  if (typing || $("dialog").open || localStorage.getItem("onramp-keys") === "off" && event.key !== "?") return undefined;
  const follows_g = Date.now() - leading < SEQUENCE;
  leading = event.key === "g" ? Date.now() : 0;
  if (follows_g && Object.hasOwn(PLACES, event.key)) { event.preventDefault(); visit(PLACES[event.key]); return undefined; }
  if (view.page !== "inbox" && !ANYWHERE.includes(event.key)) return undefined;
  if (Object.hasOwn(KEYS, event.key)) { event.preventDefault(); KEYS[event.key](); }
  return undefined;
});

$("theme").addEventListener("click", theme);
$("live").addEventListener("click", pause);
$("keys").addEventListener("click", showKeys);
$("older").addEventListener("click", older);
$("fresh").addEventListener("click", loadList);
$("find-form").addEventListener("submit", find);
$("sign-out").addEventListener("click", signOut);
for (const link of document.querySelectorAll("[data-view]")) link.addEventListener("click", follows);
$("tab-find").addEventListener("click", () => { document.body.classList.add("finding"); $("find").focus(); });
$("find").addEventListener("blur", () => document.body.classList.remove("finding"));
addEventListener("popstate", arrive);
addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(() => { if (!isSignedOut()) drawReport(); }, 100); });
document.addEventListener("visibilitychange", refresh);
addEventListener("pagehide", conceal);
addEventListener("signed-out", signIn);

async function start() {
  if (!(await loadOverview())) return;
  drawReport();
  await load();
  follow();
}

/* A link with #k=TOKEN signs in, and the token leaves the address at once. */
const saved = localStorage.getItem("onramp-theme");
if (saved) document.documentElement.dataset.theme = saved;
readAddress();
$("detail").replaceChildren(nothing());
const key = /^#k=(.+)$/.exec(location.hash)?.[1];
if (key) {
  history.replaceState(null, "", location.pathname + location.search);
  const refused = await enter(decodeURIComponent(key));
  if (refused) { toast(refused); signIn(); }
} else await start();
