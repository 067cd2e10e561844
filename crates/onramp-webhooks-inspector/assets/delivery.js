/* One delivery: its event, its actions, the timeline of its order, its history, and its body. */
import { $, copy, h, icon } from "./dom.js";
import { timeline } from "./timeline.js";
import { TONE, clock, full, money, stateTag, when } from "./words.js";

export const nothing = () => h("div", { class: "empty" },
  h("p", {}, "Select a delivery to see its timeline, history and body."),
  h("p", { class: "keys" }, h("kbd", {}, "j"), " ", h("kbd", {}, "k"), " to move, ", h("kbd", {}, "Enter"), " to open"));

/** Draws a delivery. `order` are all deliveries of its order, or empty. */
export function drawDelivery(one, order, operates, { close, compare, replay, resolve, reopen, forget, reveal, openOrder }) {
  const tone = one.resolved_at ? "done" : TONE[one.state] ?? "wait", acts = buttons(one, operates, { compare, replay, resolve, reopen, forget });
  $("detail").replaceChildren(
    h("div", { class: "d-bar" },
      h("button", { type: "button", class: "icon back", "aria-label": "Back to the list", onclick: close }, icon("i-back", 16)),
      stateTag(one.state, one.resolved_at), h("span", { class: "d-id" }, `#${one.id}`), h("span", { class: "gap" }),
      h("button", { type: "button", class: "text", onclick: () => copy(location.href, "Link copied.") }, "Copy link"),
      h("button", { type: "button", class: "text", onclick: () => copy(`onramp-webhooks inbox show ${one.id}`, "Command copied.") }, "Copy command"),
      h("button", { type: "button", class: "icon shut", "aria-label": "Close (Esc)", onclick: close }, icon("i-close", 16))),
    head(one, operates, reveal, openOrder),
    told(one, tone) ?? "",
    acts.length ? h("div", { class: "acts" }, ...acts) : "",
    order.length ? h("section", { class: "life" }, h("h3", {}, `Order timeline, ${order.length} ${order.length === 1 ? "event" : "events"}`),
      timeline(order, Math.max(300, $("detail").clientWidth - (matchMedia("(max-width: 720px)").matches ? 32 : 52)))) : "",
    h("section", { class: "history" }, h("h3", {}, "History"), h("ol", {}, ...history(one).map(([at, kind, words]) =>
      h("li", { class: kind }, at ? h("time", { datetime: at, title: full(at) }, clock(at)) : h("time", {}, ""), h("span", {}, words))))),
    body(one, operates, reveal));
}

function head(one, operates, reveal, openOrder) {
  const { purchase, about, about_kind: kind } = one, facts = [];
  if (about) {
    facts.push([kind === "order" ? "Order" : kind, h("a", { href: `?${new URLSearchParams({ order: one.subject })}`, class: "mono", title: "Show all events with this id",
      onclick: (event) => { event.preventDefault(); openOrder(one.subject); } }, about)]);
  }
  if (purchase) {
    facts.push(["Customer", h("span", { class: one.body.revealed ? "mono" : "mono masked" }, purchase.customer ?? "not named"),
      operates && !one.body.revealed && h("button", { type: "button", class: "text", onclick: reveal }, "Reveal")]);
  }
  facts.push(["Endpoint", one.endpoint + (one.provider === one.endpoint ? "" : ` (${one.provider})`)], ["Received", when(one.received_at)]);
  return h("header", { class: "d-head" }, h("h2", {}, one.type ?? "unreadable", one.synthetic && h("span", { class: "tag" }, "synthetic")),
    purchase ? h("p", { class: "sum" }, money(purchase.fiat), h("span", { class: "for" }, " for ", money(purchase.crypto)))
      : h("p", { class: "sum none" }, one.state === "quarantined" ? "Amount unreadable" : one.body.bytes === null ? "The body was removed" : "No completed purchase"),
    h("dl", {}, ...facts.flatMap(([name, ...value]) => [h("dt", {}, name), h("dd", {}, ...value)])));
}

function told(one, tone) {
  const says = {
    dead: `Dead letter: ${one.cause ?? UNKNOWN_CAUSE}${one.unknown_result ? ". It may have been handled" : ""}`, parked: "Parked: no attempt was counted", retrying: "Retrying",
    conflict: "Stored beside the first delivery, not handled", quarantined: "Stored, not handled: the body cannot be read",
  }[one.state];
  if (!one.note && !says) return null;
  return h("div", { class: `told ${tone}` }, h("p", {}, says ?? "Last error"), one.note && h("code", {}, one.note));
}

