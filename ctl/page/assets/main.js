// Shows what the agent tells, once a second.
import { Chart, strip } from "./chart.js";
import { command, count, element, quoted, rate, table } from "./dom.js";
import { Events } from "./events.js";

const byId = (id) => document.getElementById(id);
const place = (id) => byId(id).querySelector(".table");
for (const one of document.querySelectorAll(".table")) one.tabIndex = 0; // so that the keys scroll it, too
const verdicts = new Chart(byId("verdicts"), "Packets a second by verdict");
const drops = new Chart(byId("drops"), "Drops a second by reason");
const events = new Events(byId("events"));
const QUIET = 5000; // without a word for so long, it is not live

let before = null; // the state before, for rates
let state = null;
let heard = 0;

// --- rates -----------------------------------------------------------------------------------------

// Per second, of each number by its key; a number that is smaller than before began anew.
function rates(now, then) {
  const seconds = then ? (now.time - then.time) / 1000 : 0;
  const known = then ? numbers(then) : new Map();
  const found = new Map();
  if (seconds <= 0) return found;
  for (const [key, value] of numbers(now)) {
    const former = known.get(key) ?? (key.startsWith("i\0") ? 0 : value);
    found.set(key, (value >= former ? value - former : value) / seconds);
  }
  return found;
}

const key = (...parts) => parts.join("\0");

function numbers(one) {
  const all = new Map();
  for (const face of one.interfaces ?? []) for (const row of face.counts) all.set(key("i", face.name, row.direction, row.reason), row.packets);
  for (const rule of one.rules ?? []) all.set(key("r", rule.name), rule.packets);
  for (const vip of one.services ?? []) for (const backend of vip.backends) {
    all.set(key("b", vip.name, backend.name), backend.packets);
    all.set(key("f", vip.name, backend.name), backend.flows);
  }
  return all;
}

function draw_charts(now) {
  const by_verdict = new Map(), by_reason = new Map();
  const add = (map, name, value) => map.set(name, (map.get(name) ?? 0) + value);
  for (const face of state.interfaces ?? []) for (const row of face.counts) {
    const value = now.get(key("i", face.name, row.direction, row.reason)) ?? 0;
    add(by_verdict, `${row.verdict} ${row.direction}`, value);
    if (row.verdict === "drop") add(by_reason, row.reason, value);
  }
  verdicts.add(state.time, by_verdict);
  drops.add(state.time, by_reason);
}

// --- tables ----------------------------------------------------------------------------------------

