"use strict";
// The page shows what the server last said and keeps nothing of its own but what is being typed.

const $ = (id) => document.getElementById(id);
const DEMO_ITEM = "MOB-3";
const STATUS = {
  created: "Starting", in_progress: "Working", awaiting: "Waiting for you", completed: "Done",
  stopping: "Stopping", stopped: "Stopped", failed: "Failed", stale: "No sign of life",
};
let state = null;
const opened = new Map();
const told = new Set();

function make(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "data") Object.assign(node.dataset, value);
    else if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// The server has cleaned this HTML; the content policy forbids scripts besides.
function prose(html, extra = "") {
  const node = make("div", { className: `prose ${extra}` });
  node.innerHTML = html;
  return node;
}

function when(at) {
  const date = new Date(at);
  const minutes = Math.round((Date.now() - date) / 60000);
  const text = minutes < 1 ? "just now" : minutes < 60 ? `${minutes} min ago`
    : minutes < 1440 ? `${Math.round(minutes / 60)} h ago` : `${Math.round(minutes / 1440)} d ago`;
  return make("time", { dateTime: at, title: date.toLocaleString() }, text);
}

function dot(color) {
  const node = make("span", { className: "dot", ariaHidden: "true" });
  node.style.setProperty("--dot", color);
  return node;
}

function chosenKey() {
  const key = decodeURIComponent(location.hash.slice(1));
  return state.items.some((item) => item.key === key) ? key : null;
}

function chosenItem() {
  const key = chosenKey() ?? DEMO_ITEM;
  return state.items.find((item) => item.key === key) ?? state.items[0];
}

