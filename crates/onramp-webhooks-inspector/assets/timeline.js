/* The timeline of an order: one lane for each event in order of arrival, time to the right. */
import { s } from "./dom.js";
import { TONE, WORDS, clock } from "./words.js";

const MOST_LANES = 12;
const LANE = 30;

export function timeline(deliveries, width) {
  const shown = deliveries.slice(-MOST_LANES);
  const times = shown.flatMap((one) => [one.received_at, one.settled_at].filter(Boolean).map((text) => +new Date(text)));
  const from = Math.min(...times), to = Math.max(...times, from + 1000);
  const left = width < 420 ? 112 : 128, right = width - 14, base = 8 + shown.length * LANE + 4, height = base + 18;
  const x = (time) => left + ((time - from) / (to - from)) * (right - left);
  const svg = s("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": sentence(shown) });
  for (const part of width < 420 ? [0, 1] : [0, 0.5, 1]) {
    const time = from + part * (to - from), anchor = part === 0 ? "start" : part === 1 ? "end" : "middle";
    svg.append(s("line", { x1: x(time), x2: x(time), y1: 6, y2: base, class: "grid" }),
      s("text", { x: x(time), y: height - 3, "text-anchor": anchor }, clock(time)));
  }
  shown.forEach((one, at) => svg.append(...lane(one, 8 + at * LANE + LANE / 2, x, to)));
  return svg;
}

function lane(one, y, x, to) {
  const received = x(+new Date(one.received_at)), end = x(one.settled_at ? +new Date(one.settled_at) : to);
  const at = Math.max(end, received + 12), nodes = [s("text", { x: 0, y: y + 4, class: "lane" }, (one.type ?? "unreadable").slice(0, 20))];
  const span = one.state === "handled" ? "handled" : TONE[one.state] === "act" ? "dead" : "";
  nodes.push(s("line", { x1: received, x2: at, y1: y, y2: y, class: `span ${span}` }));
  nodes.push(s("circle", { cx: received, cy: y, r: 4, class: "got", "stroke-dasharray": one.synthetic ? "2 1.6" : null }));
  if (one.state === "handled") nodes.push(s("path", { d: `M${at - 4} ${y + 0.4}l3 3 5.4-6.4`, class: "done" }));
  else if (TONE[one.state] === "act") {
    nodes.push(s("rect", { x: at - 6, y: y - 6, width: 12, height: 12, rx: 2, class: "end" }),
      s("path", { d: `M${at - 2.6} ${y - 2.6}l5.2 5.2m0-5.2l-5.2 5.2`, class: "end-x" }));
  } else nodes.push(s("path", { d: `M${at - 2} ${y - 4}v8M${at + 2} ${y - 4}v8`, class: "done" }));
  return nodes;
}

const sentence = (deliveries) => "Timeline of the order: "
  + deliveries.map((one) => `${one.type ?? "an unreadable event"} at ${clock(one.received_at)}, ${WORDS[one.state] ?? one.state}`).join("; ");
