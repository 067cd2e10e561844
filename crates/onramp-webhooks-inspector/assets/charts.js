/* Charts as SVG: attributes only, so a strict content security policy has nothing to say. */
import { s } from "./dom.js";
import { grouped, lasting } from "./words.js";

const SCALE = 46, FOOT = 18, TOP = 9;
const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const TIMES = [1, 2, 5, 10, 20, 50, 100, 200, 500, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE,
  10 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 30 * DAY];

/** The first round number that is not less. */
function round(number) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(1, number)));
  return [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].map((times) => times * unit).find((value) => value >= number && Number.isInteger(value)) ?? number;
}
const roundTime = (ms) => TIMES.find((time) => time >= ms) ?? ms;

/* The empty chart: lines with their values at the right, and times below. `marks` are [value, words, class]. */
function frame({ label, width, height, ticks, count }, y, marks) {
  const right = width - SCALE, base = height - FOOT, step = right / count;
  const svg = s("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, ...(label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" }) });
  for (const [value, words, kind] of marks) {
    svg.append(s("line", { x1: 0, x2: right, y1: y(value), y2: y(value), class: kind ?? "grid" }),
      s("text", { x: right + 6, y: y(value) + 3.5, class: kind ? `${kind}-words` : null }, words));
  }
  let last = -Infinity;
  for (const [at, words] of ticks) {
    const x = (at + 0.5) * step, half = words.length * 3, anchor = x - half < 0 ? "start" : x + half > right ? "end" : "middle";
    const from = anchor === "start" ? x : anchor === "end" ? x - 2 * half : x - half;
    if (from < last + 10) continue;
    last = from + 2 * half;
    svg.append(s("text", { x, y: height - 3, "text-anchor": anchor }, words));
  }
  svg.append(s("line", { x1: 0, x2: right, y1: base + 0.5, y2: base + 0.5, class: "axis" }));
  return { svg, step, base };
}

/* Columns that say their values when a pointer rests on them. */
function hits(svg, step, base, titles) {
  titles?.forEach((words, at) => words && svg.append(s("rect", { x: at * step, y: 0, width: step, height: base, class: "hit" }, s("title", {}, words))));
  return svg;
}

/** Bars of several parts, one above the other. `parts` are [class, values]. */
export function bars({ parts, titles, ...size }) {
  const count = parts[0][1].length, sums = Array.from({ length: count }, (_, at) => parts.reduce((sum, [, values]) => sum + values[at], 0));
  const top = round(Math.max(1, ...sums)), base = size.height - FOOT, y = (value) => base - (value / top) * (base - TOP);
  const { svg, step } = frame({ ...size, count }, y, [top, ...(top % 2 === 0 ? [top / 2] : [])].map((value) => [value, grouped(String(value))]));
  const wide = Math.max(1, step - (step > 4 ? 1.4 : 0.6));
  for (let at = 0; at < count; at += 1) {
    let below = base;
    for (const [kind, values] of parts) {
      if (!values[at]) continue;
      const high = Math.max(1.5, base - y(values[at])), gap = below < base ? 1 : 0;
      svg.append(s("rect", { x: (at * step).toFixed(1), y: (below - high - gap).toFixed(1), width: wide.toFixed(1), height: high.toFixed(1), class: kind }));
      below -= high + gap;
    }
  }
  return hits(svg, step, base, titles);
}

/* A line through the values, with a gap where there is none. A value alone is a dot. */
function path(values, step, y) {
  let text = "", open = false;
  values.forEach((value, at) => {
    if (value === null) { open = false; return; }
    const x = ((at + 0.5) * step).toFixed(1), high = y(value).toFixed(1), alone = !open && (values[at + 1] ?? null) === null;
    text += `${open ? "L" : "M"}${x} ${high}${alone ? "h.01" : ""}`;
    open = true;
  });
  return text;
}

/** Durations on a logarithmic axis. `lines` are [class, values], `dots` are values, `limit` is a line that none should cross. */
export function latencies({ lines, dots, limit, titles, ...size }) {
  const count = lines[0][1].length, all = [...lines.flatMap(([, values]) => values), ...(dots ?? [])].filter((value) => value !== null);
  const top = Math.max(20, (limit ?? 0) * 1.25, Math.max(0, ...all) * 1.15), base = size.height - FOOT;
  const y = (ms) => base - (Math.log10(Math.max(1, ms)) / Math.log10(top)) * (base - TOP);
  const marks = [10, 100, SECOND, 10 * SECOND, 100 * SECOND, 1000 * SECOND].filter((ms) => ms < top && (!limit || Math.abs(y(ms) - y(limit)) > 12));
  const { svg, step } = frame({ ...size, count }, y, [...marks.map((ms) => [ms, lasting(ms)]), ...(limit ? [[limit, lasting(limit), "limit"]] : [])]);
  for (const [kind, values] of lines) svg.append(s("path", { d: path(values, step, y), class: `line ${kind}` }));
  dots?.forEach((value, at) => value !== null
    && svg.append(s("circle", { cx: ((at + 0.5) * step).toFixed(1), cy: y(value).toFixed(1), r: 1.8, class: limit && value >= limit ? "dot-over" : "dot-max" })));
  return hits(svg, step, base, titles);
}

/** Durations as an area above a linear axis. The last value may be missing. */
export function area({ values, titles, ...size }) {
  const count = values.length, top = roundTime(Math.max(1, ...values)), base = size.height - FOOT, y = (ms) => base - (ms / top) * (base - TOP);
  const { svg, step } = frame({ ...size, count }, y, [[top, lasting(top)], [top / 2, lasting(top / 2)]]);
  const line = path(values, step, y), last = values.findLastIndex((value) => value !== null);
  svg.append(s("path", { d: `${line}L${((last + 0.5) * step).toFixed(1)} ${base}L${(0.5 * step).toFixed(1)} ${base}Z`, class: "band" }), s("path", { d: line, class: "line" }));
  return hits(svg, step, base, titles);
}
