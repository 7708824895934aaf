/** Transcript and events of this page, to be looked at, copied and saved. */
import { byId, copy, el, save } from "./dom.js";
import { EventLog, LOGGED, summary, Transcript } from "./record.js";

const SHOWN = 200; // events on the page

export class RecordView {
  /** @param {import("./client.js").VoiceClient} client */
  constructor(client) {
    this._client = client;
    this._transcript = new Transcript();
    this._events = new EventLog();
    for (const type of LOGGED) client.addEventListener(type, ({ detail }) => this._take(type, detail));
    byId("copy-transcript").addEventListener("click", () => copy(this._transcript.text(), "Transcript"));
    byId("save-text").addEventListener("click", () => save(this._transcript.text(), this._name("txt"), "text/plain"));
    byId("save-json").addEventListener("click", () => {
      save(this._transcript.json(this._session()), this._name("json"), "application/json");
    });
    byId("copy-events").addEventListener("click", () => copy(this._events.lines(), "Events"));
    byId("save-events").addEventListener("click", () => {
      save(this._events.lines(), this._name("events.jsonl"), "application/x-ndjson");
    });
    byId("events").addEventListener("toggle", () => this._list());
  }

  _take(type, detail) {
    this._transcript.take(type, detail);
    const entry = this._events.take(type, detail);
    if (entry === null) return;
    byId("record-section").hidden = false;
    byId("events-count").textContent = this._events.count;
    if (!byId("events").open) return;
    byId("event-list").prepend(line(entry));
    if (byId("event-list").children.length > SHOWN) byId("event-list").lastElementChild.remove();
  }

  _list() {
    const newest = byId("events").open ? this._events.entries.slice(-SHOWN).reverse() : [];
    byId("event-list").replaceChildren(...newest.map(line));
  }

  _session() {
    const { session_id, tier, policy, agent, agent_version, simulated, local } = this._client.session ?? {};
    return { session_id, tier, policy, agent, agent_version, simulated, local };
  }

  _name(ending) {
    return `voice-agent-${(this._client.session?.session_id ?? "no-session").slice(0, 8)}.${ending}`;
  }
}

function line(entry) {
  const time = el("span", { class: "at", text: entry.at.slice(11, 23) });
  return el("li", {}, time, el("span", { class: "type", text: entry.type }), el("span", { text: summary(entry) }));
}