function show_facts() {
  const faces = state.interfaces ?? [];
  const facts = {
    interfaces: faces.map((one) => one.name).join(", ") || "none",
    policy: state.policy?.path || "none",
    hash: state.policy?.hash?.slice(0, 12),
    generation: state.generation,
  };
  byId("facts").replaceChildren(...Object.entries(facts).filter(([, value]) => value !== undefined && value !== "").map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", { title: name === "hash" ? state.policy.hash : undefined }, value))));
}

function show_warnings() {
  const all = state.warnings ?? [];
  if (!state.attached) all.push({ bad: true, text: "nothing is attached, so nothing is filtered: fwctl apply, or fwctl attach IF" });
  byId("warnings").hidden = all.length === 0;
  byId("warnings").firstElementChild.replaceChildren(...all.map((one) => element("li", { class: one.bad ? "bad" : "warn" }, one.text)));
}

function show_interfaces(now) {
  const sum = (face, dropped) => face.counts.filter((row) => (row.verdict === "drop") === dropped)
    .reduce((total, row) => total + (now.get(key("i", face.name, row.direction, row.reason)) ?? 0), 0);
  table(place("interfaces"), [
    { title: "Interface", cell: (face) => face.name },
    { title: "In", cell: (face) => face.ingress },
    { title: "Out", cell: (face) => face.egress },
    { title: "", cell: (face) => (face.broken ? element("span", { class: "bad" }, "not filtered") : element("span", { class: "good" }, "filtered")) },
    { title: "Passed/s", number: true, cell: (face) => rate(sum(face, false)) },
    { title: "Dropped/s", number: true, cell: (face) => rate(sum(face, true)) },
    { title: "Command", cell: (face) => command("fwctl", face.broken ? "attach" : "detach", quoted(face.name)) },
  ], state.interfaces ?? [], "Nothing is attached.");
}

// Where nothing can be banned, a rule of its own does it.
function command_against(source) {
  const sets = (state.sets ?? []).map((one) => one.name);
  if (sets.includes("banned")) return command("fwctl ban", quoted(source));
  if (sets.length > 0) return command("fwctl ban", quoted(source), "--set", quoted(sets[0]));
  return command("fwctl deny any from", quoted(source));
}

// The sketch knows some numbers between two bounds.
function show_talkers() {
  const between = ({ packets, more }) => (more >= 1 ? `${rate(packets)} – ${rate(packets + more)}` : rate(packets));
  byId("talker-note").textContent = state.unlisted >= 1 ? `No other source has sent more than ${rate(state.unlisted)} packets a second.` : "";
  table(place("talkers"), [
    { title: "Source", style: "word", cell: (one) => one.source },
    { title: "Packets/s", number: true, cell: between },
    { title: "Bytes/s", number: true, cell: (one) => rate(one.bytes) },
    { title: "Dropped/s", number: true, cell: (one) => rate(one.dropped) },
    { title: "Command", cell: (one) => command_against(one.source) },
  ], state.talkers ?? [], state.talkers ? (state.unlisted > 0 ? "No source stands out." : "Nobody has sent anything in the last second.") : "Sources are counted only while somebody looks: they will be here in a moment.");
}

const HEALTH = { up: "good", starting: "warn", down: "bad", "fails, used": "bad" };

function show_services(now) {
  const backends_of = (vip) => (vip.backends.length ? vip.backends : [null]);
  const rows = (state.services ?? []).flatMap((vip) => backends_of(vip).map((backend) => ({ vip, backend })));
  const of = (cell) => (row) => (row.backend ? cell(row) : ""); // a service may have none
  const add = ({ vip, backend }) => backend
    ? command("fwctl backend", backend.state === "ready" ? "drain" : "ready", quoted(`${vip.name}/${backend.name}`))
    : command("fwctl backend add", quoted(`${vip.name}/NAME`), "ADDRESS");
  table(place("services"), [
    { title: "Service", cell: ({ vip, backend }) => (backend === backends_of(vip)[0] ? `${vip.name} (${vip.health})` : "") },
    { title: "Backend", cell: ({ backend }) => backend ? backend.name : "none: its packets are dropped" },
    { title: "Address", cell: of(({ backend }) => backend.address) },
    { title: "Health", cell: of(({ backend }) => element("span", { class: HEALTH[backend.health] }, backend.health)) },
    { title: "Ten minutes", cell: of(({ backend }) => strip(backend.history, state.time)) },
    { title: "Weight", number: true, cell: of(({ backend }) => (backend.state === "ready" ? backend.weight : backend.state)) },
    { title: "Packets/s", number: true, cell: of(({ vip, backend }) => rate(now.get(key("b", vip.name, backend.name)))) },
    { title: "New flows/s", number: true, cell: of(({ vip, backend }) => rate(now.get(key("f", vip.name, backend.name)))) },
    { title: "Flows", number: true, cell: of(({ backend }) => count(backend.active)) },
    { title: "Command", cell: add },
  ], rows, "No service is balanced.");
}

// A rule of the policy is changed in its file, and a built-in one by [builtin] there.
function command_of(rule) {
  if (rule.origin === "live") return command("fwctl rule remove", quoted(rule.name));
  const file = state.policy.path.split("/").at(-1);
  return file ? command("fwctl apply", quoted(file)) : command("fwctl apply FILE");
}

function show_rules(now) {
  const wanted = byId("rule-filter").value.toLowerCase();
  const rows = (state.rules ?? []).filter((rule) => rule.name.toLowerCase().includes(wanted) || rule.says.toLowerCase().includes(wanted));
  table(place("rules"), [
    { title: "Rule", cell: (rule) => rule.name },
    { title: "From", style: "word", cell: (rule) => rule.origin },
    { title: "Says", style: "long", cell: (rule) => rule.says },
    { title: "Packets/s", number: true, cell: (rule) => rate(now.get(key("r", rule.name))) },
    { title: "Packets", number: true, cell: (rule) => count(rule.packets) },
    { title: "Bytes", number: true, cell: (rule) => count(rule.bytes) },
    { title: "Command", cell: command_of },
  ], rows, wanted ? "No rule has that in its name." : "There are no rules.");
}

function show_sets() {
  const rows = (state.sets ?? []).map((set) => ({ name: `set ${set.name}`, used: set.members, size: set.size, lost: set.replaced + set.refused,
    command: command("fwctl set add", quoted(set.name), "ADDRESS") }));
  if (state.conntrack?.room) rows.push({ name: "flows that are followed", used: state.conntrack.confirmed + state.conntrack.fresh, size: state.conntrack.room,
    command: command("fwctl conntrack flush") });
  table(place("sets"), [
    { title: "", cell: (row) => row.name },
    { title: "In it", number: true, cell: (row) => count(row.used) },
    { title: "Room", number: true, cell: (row) => count(row.size) },
    { title: "Gave way, or refused", number: true, cell: (row) => (row.lost === undefined ? "" : count(row.lost)) },
    { title: "Command", cell: (row) => row.command },
  ], rows, "The policy has no dynamic set, and follows no flows.");
}

function show() {
  const now = rates(state, before);
  show_facts();
  show_warnings();
  draw_charts(now);
  show_interfaces(now);
  show_talkers();
  show_services(now);
  show_rules(now);
  show_sets();
}

// --- what is told ----------------------------------------------------------------------------------

function tell_link(kind, text) {
  const link = byId("link");
  if (link.textContent !== text) link.textContent = text;
  link.dataset.state = kind;
  byId("main").classList.toggle("stale", kind !== "live");
}

let last = 0; // number of the newest message: a stream that begins anew tells again what is kept

function listen() {
  const stream = new EventSource("/stream");
  const on = (event, use) => stream.addEventListener(event, (message) => {
    const number = Number(message.lastEventId);
    if (number <= last) return;
    last = number;
    use(JSON.parse(message.data));
  });
  on("state", (data) => {
    heard = Date.now();
    tell_link("live", "live");
    if (state && data.time === state.time) return; // nothing new: not a rate of 0
    before = state;
    state = data;
    show();
  });
  on("news", (data) => events.add_news(data));
  on("packets", (data) => events.add_packets(data));
  on("gone", (data) => {
    heard = Date.now();
    tell_link("gone", data);
  });
  stream.addEventListener("error", () => {
    tell_link("waiting", "the page's server does not answer; trying again");
    // The browser itself does not try again after an answer that is no stream, as where too many look.
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
  });
}

listen();
setInterval(() => heard && Date.now() - heard > QUIET && tell_link("waiting", "nothing is heard; trying again"), 1000);
byId("rule-filter").addEventListener("input", () => state && show_rules(rates(state, before)));
