// What happens: news of the agent, and a sample of the packets that are dropped or logged. Bounded, and
// looked through by a filter.
import { count, element, table } from "./dom.js";

const NEWS = 300, SECONDS = 60, SHOWN = 150;
const KINDS = { drop: "bad", log: "warn", news: undefined };

export class Events {
  constructor(section) {
    this.place = section.querySelector(".table");
    this.note = section.querySelector("#event-note");
    this.text = section.querySelector("#event-filter");
    this.kind = section.querySelector("#event-kind");
    this.news = [];
    this.seconds = []; // {rows, more, estimate, stood_still}
    for (const one of [this.text, this.kind]) one.addEventListener("input", () => this.show());
    this.show();
  }

  add_news({ time, event, priority, text }) {
    this.news = [...this.news, { kind: "news", time, event, text, style: priority <= 4 ? "bad" : undefined }].slice(-NEWS);
    this.show();
  }

  add_packets({ packets, ...second }) {
    const rows = packets.map(({ reason, ...one }) => ({ ...one, event: reason, style: KINDS[one.kind] }));
    this.seconds = [...this.seconds, { ...second, rows }].slice(-SECONDS);
    this.show();
  }

  // The newest first, each with all these words.
  wanted() {
    const words = this.text.value.toLowerCase().split(/\s+/);
    const has = (one) => `${one.event} ${one.interface ?? ""} ${one.rule ?? ""} ${one.text}`.toLowerCase();
    return [...this.news, ...this.seconds.flatMap((second) => second.rows)]
      .filter((one) => !this.kind.value || one.kind === this.kind.value)
      .filter((one) => words.every((word) => has(one).includes(word)))
      .sort((one, other) => other.time - one.time);
  }

  tell_what_is_missing(found) {
    const more = this.seconds.reduce((sum, one) => sum + one.more, 0);
    const about = this.seconds.some((one) => one.estimate) ? "about " : "";
    const notes = [];
    if (found > SHOWN) notes.push(`Of ${count(found)} the newest ${SHOWN} are shown.`);
    if (more && this.kind.value !== "news") notes.push(`Of packets a sample is shown: ${about}${count(more)} more of the same seconds were not shown.`);
    if (this.seconds.some((one) => one.stood_still)) notes.push("The agent stood still for a time, of which packets are missing.");
    this.note.textContent = notes.join(" ");
  }

  show() {
    const rows = this.wanted();
    this.tell_what_is_missing(rows.length);
    table(this.place, [
      { title: "Time", style: "time", cell: (one) => new Date(one.time).toLocaleTimeString() },
      { title: "Event", style: "word", cell: (one) => element("span", { class: one.style }, one.event) },
      { title: "Interface", style: "word", cell: (one) => one.interface ?? "" },
      { title: "Rule", cell: (one) => one.rule ?? "" },
      { title: "What", style: "long", cell: (one) => one.text },
    ], rows.slice(0, SHOWN), this.text.value || this.kind.value ? "Nothing of what is kept here is so."
      : "Nothing has happened yet: bans, backends that change, policies that are applied, and packets that are dropped or logged are told here.");
  }
}
