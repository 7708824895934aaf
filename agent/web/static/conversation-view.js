/** The conversation as it happens: what the caller said, what the agent says and how much of it was heard. */
import { byId, copy, el, whole } from "./dom.js";
import { splitHeard } from "./heard.js";
import { TERMS } from "./terms.js";
import { unanswered } from "./waterfall.js";

const MAX_TURNS = 200; // older turns leave the page
const AT_END = 40; // pixels from the end within which the reader follows

export class ConversationView {
  /** @param {(key: string) => void} [choose] is told the key, `epoch.turn`, of a turn whose figures were pressed */
  constructor(choose = () => {}) {
    this._choose = choose;
    this._latest = null;
    this._list = byId("turn-list");
    this._partial = byId("partial");
    this._turns = new Map(); // "epoch.turn" → {node, agent, clauses, fillers, meta, facts}
    this._pane = byId("transcript");
    this._following = true;
    this._seen = { top: 0, height: 0 }; // where the pane stood when it was last looked at
    this._pane.addEventListener("scroll", () => this._scrolled());
    const sizes = new ResizeObserver(() => this._scroll());
    sizes.observe(this._pane);
    sizes.observe(this._list);
  }

  /** A call begins: its newest is kept in view, wherever the reader was in the one before. */
  follow() {
    this._following = true;
    this._scroll();
  }

  /** Words of the caller so far. */
  partial(text) {
    byId("welcome").hidden = true;
    this._partial.hidden = text === "";
    this._partial.querySelector(".words").textContent = text;
    this._scroll();
  }

  /** The caller's turn is over. */
  said({ epoch, turn, text, spoken }) {
    this.partial("");
    const entry = this._entry(epoch, turn);
    entry.caller.hidden = false;
    entry.caller.append(text);
    if (!spoken) entry.caller.append(" ", el("span", { class: "how", text: "typed" }));
    this._scroll();
  }

  /** A clause of the reply is on its way. */
  clause({ epoch, turn, text, startMs }) {
    const entry = this._entry(epoch, turn);
    const node = el("span", { class: "clause upcoming", text });
    entry.agent.hidden = false;
    entry.agent.append(entry.agent.childNodes.length > 1 ? " " : "", node);
    entry.clauses.push({ text, node, startMs });
    this._scroll();
  }

  /** What is said while the reply takes longer. It comes before each piece of sound, and is no part of the reply. */
  filler({ epoch, turn, text }) {
    const entry = this._entry(epoch, turn);
    if (entry.fillers.has(text)) return;
    entry.fillers.add(text);
    entry.agent.hidden = false;
    entry.agent.append(entry.agent.childNodes.length > 1 ? " " : "", el("span", { class: "filler", text }));
    this._scroll();
  }

  /** So much of the reply was played. */
  played({ epoch, turn, event, playedMs, clause }) {
    const entry = this._turns.get(`${epoch}.${turn}`);
    if (!entry || entry.cut) return;
    const over = event === "finished" && clause === null;
    entry.clauses.forEach((part, index) => {
      const begun = over || (clause === null ? part.startMs <= playedMs : index <= clause);
      if (begun && (event !== "cleared" || part.startMs < playedMs)) part.node.classList.remove("upcoming");
    });
    entry.agent.classList.toggle("held", event === "paused");
    if (event === "cleared") entry.agent.classList.add("stopped");
  }

  /** The caller took the turn: what was not heard is struck through. */
  cut({ epoch, turn, heard }) {
    const entry = this._turns.get(`${epoch}.${turn}`);
    if (!entry) return;
    entry.cut = true;
    entry.agent.classList.remove("held");
    const parts = splitHeard(entry.clauses.map((clause) => clause.text), heard);
    parts.forEach((part, index) => {
      const node = entry.clauses[index].node;
      node.classList.remove("upcoming");
      if (!part.unheard) return; // left alone: a screen reader would say it again
      node.replaceChildren(part.heard, part.heard ? " " : "");
      node.append(el("span", { class: "sr", text: " not heard: " }), el("del", { text: part.unheard }));
    });
  }

