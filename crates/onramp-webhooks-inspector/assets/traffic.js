/* What was received and handled: the view Traffic, and the three small charts of the inbox. */
import { area, bars, latencies } from "./charts.js";
import { $, h, keeping } from "./dom.js";
import { clock, full, grouped, lasting, when } from "./words.js";

/* The name in the address, the words of the link, and those of a sentence. */
export const SPANS = [["1h", "1 h", "the last hour"], ["24h", "24 h", "the last 24 hours"], ["7d", "7 d", "the last 7 days"], ["90d", "90 d", "the last 90 days"]];
const STEPS = { "1h": "minute by minute", "24h": "by quarters of an hour", "7d": "by two hours", "90d": "day by day, UTC" };

/* The provider counts a later reply as a failure. */
const LIMIT = 5000;

const REASONS = {
  not_found: "no endpoint at this path, or a wrong secret", denied: "address not on the allow-list", unverified: "not signed by the provider",
  method_not_allowed: "a method other than POST", body_stopped: "the body broke off", not_recorded: "not recorded in time, answered with 503",
};
const RESULTS = { handled: "handled", retry: "failed, tried again", parked: "parked", dead: "dead letter", released: "given back", lost: "lease lost" };

/* The charts that are shown as tables. */
const tables = new Set();

/* ---- times ---- */
const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DATE = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const UTC_DATE = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });

function stamp(at, span) {
  const date = new Date(at);
  if (span === "90d") return UTC_DATE.format(date);
  return span === "7d" ? `${DATE.format(date)}, ${TIME.format(date)}` : TIME.format(date);
}
/* The steps that get a time below them. */
function ticks({ steps, span, step }, width) {
  const narrow = width < 420;
  const isRound = {
    "1h": (date) => date.getMinutes() % (narrow ? 20 : 10) === 0,
    "24h": (date) => date.getMinutes() === 0 && date.getHours() % (narrow ? 6 : 4) === 0,
    "7d": (date) => date.getHours() * 3600 < step && (!narrow || date.getDate() % 2 === 0),
    "90d": (date) => (narrow ? [1] : [1, 15]).includes(date.getUTCDate()),
  }[span];
  const words = (date) => (span === "7d" ? DATE.format(date) : stamp(date, span));
  return steps.flatMap(({ at }, place) => (isRound(new Date(at)) ? [[place, words(new Date(at))]] : []));
}

/* ---- figures ---- */
const number = (count) => grouped(String(count));
const of = (name, counts) => counts[name] ?? 0;
const duration = (ms) => (ms === null || ms === undefined ? "—" : lasting(ms));
const took = (durations, name) => durations?.[name] ?? null;
const failed = (attempts) => of("retry", attempts) + of("dead", attempts);

/* The charts: their words, their columns in a table, and the drawing. */
const CHARTS = [
  {
    id: "received", title: "Received", legend: [["recorded", "bar-new"], ["refused", "bar-refused"]],
    figure: ({ received, refused }) => [number(received), `${number(refused)} refused`],
    says: ({ received, refused }) => `${number(received)} recorded, ${number(refused)} refused`,
    columns: ["Recorded", "Refused"], row: ({ received, refused }) => [received, refused].map(number), has: ({ received, refused }) => received + refused > 0,
    draw: ({ steps }, size) => bars({ ...size, parts: [["bar-new", steps.map((step) => step.received)], ["bar-refused", steps.map((step) => step.refused)]] }),
  },
  {
    id: "ack", title: "Ack latency", legend: [["p50", "line-faint"], ["p99", "line-strong"], ["max", "dot-max"], ["limit 5 s", "limit"]],
    figure: ({ acknowledged }) => [duration(took(acknowledged, "p99")), acknowledged ? `p99; p50 ${lasting(acknowledged.p50)}, max ${lasting(acknowledged.max)}` : ""],
    says: ({ acknowledged: all }) => (all ? `p50 ${lasting(all.p50)}, p99 ${lasting(all.p99)}, max ${lasting(all.max)}; the limit is 5 s` : "none"),
    columns: ["p50", "p99", "Max"], row: ({ acknowledged }) => ["p50", "p99", "max"].map((name) => duration(took(acknowledged, name))), has: ({ acknowledged }) => acknowledged !== null,
    draw: ({ steps }, size) => {
      const all = (name) => steps.map((step) => took(step.acknowledged, name));
      const longest = all("max"), worst = Math.max(...longest.map((ms) => ms ?? 0));
      const dots = size.small ? longest.map((ms, at) => (ms === worst && longest.indexOf(ms) === at ? ms : null)) : longest;
      return latencies({ ...size, lines: [["faint", all("p50")], ["", all("p99")]], dots, limit: LIMIT });
    },
  },
  {
    id: "backlog", title: "Backlog age", legend: [],
    figure: ({ backlog }) => [duration(backlog), "at most: age of the oldest due delivery"],
    says: ({ backlog }) => `the oldest due delivery was at most ${lasting(backlog)} old`,
    columns: ["Oldest due delivery"], row: ({ backlog }) => [duration(backlog)], has: ({ backlog }) => backlog > 0,
    // The last step is not over, and usually not stored.
    draw: ({ steps }, size) => area({ ...size, values: steps.map(({ backlog }, at) => (at === steps.length - 1 && !backlog ? null : backlog)) }),
  },
  {
    id: "attempts", title: "Attempts", legend: [["handled", "bar-new"], ["tried again or parked", "bar-wait"], ["dead letter", "bar-refused"], ["given back or lost", "bar-dim"]],
    figure: ({ attempts }) => [number(Object.values(attempts).reduce((sum, count) => sum + count, 0)), `${number(failed(attempts))} failed`],
    says: ({ attempts }) => Object.entries(attempts).map(([name, count]) => `${number(count)} ${RESULTS[name] ?? name}`).join(", ") || "none",
    columns: Object.values(RESULTS), row: ({ attempts }) => Object.keys(RESULTS).map((name) => number(of(name, attempts))), has: ({ attempts }) => Object.keys(attempts).length > 0,
    draw: ({ steps }, size) => {
      const all = (...names) => steps.map(({ attempts }) => names.reduce((sum, name) => sum + of(name, attempts), 0));
      return bars({ ...size, parts: [["bar-new", all("handled")], ["bar-wait", all("retry", "parked")], ["bar-refused", all("dead")], ["bar-dim", all("released", "lost")]] });
    },
  },
  {
    id: "handler", title: "Handler time", legend: [["p99", "line-strong"], ["max", "dot-max"]],
    figure: ({ handled }) => [duration(took(handled, "p99")), handled ? `p99; p50 ${lasting(handled.p50)}, max ${lasting(handled.max)}` : ""],
    says: ({ handled }) => (handled ? `p50 ${lasting(handled.p50)}, p99 ${lasting(handled.p99)}, max ${lasting(handled.max)}` : "none"),
    columns: ["p50", "p99", "Max"], row: ({ handled }) => ["p50", "p99", "max"].map((name) => duration(took(handled, name))), has: ({ handled }) => handled !== null,
    draw: ({ steps }, size) => {
      const all = (name) => steps.map((step) => took(step.handled, name));
      return latencies({ ...size, lines: [["", all("p99")]], dots: all("max") });
    },
  },
];

