/* Dialogs of actions. Each says what it does before it does it, and live updates leave it alone. */
import { act, get } from "./api.js";
import { $, h, show, shut, toast } from "./dom.js";
import { money, moment, short, stateTag } from "./words.js";

const ONE_WAIT = 60;
const STOP_AFTER = 3;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const cancel = () => h("button", { type: "button", class: "button quiet", onclick: shut }, "Cancel");

/** Asks for a text, and runs `run(text)` until it succeeds. */
function ask({ title, lead, label, multiline, value, go, run }) {
  const wrong = h("p", { class: "wrong", role: "alert" });
  const input = label && h(multiline ? "textarea" : "input", { class: "field", rows: multiline ? "3" : null, maxlength: "500", autocomplete: "off", spellcheck: "false" });
  if (input && value) input.value = value;
  const button = h("button", { type: "submit", class: "button" }, go);
  show(h("form", { onsubmit: async (event) => {
    event.preventDefault();
    button.disabled = true;
    wrong.textContent = "";
    try {
      await run(input ? input.value : "");
      shut();
    } catch (problem) {
      wrong.textContent = problem.message;
      button.disabled = false;
    }
  } }, h("h2", { id: "dialog-h" }, title), ...lead.map((words) => h("p", { class: "lead" }, words)),
  label && h("label", {}, label, input), wrong, h("footer", {}, h("span", { class: "gap" }), cancel(), button)));
  (input ?? button).focus();
}

const REPLAYED = {
  due: () => "It is due now.", duplicate: ({ first }) => `It is a duplicate of #${first}, and its copy was removed.`,
  conflict: ({ first }) => `It contradicts #${first}, and is kept as a conflict.`, still_unreadable: ({ reason }) => `It still cannot be read: ${reason}`,
};
const said = (result) => REPLAYED[result.result]?.(result) ?? "Done.";

export function askReplay(one, done) {
  const paid = one.purchase ? ` It reports ${one.purchase.fiat.amount} ${one.purchase.fiat.currency} for ${one.purchase.crypto.amount} ${one.purchase.crypto.currency}.` : "";
  const twice = ` The handler runs a second time.${paid} A handler that is not idempotent pays twice.`;
  const is_conflict = one.state === "conflict", was_handled = one.state === "handled" || one.unknown_result;
  const lead = [
    [is_conflict, "This delivery contradicts an earlier one with the same key. The handler gets it under a key of its own, so both may be paid. Compare them first."],
    [one.unknown_result, `The handler may have succeeded with this delivery: its result is not known.${twice} Look at what it did first.`],
    [was_handled, `The handler already succeeded with this delivery.${twice}`],
    [one.state === "quarantined", "The current version reads the body again. If it can be read, the delivery becomes due."],
    [true, `The delivery becomes due with a fresh count of attempts.${paid} Its dedup key does not change, so a handler can detect a purchase that it credited before.`],
  ].find(([applies]) => applies)[1];
  const typed = is_conflict || was_handled;
  ask({
    title: `Replay #${one.id}`, lead: typed ? [lead, "Type its id to continue."] : [lead], label: typed ? "Id of the delivery" : null, go: "Replay",
    run: async (confirm) => {
      const body = typed ? { confirm, even_conflict: is_conflict, even_handled: was_handled } : {};
      toast(`#${one.id}: ${said(await act(one.id, "replay", body))}`);
      done();
    },
  });
}

export const askResolve = (one, done, value) => ask({
  title: `Resolve #${one.id}`, lead: ["It stays in the inbox, is not handled, and leaves the list of items that need attention."],
  label: "Note, for other operators", multiline: true, value, go: "Resolve",
  run: async (note) => { await act(one.id, "resolve", { note }); toast(`#${one.id} is resolved.`); done(); },
});