function render() {
  if (!state?.items) return;
  const focused = document.activeElement?.dataset?.key;
  const item = chosenItem();
  const runs = state.runs.filter((run) => run.item === item.key);
  document.body.dataset.view = chosenKey() ? "item" : "list";
  document.title = `${item.key} ${item.name} · aileron demo`;
  $("place").textContent = `${state.workspace} / ${state.project}`;
  $("banner").hidden = !state.banner;
  $("banner").textContent = state.banner ?? "";
  $("items").replaceChildren(...state.items.map((other) => listEntry(other, other.key === item.key)));
  $("item").replaceChildren(...itemHead(item));
  const pinned = $("thread").hasChildNodes() && nearBottom();
  const inRuns = new Map(runs.map((run) => [run.comment, run]));
  const top = item.comments.filter((comment) => !comment.run || inRuns.has(comment.id));
  const parts = top.flatMap((comment) => {
    const run = inRuns.get(comment.id);
    return run ? [commentBlock(comment), runCard(run)] : [commentBlock(comment)];
  });
  $("thread").replaceChildren(...(parts.length ? parts : [make("p", { className: "hint" }, "No comments yet.")]));
  if (pinned && runs.length) scrollTo({ top: document.body.scrollHeight });
  renderComposer(runs);
  if (focused) document.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

function nearBottom() {
  return innerHeight + scrollY > document.body.scrollHeight - 120;
}

function listEntry(item, current) {
  const atWork = state.runs.some((run) => run.item === item.key && run.live);
  const link = make("a", { href: `#${item.key}`, data: { key: `nav-${item.key}` } },
    make("span", { className: "key" }, dot(item.state?.color), `${item.key} · ${item.state?.name ?? ""}`,
      atWork ? make("span", { className: "at-work" }, "agent at work") : null),
    make("span", { className: "name" }, item.name));
  if (current) link.setAttribute("aria-current", "page");
  return make("li", {}, link);
}

function itemHead(item) {
  const chip = (...content) => make("li", { className: "chip" }, ...content);
  const people = item.assignees.length ? item.assignees.map((name) => `@${name}`).join(", ") : "nobody assigned";
  return [
    make("span", { className: "key" }, `${item.key} · by ${item.author} `, when(item.at)),
    make("h1", {}, item.name),
    make("ul", { className: "facts", ariaLabel: "Facts" },
      chip(dot(item.state?.color), item.state?.name ?? "no state"),
      chip(item.priority === "none" ? "no priority" : `${item.priority} priority`),
      ...item.labels.map((label) => chip(dot(label.color), label.name)),
      chip(people)),
    prose(item.html),
  ];
}

function commentBlock({ author, bot, at, html }, ...more) {
  return make("div", { className: "comment" },
    make("span", { className: bot ? "avatar bot" : "avatar", ariaHidden: "true" }, author[0].toUpperCase()),
    make("div", {}, make("div", {}, make("span", { className: "who" }, author), when(at)), prose(html), ...more));
}

function runCard(run) {
  const head = make("header", {}, make("strong", {}, state.agent),
    make("span", { className: "badge", data: { status: run.status } }, STATUS[run.status] ?? run.status));
  const body = make("div", {});
  let steps = [];
  const flush = (last) => {
    if (steps.length) body.append(stepList(run, steps, last));
    steps = [];
  };
  run.activities.forEach((activity, index) => {
    if (activity.kind === "thought" || activity.kind === "action") return steps.push(activity);
    flush(false);
    // The first prompt is the comment above this card.
    if (activity.kind === "prompt" && index > 0) {
      const html = activity.signal === "stop" ? "<p><em>pressed stop</em></p>" : activity.html;
      body.append(commentBlock({ ...activity, html, bot: false }));
    } else if (activity.kind !== "prompt") {
      body.append(answer(run, activity, index === run.activities.length - 1));
    }
  });
  flush(run.live);
  if (!body.childNodes.length) body.append(make("p", { className: "hint thinking" }, "Waiting for the agent"));
  return make("section", { className: "run", ariaLabel: `Run of ${state.agent}` }, head, body);
}

function answer(run, activity, last) {
  const block = commentBlock({ ...activity, bot: true });
  const words = block.lastChild;
  if (activity.kind === "error") words.classList.add("failed-turn");
  if (activity.signal === "select" && Array.isArray(activity.options)) {
    words.append(make("div", { className: "choices", role: "group", ariaLabel: "Choices" },
      ...activity.options.map((option, index) => {
        const label = option.label ?? String(option);
        return make("button", {
          type: "button", className: "choice", disabled: !last, title: option.description ?? "",
          data: { key: `choice-${activity.id}-${index}` },
          onclick: () => send("/demo/comments", { work_item: run.item, run: run.id, text: label, author: $("author").value }),
        }, label);
      })));
  }
  if (activity.signal === "auth_request" && /^https:\/\//.test(activity.url ?? "")) {
    words.append(make("p", {}, make("a", { href: activity.url, target: "_blank", rel: "noopener noreferrer" }, "Sign in")));
  }
  return block;
}

// A tool's outcome comes as a second action about the same calls, with a result: show them as one.
function joined(steps) {
  const rows = [];
  for (const step of steps) {
    const { result, ...asked } = step.parameters ?? {};
    const call = JSON.stringify(step.calls ?? [step.action, Object.entries(asked).sort()]);
    const open = step.kind === "action" && result !== undefined
      && rows.find((row) => row.call === call && row.result === undefined);
    if (open) Object.assign(open, { result, action: step.action });
    else rows.push({ ...step, asked, call, result });
  }
  return rows;
}

function stepList(run, steps, working) {
  const rows = joined(steps);
  const key = `steps-${steps[0].id}`;
  const latest = rows.at(-1);
  const line = working ? (latest.kind === "action" ? latest.action : latest.body) : `${rows.length} steps`;
  const list = make("details", { className: "steps", open: opened.get(key) ?? working },
    make("summary", { className: working ? "thinking" : "", data: { key } }, working ? "Working" : line.replace(/^1 steps$/, "1 step")),
    make("ol", {}, ...rows.map(stepRow)));
  list.querySelector("summary").addEventListener("click", () => opened.set(key, !list.open));
  return list;
}

function stepRow(row) {
  if (row.kind === "thought") return make("li", { className: "thought" }, row.body);
  const pairs = Object.entries(row.asked);
  if (row.result !== undefined) pairs.push(["result", row.result]);
  const values = pairs.flatMap(([name, value]) => /^\d+$/.test(name) ? [toldTogether(value)]
    : [make("dt", {}, name), make("dd", { className: name === "result" ? "result" : "" }, value)]);
  return make("li", {}, make("span", { className: "tool" }, row.action),
    values.length ? make("dl", { className: "tool-values" }, ...values) : null);
}

// Several steps told as one have a line each: "what was done → what came of it".
function toldTogether(line) {
  const arrow = line.lastIndexOf(" → ");
  const [asked, result] = arrow < 0 ? [line, ""] : [line.slice(0, arrow + 3), line.slice(arrow + 3)];
  return make("dd", { className: "line" }, asked, make("span", { className: "result" }, result));
}

function renderComposer(runs) {
  const options = [...runs].reverse().map((run, index) => [run.id, index === 0 ? `the thread with ${state.agent}` : `an earlier thread (${runs.length - index})`]);
  options.push(["", "a new thread"]);
  fill($("target"), options);
  $("target-label").hidden = runs.length === 0;
  // The button stays the same element, so that no change takes it away from under the finger.
  const stoppable = [...runs].reverse().find((run) => run.can_stop);
  $("stop").hidden = !stoppable;
  $("stop").value = stoppable?.id ?? "";
  fill($("author"), state.people.map((name) => [name, name]), state.author);
}

// Leaves the choice alone where it still exists.
function fill(select, options, preferred) {
  const wanted = JSON.stringify(options);
  if (select.dataset.options === wanted) return;
  const before = select.dataset.options ? select.value : preferred;
  const known = new Set(JSON.parse(select.dataset.options ?? "[]").map(([value]) => value));
  const fresh = options.find(([value]) => !known.has(value));
  select.replaceChildren(...options.map(([value, label]) => make("option", { value }, label)));
  select.dataset.options = wanted;
  const kept = options.some(([value]) => value === before) && !(fresh && select.id === "target");
  select.value = kept ? before : options[0][0];
}

// Says new words aloud once, without reading the whole thread again.
function tell() {
  for (const run of state.runs ?? []) {
    for (const activity of run.activities) {
      if (told.has(activity.id) || activity.kind === "prompt") continue;
      told.add(activity.id);
      $("news").textContent = activity.kind === "action" ? `${state.agent}: ${activity.action}` : `${state.agent}: ${activity.body}`;
    }
  }
}

async function send(address, body) {
  $("problem").hidden = true;
  try {
    const answer = await fetch(address, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
    });
    if (answer.ok) return true;
    const said = await answer.json().catch(() => ({}));
    throw new Error(said.error ?? `The server answered ${answer.status}.`);
  } catch (error) {
    $("problem").textContent = error instanceof TypeError ? "The demo is not running any more." : error.message;
    $("problem").hidden = false;
    return false;
  }
}

$("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text || !state?.items) return $("text").focus();
  $("send").disabled = true;
  const run = $("target").value || null;
  if (await send("/demo/comments", { work_item: chosenItem().key, text, run, author: $("author").value })) {
    $("text").value = "";
    if (!chosenKey()) location.hash = chosenItem().key;
  }
  $("send").disabled = false;
  $("text").focus();
});

$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("composer").requestSubmit();
});

$("mention").addEventListener("click", () => {
  const box = $("text");
  const before = box.value.slice(0, box.selectionStart);
  const gap = before && !/\s$/.test(before) ? " " : "";
  box.setRangeText(`${gap}@${state?.agent ?? "aileron"} `, box.selectionStart, box.selectionEnd, "end");
  box.focus();
});

$("stop").addEventListener("click", () => send(`/demo/runs/${$("stop").value}/stop`, {}));

addEventListener("hashchange", () => {
  render();
  scrollTo({ top: 0 });
});

const events = new EventSource("/demo/events");
events.onopen = () => { $("line").textContent = ""; };
events.onerror = () => { $("line").textContent = "Connection lost, trying again"; };
events.onmessage = (event) => {
  state = JSON.parse(event.data);
  tell();
  render();
};