/* ---- the view ---- */
/** Draws the view. `seen` is missing while it loads; `redraw()` draws it again. */
export function drawTraffic(seen, view, operates, redraw, visit) {
  const [, , words] = SPANS.find(([name]) => name === view.span);
  const width = $("report").clientWidth, gap = 44, two = width >= 900;
  const panel = (chart) => figure(chart, seen, two ? Math.floor((width - gap) / 2) : width, words, redraw);
  keeping($("report"), [
    h("header", { class: "head" }, h("h1", { id: "view-h", tabindex: "-1" }, "Traffic"),
      h("nav", { class: "spans", "aria-label": "Time span" }, ...SPANS.map(([name, short, long]) =>
        h("a", { id: `span-${name}`, href: `?view=traffic&span=${name}`, "aria-current": name === view.span ? "true" : null, title: long, onclick: visit }, short))),
      h("p", { class: "clock" }, seen && h("span", {}, "as of "), seen && h("time", { datetime: seen.as_of, title: full(seen.as_of) }, clock(seen.as_of)))),
    ...(!seen ? [h("p", { class: "lead" }, "Loading…")] : isEmpty(seen)
      ? [h("p", { class: "lead" }, `Nothing was received in ${words}. Receivers store their counts every minute.`), running(seen)]
      : [h("p", { class: "lead" }, summary(seen, words)), h("div", { class: "panels" }, ...CHARTS.map(panel), refusals(seen, operates, words, visit)), running(seen)]),
  ]);
}
const isEmpty = ({ total }) => CHARTS.every((chart) => !chart.has(total));

function summary({ total, span }, words) {
  const latency = total.acknowledged ? `; ack latency ${CHARTS[1].says(total)}` : "";
  return `In ${words}, ${STEPS[span]}: ${number(total.received)} received, ${number(total.refused)} refused${latency}.`;
}

function figure(chart, seen, width, words, redraw) {
  const { id, title } = chart, { total } = seen, shown = tables.has(id), has = chart.has(total), [big, more] = chart.figure(total);
  const toggle = () => { if (!tables.delete(id)) tables.add(id); redraw(); };
  const says = (step) => (chart.has(step) ? `${stamp(step.at, seen.span)}: ${chart.says(step)}` : null);
  const draw = () => chart.draw(seen, { width, height: 168, label: `${title} in ${words}: ${chart.says(total)}`, ticks: ticks(seen, width), titles: seen.steps.map(says) });
  return h("figure", { class: "panel", id: `chart-${id}` },
    h("figcaption", {}, h("h2", {}, title),
      has && h("button", { type: "button", class: "text", id: `table-${id}`, "aria-pressed": String(shown), onclick: toggle }, "Table", h("span", { class: "sr" }, ` of ${title}`)),
      h("p", {}, h("b", {}, has ? big : "—"), " ", h("i", {}, has ? more : ""))),
    !has ? h("p", { class: "lead" }, "Nothing was counted.") : shown ? values(chart, seen) : draw(),
    has && !shown && chart.legend.length > 0 && h("p", { class: "keys-of" }, ...chart.legend.map(([name, kind]) => h("span", { class: `key ${kind}` }, name))));
}