function buttons(one, operates, { compare, replay, resolve, reopen, forget }) {
  const button = (words, run, main) => h("button", { type: "button", class: main ? "button" : "button quiet", onclick: run }, words);
  const again = { dead: "Replay…", quarantined: "Re-read…", conflict: "Replay as well…", retrying: "Retry now…", parked: "Retry now…", pending: null, leased: null, unknown: null, handled: "Replay anyway…" }[one.state];
  const waits = ["dead", "quarantined", "conflict"].includes(one.state);
  const comparison = one.state === "conflict" && one.body.bytes !== null && button("Compare…", compare, !one.resolved_at);
  return !operates ? [comparison].filter(Boolean) : [
    comparison,
    again && one.body.bytes !== null && !one.resolved_at && button(again, replay, waits && one.state !== "conflict" && !one.unknown_result),
    waits && !one.resolved_at && button("Resolve…", resolve),
    waits && one.resolved_at && button("Reopen", reopen),
    (waits || one.state === "handled") && one.body.bytes !== null && button("Forget…", forget),
  ].filter(Boolean);
}

const UNKNOWN_CAUSE = "for a reason that this version does not know";
const HAPPENED = {
  failed: "attempt failed", dead: "dead letter", requeued: "requeued by a duplicate", replayed: "replayed by an operator",
  reopened: "reopened by an operator", unknown: "an entry of a later version",
};

/* The newest entry first. A delivery of an import, or one that was handled at once, has no entries: its state has the rest. */
function history(one) {
  const has = (kind) => one.history.some((entry) => entry.kind === kind), lines = [];
  if (one.due_at) lines.push([one.due_at, "", one.state === "leased" ? "leased until then" : "due"]);
  if (one.state === "handled") lines.push([one.settled_at, "", "handled"]);
  if (one.resolved_at && !has("resolved")) lines.push([one.resolved_at, "", `resolved: ${one.resolution ?? ""}`]);
  if (one.state === "dead" && !has("dead")) lines.push([one.settled_at, "dead", `dead letter: ${one.cause ?? UNKNOWN_CAUSE}`]);
  for (const { kind, cause, first_at: first, last_at: last, times, text } of [...one.history].reverse()) {
    const words = kind === "revealed" ? `revealed by ${text ?? "an operator"}` : [HAPPENED[kind] ?? kind, kind === "dead" && (cause ?? UNKNOWN_CAUSE), text].filter(Boolean).join(": ");
    lines.push([last, kind === "dead" ? "dead" : "", times === "1" ? words : `${words} (${times} times since ${clock(first)})`]);
  }
  if (one.duplicates !== "0" && !has("duplicate")) lines.push([null, "", `${one.duplicates} ${one.duplicates === "1" ? "duplicate" : "duplicates"} counted`]);
  lines.push([one.received_at, "", "received"]);
  return lines.sort(([a], [b]) => (b ?? one.received_at).localeCompare(a ?? one.received_at));
}

function body(one, operates, reveal) {
  const { lines, cut, bytes, sha256, revealed } = one.body;
  const content = lines ? lines.map((tokens) => h("span", { class: "ln" }, ...tokens.map(([kind, text]) =>
    kind === "p" ? text : h("span", { class: kind, title: kind === "m" ? "masked" : null }, text))))
    : [bytes === null ? "The body was removed." : "The body is neither JSON nor a form. It is shown when it is revealed."];
  return h("section", { class: "body" },
    h("div", { class: "switch" }, h("h3", {}, "Body"), h("span", { class: "gap" }),
      h("span", { class: "fact" }, bytes === null ? "" : `${bytes} bytes · sha256 ${sha256.slice(0, 8)}…`),
      operates && bytes !== null && !revealed && h("button", { type: "button", class: "text", onclick: reveal }, "Reveal"),
      operates && bytes !== null && h("a", { class: "text", href: `api/deliveries/${one.id}/body`, download: `delivery-${one.id}.bin` }, "Download")),
    h("pre", { tabindex: "0", "aria-label": "Body" }, ...content, cut && h("span", { class: "ln" }, "… the rest is in the download")));
}
