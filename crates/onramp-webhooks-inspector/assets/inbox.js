/* The items that need attention, the filters, and the list. */
import { $, h, icon } from "./dom.js";
import { TONE, WORDS, ago, clock, full, money, moment, short, stateTag } from "./words.js";

const SETS = [["dead", "conflict", "quarantined"], ["retrying", "parked"], ["pending", "leased", "handled"]];

const STATE_OF = { dead_letters: "dead", other_dead_letters: "dead", conflicts: "conflict", quarantined_purchases: "quarantined", quarantined: "quarantined", overdue: "retrying", refusing: "refusing", silent: "silent", cannot_record: "dead" };

export const isAboutEndpoint = (item) => item.kind === "refusing" || item.kind === "silent";

export const isOne = (item) => item.count === "1" && !item.has_more;

/* Another attempt of other dead letters could pay twice, or would be refused again. Without an error, the query finds other ones as well. */
export const isReviewed = (item) => item.kind === "dead_letters" && ["exhausted", "handler", "crash", "unreadable"].includes(item.reason)
  && (isOne(item) || new URLSearchParams(item.query).has("error"));

/* What the deliveries report as paid. Bodies that cannot be read, and deliveries that were not looked at, may report more. */
function paid(item) {
  if (item.purchases === "0" && (item.unclear === "0" || !item.kind.endsWith("dead_letters"))) return "";
  const unclear = item.unclear === "0" ? "" : `${item.unclear} of unknown amount`;
  const sums = item.money.length ? `${item.has_more || unclear ? "at least " : ""}${item.money.join(", ")}` : "";
  return `Completed purchases: ${[sums, unclear].filter(Boolean).join("; ")}`;
}

/** Draws the items. `open(item)` opens one. */
export function drawAttention(overview, open) {
  const { attention, as_of: now, last } = overview;
  const count = attention.length;
  $("title").textContent = overview.title;
  $("environment").textContent = overview.environment;
  $("clock").replaceChildren(h("span", {}, "as of "), h("time", { datetime: now, title: full(now) }, clock(now)));
  if (!count) {
    $("attention-h").replaceChildren("All quiet");
    const words = last ? `Last delivery: ${last.endpoint} ${ago(last.at, now)}. Nothing waits for an operator.` : "No delivery has arrived yet.";
    $("attention").replaceChildren(h("li", { class: "calm" }, h("div", { class: "say" }, h("p", {}, h("span", {}, words)))));
    return;
  }
  $("attention-h").replaceChildren(h("b", {}, String(count)), count === 1 ? " item needs attention" : " items need attention");
  $("attention").replaceChildren(...attention.map((item) => line(item, open)));
}

function line(item, open) {
  const state = STATE_OF[item.kind] ?? "parked", reviewed = isReviewed(item), advises = isAboutEndpoint(item), isAdvice = advises || item.kind === "cannot_record";
  const [words, ...reason] = item.title.split(": ");
  const sums = paid(item);
  return h("li", {},
    h("span", { class: `state ${TONE[state] ?? "act"}` }, icon(`g-${state}`, 13)),
    h("div", { class: "say" },
      h("p", {}, h("b", {}, words), reason.length > 0 && h("span", {}, reason.join(": "))),
      item.detail && h("p", { class: "why" }, h(isAdvice ? "span" : "code", { title: item.detail }, item.detail)),
      sums && h("p", { class: "money" }, sums)),
    item.since ? h("time", { datetime: item.since, title: full(item.since) }, moment(item.since)) : h("span"),
    item.kind === "cannot_record" ? h("span") : h("button", { type: "button", class: reviewed ? "button" : "button quiet", onclick: () => open(item) }, reviewed ? "Review and replay" : advises ? "Next steps" : "Open"));
}

/** Draws the filters. `toggle(state)` changes one, `change(name, value)` sets a condition, and `clear()` removes all. */
export function drawFilters(view, counts, { toggle, change, clear }) {
  const chip = (state) => h("button", {
    type: "button", class: `chip ${TONE[state]}`, "aria-pressed": String(view.states.has(state)), onclick: () => toggle(state),
  }, icon(`g-${state}`), WORDS[state], counts[state] !== undefined && h("span", { class: "n" }, counts[state]));
  const focused = document.activeElement?.closest?.("#states") ? [...$("states").querySelectorAll("button")].indexOf(document.activeElement) : -1;
  $("states").replaceChildren(
    h("button", { type: "button", class: "group all", "aria-pressed": String(view.states.size === 0), onclick: () => toggle(null) }, "All"),
    ...SETS.map((set) => h("span", { class: "set" }, ...set.map(chip))));
  if (focused >= 0) $("states").querySelectorAll("button")[focused]?.focus();
  const active = ["type", "endpoint", "reason", "error", "order"].filter((name) => view[name]);
  $("narrow").replaceChildren(
    ...active.map((name) => h("button", { type: "button", class: "text", title: `Remove this condition: ${view[name]}`, onclick: () => change(name, "") },
      `${name}: ${view[name].length > 28 ? `${view[name].slice(0, 27)}…` : view[name]} ✕`)),
    view.states.size || active.length ? h("button", { type: "button", class: "text", onclick: clear }, "Clear") : "");
}

/** Draws the rows. `select(id)` opens one. */
export function drawRows(rows, page, view, selected, select, clear) {
  if (rows.length) $("rows").replaceChildren(...rows.map((row) => tr(row, selected, select)));
  else {
    const filtered = view.states.size || view.type || view.endpoint || view.reason || view.error || view.order || view.found;
    $("rows").replaceChildren(h("tr", { class: "none" }, h("td", { colspan: "6" },
      h("p", {}, filtered ? "No delivery matches." : "The inbox is empty. Send a test event: onramp-webhooks trigger wert checkout"),
      filtered && h("button", { type: "button", class: "text", onclick: clear }, "Clear the filters"))));
  }
  const oldest = rows.at(-1);
  $("shown").textContent = page.complete ? `${rows.length} shown, nothing older` : `${rows.length} shown, searched back to ${moment(page.searched_to ?? oldest?.received_at)}`;
  $("older").hidden = page.complete;
  $("older").textContent = rows.length ? "Older" : "Continue";
}

export function tr(row, selected, select) {
  const name = WORDS[row.state] ?? row.state;
  return h("tr", { id: `d-${row.id}`, "aria-selected": String(row.id === selected), class: row.resolved_at ? "done" : TONE[row.state] ?? "", onclick: () => select(row.id) },
    h("td", { class: "c-time" }, h("button", { type: "button", class: "pick" },
      h("time", { datetime: row.received_at, title: full(row.received_at) }, moment(row.received_at), h("i", {}, `.${row.received_at.slice(20, 23)}`)),
      h("span", { class: "sr" }, `, delivery ${row.id}, ${name}, ${row.type ?? "unreadable"}`))),
    h("td", { class: "c-state" }, stateTag(row.state, row.resolved_at), row.resolved_at && h("span", { class: "tag" }, "resolved")),
    h("td", { class: "c-type" }, row.type ?? "unreadable", row.synthetic && h("span", { class: "tag" }, "synthetic")),
    h("td", { class: "c-order", title: row.about ?? "" }, short(row.about)),
    h("td", { class: "c-money" }, row.purchase ? money(row.purchase.fiat) : "—"),
    h("td", { class: "c-tries" }, row.attempts > 1 ? String(row.attempts) : "",
      row.duplicates !== "0" && h("span", { title: `${row.duplicates} duplicates` }, `+${row.duplicates}`)));
}
