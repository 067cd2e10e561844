/* The view Endpoints: whether each provider still sends, and what to do if it does not. */
import { $, copy, h, icon, keeping } from "./dom.js";
import { ago, clock, full, grouped, lasting, when } from "./words.js";

/* The glyph, the tone and the words of each verdict; `none` is an endpoint that no running receiver has. */
const VERDICTS = {
  refusing: ["refusing", "act", "refusing"], silent: ["silent", "act", "silent"], attention: ["quarantined", "act", "attention"],
  none: ["silent", "wait", "no receiver runs"], fine: ["handled", "done", "fine"],
};
const SEVERITY = Object.keys(VERDICTS);
const verdict = (one) => (one.verdict === null ? "none" : Object.hasOwn(VERDICTS, one.verdict) ? one.verdict : "fine");

/** Draws the view. `seen` is missing while it loads. */
export function drawEndpoints(seen, visit) {
  const all = [...seen?.data ?? []].sort((a, b) => SEVERITY.indexOf(verdict(a)) - SEVERITY.indexOf(verdict(b)));
  const alarms = all.filter((one) => !["none", "fine"].includes(verdict(one))).length, without = all.filter((one) => verdict(one) === "none").length;
  keeping($("report"), [
    h("header", { class: "head" }, h("h1", { id: "view-h", tabindex: "-1" }, "Endpoints"), h("span", { class: "gap" }),
      h("p", { class: "clock" }, seen && h("span", {}, "as of "), seen && h("time", { datetime: seen.as_of, title: full(seen.as_of) }, clock(seen.as_of)))),
    h("p", { class: "lead" }, !seen ? "Loading…" : !all.length ? "No receiver has reported its endpoints yet. Receivers report every minute."
      : [alarms ? `${alarms} of ${all.length} need attention.` : "No endpoint needs attention.", without > 0 && ` ${without} without a running receiver.`]),
    ...all.map((one) => section(one, seen.as_of, visit)),
  ]);
}

function section(one, now, visit) {
  const [glyph, tone, words] = VERDICTS[verdict(one)], count = (value) => (value === null ? "—" : grouped(String(value)));
  const advice = one.advice ?? (verdict(one) === "none" ? "No running receiver has this endpoint, so nothing is received." : null);
  const facts = [
    ["Last delivery", one.last_received ? [when(one.last_received), h("i", {}, ` ${ago(one.last_received, now)}`)] : "none is known"],
    ["Silence raises an alarm", one.silent_after === null ? "not configured" : `after ${lasting(one.silent_after * 1000)}`],
    ["Received, 24\u00a0h", count(one.received)], ["Refused, 24\u00a0h", count(one.refused)],
    ["Refused in a row", count(one.refused_in_a_row)], ["Refused to the provider, 24\u00a0h", count(one.refused_last_day)],
    ["From unlisted addresses", count(one.unlisted)], ["With a wrong secret", count(one.wrong_secrets)],
    ["Receivers", one.receivers.length ? h("span", { class: "mono" }, one.receivers.join(", ")) : "none runs"],
  ];
  return h("section", { class: "endpoint", "aria-labelledby": `e-${one.name}` },
    h("header", {}, h("h2", { id: `e-${one.name}`, tabindex: "-1" }, one.name), one.provider && one.provider !== one.name && h("span", { class: "fact" }, one.provider),
      h("span", { class: `state ${tone}` }, icon(`g-${glyph}`), words), h("span", { class: "gap" }),
      h("a", { class: "text", id: `d-of-${one.name}`, href: `?${new URLSearchParams({ endpoint: one.name })}`, onclick: visit }, "Deliveries", h("span", { class: "sr" }, ` of ${one.name}`))),
    advice && h("div", { class: `told ${tone}` }, h("p", {}, advice)),
    one.commands.length > 0 && h("ul", { class: "commands", "aria-label": "Next steps" }, ...one.commands.map((command, at) => h("li", {}, h("code", {}, command),
      h("button", { type: "button", class: "text", id: `copy-${at}-${one.name}`, onclick: () => copy(command, "Command copied.") }, "Copy", h("span", { class: "sr" }, ` the command ${command}`))))),
    h("dl", {}, ...facts.map(([name, ...value]) => h("div", {}, h("dt", {}, name), h("dd", {}, ...value)))));
}

/** Moves the focus to an endpoint. Returns whether it is shown. */
export function focusEndpoint(name) {
  const heading = $(`e-${name}`);
  heading?.scrollIntoView({ block: "start" });
  heading?.focus({ preventScroll: true });
  return Boolean(heading);
}
