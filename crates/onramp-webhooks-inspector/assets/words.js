/* States, times and money in words. */
import { h, icon } from "./dom.js";

export const WORDS = {
  pending: "pending", leased: "leased", retrying: "retrying", parked: "parked", handled: "handled",
  dead: "dead letter", quarantined: "quarantined", conflict: "conflict", unknown: "unknown",
};

/* act: an operator is needed; wait and move need none; done has no color. */
export const TONE = {
  dead: "act", conflict: "act", quarantined: "act", retrying: "wait", parked: "wait", pending: "move", leased: "move",
  handled: "done", unknown: "wait",
};

export const stateTag = (state, resolved) => h("span", { class: `state ${resolved ? "done" : TONE[state] ?? "wait"}` },
  icon(`g-${state === "unknown" ? "silent" : state}`), WORDS[state] ?? state, resolved && h("span", { class: "sr" }, ", resolved"));

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

const isToday = (date) => date.toDateString() === new Date().toDateString();
export const clock = (text) => CLOCK.format(new Date(text));
export const full = (text) => FULL.format(new Date(text));

/** The time of day, with the date unless it is today. */
export function moment(text) {
  const date = new Date(text);
  return isToday(date) ? CLOCK.format(date) : `${DAY.format(date)}, ${CLOCK.format(date)}`;
}

export const when = (text) => h("time", { datetime: text, title: full(text) }, moment(text));

export const short = (id) => (id && id.length > 14 ? `${id.slice(0, 6)}…${id.slice(-6)}` : id || "—");

/* Groups of three digits; the digits are never converted to a number. */
export const grouped = (amount) => {
  const [, sign, whole, rest] = /^(-?)(\d+)(.*)$/s.exec(amount) ?? [];
  return whole === undefined ? amount : sign + whole.replace(/\B(?=(\d{3})+$)/g, "\u202f") + rest;
};
export const money = ({ amount, currency }) => h("span", { class: "amount" }, grouped(amount), "\u00a0", h("i", {}, currency));

export function ago(text, now) {
  const seconds = Math.max(0, Math.round((new Date(now) - new Date(text)) / 1000));
  if (seconds < 90) return `${seconds} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86400)} days ago`;
}

/** A duration in words, of milliseconds. Its spaces do not break. */
export function lasting(ms) {
  const words = (...parts) => parts.map(([count, unit]) => `${count}\u00a0${unit}`).join("\u00a0"), rest = (count, unit) => (count ? [[count, unit]] : []);
  const seconds = ms / 1000, minutes = Math.round(seconds / 60);
  if (ms < 1000) return words([Math.round(ms), "ms"]);
  if (seconds < 90) return words([seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds), "s"]);
  if (minutes < 60) return words([minutes, "min"]);
  if (minutes < 48 * 60) return words([Math.floor(minutes / 60), "h"], ...rest(minutes % 60, "min"));
  return words([Math.floor(minutes / 1440), "d"], ...rest(Math.floor((minutes % 1440) / 60), "h"));
}