/** Shows in which values a conflict differs from the first delivery. `actions` are for operators. */
export function showComparison({ first, second, differences }, actions) {
  const column = (row) => h("th", { scope: "col" }, stateTag(row.state, row.resolved_at), h("b", {}, `#${row.id}`), h("span", {}, moment(row.received_at)));
  const line = ({ path, first: before, second: after }) => h("tr", { class: "differs" },
    h("th", { scope: "row" }, path), h("td", {}, before ?? "–"), h("td", {}, h("span", {}, after ?? "–")));
  const said = !differences ? "The bodies cannot be compared value by value. Download both." : !differences.length ? "No value differs: the same content arrived again later." : null;
  const leave = h("button", { type: "button", class: "button quiet", onclick: shut }, "Close");
  const button = (words, run) => h("button", { type: "button", class: "button quiet", onclick: run }, words);
  show(h("div", { class: "compare" }, h("h2", { id: "dialog-h" }, `#${second.id} contradicts #${first.id}`),
    h("p", { class: "lead" }, `${first.state === "handled" ? "The handler got the first one" : "The first one counts"}; the second one waits for you. Personal data is masked, so two values that differ may look the same.`),
    said ? h("p", { class: "lead" }, said)
      : h("table", {}, h("thead", {}, h("tr", {}, h("td", {}), column(first), column(second))), h("tbody", {}, ...differences.map(line))),
    h("footer", {}, h("span", { class: "gap" }), leave, ...(actions ? [button("Replay the second too…", actions.replay), button("Keep the first…", actions.resolve)] : []))));
  leave.focus();
}

export const askForget = (one, done) => ask({
  title: `Forget #${one.id}`, lead: ["Its body and its error are removed and cannot be restored. Its key stays, so copies are still recognized.", "Type its id to continue."],
  label: "Id of the delivery", go: "Forget",
  run: async (confirm) => { await act(one.id, "forget", { confirm }); toast(`#${one.id} is forgotten.`); done(); },
});

/** Reviews dead letters, the oldest first, and replays them: one, and the others only after it was handled. Closing the dialog stops it. */
export function reviewDead(item, letters, are_all, done) {
  const first = letters[0], rest = letters.slice(1), many = rest.length, run = new AbortController();
  let handled = 0;
  const wrong = h("p", { class: "wrong", role: "alert" });
  const steps = h("ol", { class: "steps" },
    h("li", { "aria-current": "step" }, h("b", {}, "Replay the oldest"), h("span", {}, `#${first.id}. The others wait until it is handled.`)),
    many ? h("li", {}, h("b", {}, `Replay the other ${many}`), h("span", {}, `Oldest first. Stops after ${STOP_AFTER} failures in a row.`)) : "");
  const button = h("button", { type: "button", class: "button" }, "Replay 1 first"), leave = cancel();
  const [one, others] = steps.children;
  const say = (step, words) => { step.lastChild.textContent = words; };
  const step = async (replay) => {
    button.disabled = true;
    leave.textContent = "Stop";
    wrong.textContent = "";
    try { await replay(); } catch (problem) {
      if (run.signal.aborted) toast(`Stopped. ${handled} of ${letters.length} were handled.`);
      else { wrong.textContent = problem.message; button.disabled = false; }
    }
    leave.textContent = "Cancel";
    done();
  };
  const replayRest = async () => {
    others.classList.add("runs");
    let failures = 0;
    while (rest.length) {
      const state = await replayed(rest[0].id, run.signal);
      rest.shift();
      if (state === "handled") { handled += 1; failures = 0; } else failures += 1;
      say(others, `${handled - 1} of ${many} handled.`);
      if (failures >= STOP_AFTER && rest.length) {
        button.textContent = `Replay the other ${rest.length}`;
        throw new Error(`Stopped: ${failures} in a row were not handled. ${rest.length} were left alone.`);
      }
    }
    others.classList.remove("runs");
    if (handled === letters.length) others.classList.add("ok");
    finish();
  };
  const finish = () => { leave.hidden = true; button.textContent = "Close"; button.disabled = false; button.onclick = shut; };
  button.onclick = () => step(async () => {
    one.classList.add("runs");
    button.textContent = "Waiting for the handler…";
    const state = await replayed(first.id, run.signal);
    one.classList.remove("runs");
    if (state !== "handled") { button.textContent = "Replay 1 first"; throw new Error(`#${first.id} is ${state}. The others were left alone.`); }
    handled = 1;
    one.classList.add("ok");
    one.removeAttribute("aria-current");
    say(one, `#${first.id} was handled.`);
    if (!many) return finish();
    others.setAttribute("aria-current", "step");
    button.textContent = `Replay the other ${many}`;
    button.disabled = false;
    button.onclick = () => step(replayRest);
  });
  const count = letters.length === 1 ? "1 dead letter" : `${letters.length} dead letters`;
  show(h("div", { class: "replay" }, h("h2", { id: "dialog-h" }, are_all ? `Replay ${count}` : `Replay the oldest ${count}`),
    h("p", { class: "lead" }, "Each delivery becomes due with a fresh count of attempts. Its dedup key does not change, so a handler can detect a purchase that it credited before."),
    h("dl", { class: "figures" }, h("div", {}, h("dt", {}, "Completed purchases"), h("dd", {}, String(letters.filter((letter) => letter.purchase).length))),
      are_all && String(letters.length) === item.count && h("div", {}, h("dt", {}, "Total"), h("dd", {}, ...(item.money.length ? item.money.flatMap((sum) => [sum, h("br")]) : ["none"]))),
      h("div", {}, h("dt", {}, "Received"), h("dd", {}, `${moment(first.received_at)} to ${moment(letters.at(-1).received_at)}`))),
    h("div", { class: "which" }, item.detail && h("p", {}, "Error: ", h("code", {}, item.detail)),
      h("table", {}, h("tbody", {}, ...letters.slice(0, 4).map((letter) => h("tr", {}, h("td", {}, moment(letter.received_at)), h("td", { class: "mono" }, short(letter.about)),
        h("td", { class: "c-money" }, letter.purchase ? money(letter.purchase.fiat) : "—"))))),
      letters.length > 4 && h("p", { class: "rest" }, `and ${letters.length - 4} more`)),
    steps, wrong, h("footer", {}, h("span", { class: "gap" }), leave, button)));
  $("dialog").addEventListener("close", () => run.abort(), { once: true });
  button.focus();
}