/* The equivalent of a chart: the steps that have something, the newest first. */
function values(chart, { steps, span }) {
  const rows = steps.filter(chart.has).reverse();
  return scroller(`${chart.title}, as a table`, chart.id, h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, span === "90d" ? "Day (UTC)" : "From"), ...chart.columns.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, ...rows.map((step) => h("tr", {}, h("th", { scope: "row" }, h("time", { datetime: step.at }, stamp(step.at, span))), ...chart.row(step).map((value) => h("td", {}, value)))))));
}
const scroller = (label, id, table) => h("div", { class: "values", role: "group", "aria-label": label, tabindex: "0", id: `values-${id}` }, table);

/* Why requests were refused, and the addresses that most of them came from. */
function refusals({ total, span }, operates, words, visit) {
  const reasons = Object.entries(total.outcomes).filter(([name]) => Object.hasOwn(REASONS, name)).sort(([, a], [, b]) => b - a);
  const addresses = total.refused_from;
  const from = () => {
    if (!addresses) return h("p", { class: "lead" }, "Only operators see the addresses.");
    if (addresses.length) {
      return scroller("Addresses of refused requests", "addresses", h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Most frequent addresses"), h("th", { scope: "col" }, "Requests"))),
        h("tbody", {}, ...addresses.map(({ address, requests }) => h("tr", {}, h("th", { scope: "row", class: "mono" }, address), h("td", {}, number(requests)))))));
    }
    return span === "1h" || span === "24h" ? null : h("p", { class: "lead" }, "The ", h("a", { class: "text", id: "to-addresses", href: "?view=traffic", onclick: visit }, "last 24 hours"), " have the addresses.");
  };
  return h("section", { class: "panel", id: "refusals", "aria-labelledby": "refusals-h" }, h("h2", { id: "refusals-h" }, "Refused"),
    !reasons.length ? h("p", { class: "lead" }, `No request was refused in ${words}.`)
      : [scroller("Reasons of refusals", "reasons", h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Reason"), h("th", { scope: "col" }, "Requests"))),
        h("tbody", {}, ...reasons.map(([name, count]) => h("tr", {}, h("th", { scope: "row" }, REASONS[name]), h("td", {}, number(count))))))), from()]);
}

function running({ processes }) {
  const runs = processes.filter((process) => process.running), ended = processes.length - runs.length;
  const also = ended ? `${ended} more ended in the last day.` : "";
  return h("section", { class: "panel", id: "running", "aria-labelledby": "running-h" }, h("h2", { id: "running-h" }, "Running receivers and workers"),
    runs.length ? scroller("Running receivers and workers", "running", h("table", { class: "plain" }, h("thead", {}, h("tr", {}, ...["Process", "Version", "Since", "Last seen", "Endpoints"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, ...runs.map(({ id, version, started_at: start, seen_at: last, endpoints }) => h("tr", {},
        h("th", { scope: "row", class: "mono" }, id), h("td", {}, version), h("td", {}, when(start)), h("td", {}, when(last)), h("td", {}, endpoints.join(", ") || "none: a worker only")))))) : "",
    runs.length ? also && h("p", { class: "lead" }, also) : h("p", { class: "lead" }, `No receiver and no worker runs. ${also}`));
}

/* ---- the inbox ---- */
/** Draws the three small charts above the list. `seen` is missing while it loads: their place is kept, so that the list does not move. */
export function drawCharts(seen, visit) {
  const section = $("charts");
  section.hidden = Boolean(seen) && isEmpty(seen);
  if (section.hidden) return;
  const small = ([id, title, says]) => {
    const chart = CHARTS.find((one) => one.id === id), has = seen && chart.has(seen.total);
    const link = h("a", { href: "?view=traffic", id: `small-${id}`, onclick: visit },
      h("span", { class: "what" }, title), h("span", { class: "big" }, h("b", {}, has ? chart.figure(seen.total)[0] : "—"), " ", h("i", {}, seen ? says(seen.total) : "")));
    return [has && chart, link];
  };
  const links = [["received", "Received, 24 h", ({ refused }) => `${number(refused)} refused`],
    ["ack", "Ack latency, p99", ({ acknowledged }) => (acknowledged ? `max ${lasting(acknowledged.max)}` : "")], ["backlog", "Backlog age", () => "at most"]].map(small);
  keeping(section, links.map(([, link]) => link));
  for (const [chart, link] of links) {
    const width = link.clientWidth;
    if (width && chart) link.append(chart.draw(seen, { width, height: 92, small: true, ticks: ticks(seen, Math.min(width, 400)) }));
  }
}