  /** What is known of a turn beside its words: `metrics`, `earMs`, `budgetMs`. */
  facts({ epoch, turn, ...facts }) {
    const entry = this._entry(epoch, turn);
    Object.assign(entry.facts, facts);
    const told = describe(entry.facts);
    const sr = (text) => el("span", { class: "sr", text });
    entry.meta.replaceChildren(
      sr(`Turn ${turn}: `),
      ...told.map(({ text, over, term }) => {
        const { name, text: meaning } = TERMS[term];
        return el("span", { class: over && "over", title: `${name}: ${meaning}` }, sr(`${name} `), text);
      }),
      sr("Show its stages."),
    );
    entry.meta.hidden = told.length === 0;
    this._scroll();
  }

  /** A text that the agent wants the caller to see: it stands below the turn in which it came. */
  note(text) {
    const button = el("button", { type: "button", class: "quiet", text: "Copy", onclick: () => copy(text, "Note") });
    const node = el("div", { class: "note" }, el("span", { class: "who", text: "Note" }), el("p", { text }), button);
    byId("welcome").hidden = true;
    if (this._latest) this._latest.node.insertBefore(node, this._latest.meta);
    else this._list.append(el("li", { class: "turn" }, node));
    this._scroll();
  }

  /** Brings a turn into view and into focus: where a remembered value comes from. */
  show(turn) {
    const found = [...this._turns.values()].findLast(({ node }) => node.dataset.turn === String(turn));
    if (!found) return;
    found.node.scrollIntoView({ block: "nearest" });
    found.node.focus({ preventScroll: true });
  }

  /** A line across the conversation: a new session, an end. */
  divide(text) {
    this.partial("");
    this._list.append(el("li", { class: "divider", text }));
    this._scroll();
  }

  _entry(epoch, turn) {
    const key = `${epoch}.${turn}`;
    const known = this._turns.get(key);
    if (known) return known;
    byId("welcome").hidden = true;
    const caller = el("p", { class: "caller", hidden: true }, el("span", { class: "who", text: "Caller" }));
    const agent = el("p", { class: "agent", hidden: true }, el("span", { class: "who", text: "Agent" }));
    // Figures are read on demand.
    const onclick = () => this._choose(key);
    const meta = el("button", { type: "button", class: "meta", "aria-live": "off", hidden: true, onclick });
    const node = el("li", { class: "turn", "data-turn": turn, tabindex: -1 }, caller, agent, meta);
    const entry = { node, caller, agent, meta, clauses: [], fillers: new Set(), facts: {}, cut: false };
    this._turns.set(key, entry);
    this._latest = entry;
    this._list.append(node);
    if (this._turns.size > MAX_TURNS) {
      const [oldest, { node: gone }] = this._turns.entries().next().value;
      if (gone.contains(document.activeElement)) this._pane.focus({ preventScroll: true });
      gone.remove();
      this._turns.delete(oldest);
    }
    return entry;
  }

  /** Only a reader moves up in a pane that keeps its height; a pane that changes is scrolled by the browser, too. */
  _scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this._pane;
    if (scrollHeight - scrollTop - clientHeight < AT_END) this._following = true;
    else if (scrollTop < this._seen.top && clientHeight === this._seen.height) this._following = false;
    this._seen = { top: scrollTop, height: clientHeight };
  }

  /** Keeps the newest in view, unless the reader has scrolled up. */
  _scroll() {
    if (!this._following) return;
    this._pane.scrollTop = this._pane.scrollHeight;
    this._seen = { top: this._pane.scrollTop, height: this._pane.clientHeight };
  }
}

/** The model that was chosen and, where another answered or none did, who: `haiku → sonnet`. */
export function answering({ model, answered_by: by }) {
  return by === undefined || by === model ? model : `${model} → ${by ?? "nobody"}`;
}

function describe({ metrics, earMs, budgetMs }) {
  const facts = [];
  if (metrics?.model) facts.push({ text: answering(metrics), term: "model" });
  if (metrics?.rule) facts.push({ text: metrics.rule, term: "rule" });
  if (metrics?.voice_to_voice_ms != null) {
    const over = metrics.voice_to_voice_ms > budgetMs;
    facts.push({ text: `${whole(metrics.voice_to_voice_ms)} ms${over ? " over budget" : ""}`, over, term: "v2v" });
  }
  if (unanswered(metrics)) facts.push({ text: "no reply", over: true, term: "v2v" });
  else if (earMs != null) facts.push({ text: `ear ${whole(earMs)} ms`, term: "ear" });
  if (metrics && !["replied", "typed"].includes(metrics.outcome)) {
    facts.push({ text: metrics.outcome.replaceAll("_", " "), term: "outcome" });
  }
  return facts;
}