/** Replays a delivery that is still a dead letter, and waits until it is settled. Returns its state. */
async function replayed(id, signal) {
  const look = async () => {
    const { state } = await get(`api/deliveries/${encodeURIComponent(id)}`);
    signal.throwIfAborted();
    return state;
  };
  let state = await look();
  if (state === "dead") {
    try { await act(id, "replay", {}); } catch (problem) {
      if (problem.status === 409) return "refused";
      throw problem;
    }
    state = "pending";
  }
  for (let waited = 0; waited < ONE_WAIT && ["pending", "leased"].includes(state); waited += 1) {
    await pause(waited < 5 ? 200 : 1000);
    signal.throwIfAborted();
    state = await look();
  }
  return state;
}

export function showKeys() {
  const keys = [["j k", "next, previous"], ["Enter", "open"], ["Esc", "close"], ["/", "find"], ["n", "next that needs attention"], ["r", "replay…"], ["c", "compare…"], ["e", "resolve…"], ["v", "reveal"], ["y", "copy the link"], ["p", "pause the list"], ["t", "dark or light"], ["g i", "inbox"], ["g t", "traffic"], ["g e", "endpoints"], ["?", "this help"]];
  const button = h("button", { type: "button", class: "button", onclick: shut }, "Close");
  const single = h("input", { type: "checkbox", onchange: () => localStorage.setItem("onramp-keys", single.checked ? "on" : "off") });
  single.checked = localStorage.getItem("onramp-keys") !== "off";
  show(h("div", { class: "shortcuts" }, h("h2", { id: "dialog-h" }, "Keys"),
    h("dl", {}, ...keys.flatMap(([key, words]) => [h("dt", {}, ...key.split(" ").map((one) => h("kbd", {}, one))), h("dd", {}, words)])),
    h("footer", {}, h("label", {}, single, " Single keys"), h("span", { class: "gap" }), button)));
  button.focus();
}

