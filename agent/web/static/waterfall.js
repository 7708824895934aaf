/** Where the time of a turn went, against the budgets: the figures (`layout`) and the drawing (`Waterfall`). */
import { byId, copies, el, whole } from "./dom.js";
import { TERMS } from "./terms.js";

const STAGES = ["stt", "llm", "tool", "tts", "send", "network"];
const ROWS = { "voice-to-voice": "v2v", "at the ear": "ear" }; // whose term has another name
const NEAR = 0.3; // share of the axis
const MAX_TURNS = 40; // bars of the history
const MAX_FIGURES = 1000; // waits that the percentiles are of

/**
 * Rows of a waterfall. Every place and length is in milliseconds; null where nothing was measured.
 *
 * @param {object | null} metrics a `turn.metrics` message
 * @param {Record<string, number>} budgets `session.ready`'s `budgets_ms`
 * @param {number | null} earMs the browser's own figure
 * @returns {{rows: {name: string, startMs: number, ms: number | null, budgetMs: number | null, over: boolean}[],
 *   spanMs: number}}
 */
export function layout(metrics, budgets, earMs) {
  const rows = [];
  let startMs = 0;
  for (const name of STAGES) {
    const ms = metrics?.stages[name] ?? null;
    if (name === "tool" && ms === null) continue; // few turns use one
    const budgetMs = budgets[name] ?? null;
    rows.push({ name, startMs, ms, budgetMs, over: over(ms, budgetMs) });
    startMs += ms ?? 0;
  }
  const totalMs = metrics?.voice_to_voice_ms ?? null;
  const budgetMs = budgets.voice_to_voice ?? null;
  rows.push({ name: "voice-to-voice", startMs: 0, ms: totalMs, budgetMs, over: over(totalMs, budgetMs) });
  rows.push({ name: "at the ear", startMs: 0, ms: earMs, budgetMs, over: over(earMs, budgetMs) });
  const ends = rows.map((row) => row.startMs + Math.max(row.ms ?? 0, row.ms === null ? 0 : (row.budgetMs ?? 0)));
  return { rows, spanMs: Math.max(1, budgetMs ?? 0, ...ends) * 1.04 };
}

/** Whether a finished turn got no real reply: its wait is no number. */
export function unanswered(metrics) {
  return Boolean(metrics?.spoken) && ["apology", "failed"].includes(metrics.outcome);
}

/** What p percent of these waits do not exceed (nearest rank); null without any, Infinity where no reply came. */
export function percentile(waits, p) {
  const sorted = [...waits].sort((one, other) => one - other);
  return sorted.length ? sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)] : null;
}

function over(ms, budgetMs) {
  return ms !== null && budgetMs !== null && ms > budgetMs;
}

export class Waterfall {
  constructor() {
    this._turns = []; // {key, turn, metrics, earMs}
    this._waits = []; // voice-to-voice of the spoken turns; Infinity without a reply
    this._budgets = {};
    this._chosen = null; // null: the newest
  }

  set budgets(budgets) {
    this._budgets = budgets;
  }

  /** A new session begins: its turns are counted anew. */
  clear() {
    this._turns = [];
    this._waits = [];
    this._chosen = null;
    byId("latency").hidden = true;
    byId("latency-empty").hidden = false;
    byId("latency-turn").textContent = "";
  }

  /** The reply of a turn became audible. */
  ear(epoch, turn, earMs) {
    this._entry(epoch, turn).earMs = earMs;
    this._draw();
  }

  /** A turn is finished. */
  metrics(epoch, metrics) {
    this._entry(epoch, metrics.turn).metrics = metrics;
    const wait = unanswered(metrics) ? Infinity : metrics.voice_to_voice_ms;
    if (metrics.spoken && wait !== null) this._waits = [...this._waits, wait].slice(-MAX_FIGURES);
    this._draw();
  }

  /** Shows the stages of a turn; nothing where it has left the history. */
  choose(key) {
    if (!this._turns.some((entry) => entry.key === key)) return;
    this._chosen = key === this._turns.at(-1).key ? null : key;
    this._draw();
    byId("latency-section").scrollIntoView({ block: "nearest" });
  }

  _entry(epoch, turn) {
    const key = `${epoch}.${turn}`;
    let entry = this._turns.find((known) => known.key === key);
    if (!entry) {
      entry = { key, turn, metrics: null, earMs: null };
      this._turns.push(entry);
      if (this._turns.length > MAX_TURNS) this._turns.shift();
    }
    return entry;
  }

  _draw() {
    const shown = this._turns.find((entry) => entry.key === this._chosen) ?? this._turns.at(-1);
    byId("latency-empty").hidden = true;
    byId("latency").hidden = false;
    this._drawHistory(shown);
    const { rows, spanMs } = layout(shown.metrics, this._budgets, shown.earMs);
    byId("latency-turn").textContent = `turn ${shown.turn}`;
    this._drawAxis(spanMs);
    byId("waterfall").replaceChildren(...rows.map((row) => this._row(row, spanMs)));
    byId("latency-note").textContent = note(shown.metrics, this._budgets);
    byId("percentiles").textContent = spread(this._waits);
    const trace = shown.metrics?.trace_id;
    byId("trace-row").hidden = !trace;
    if (trace) copies(byId("trace-id"), trace, "trace id");
  }

  _drawAxis(spanMs) {
    const budget = this._budgets.voice_to_voice;
    const near = budget / spanMs < NEAR; // its label would lie over that of the beginning
    const ticks = [near ? undefined : 0, budget].filter((ms) => ms !== undefined);
    const labels = ticks.map((ms) => {
      const label = el("span", { text: whole(ms) });
      label.style.left = `${(ms / spanMs) * 100}%`;
      return label;
    });
    byId("axis").replaceChildren(...labels);
  }

  _row({ name, startMs, ms, budgetMs, over: isOver }, spanMs) {
    const track = el("div", { class: "track" });
    const bar = (kind, from, length) => {
      const node = el("div", { class: kind });
      node.style.left = `${(from / spanMs) * 100}%`;
      node.style.width = `${(length / spanMs) * 100}%`;
      track.append(node);
    };
    if (ms !== null) {
      if (budgetMs !== null) bar("budget", startMs, budgetMs);
      bar("spent", startMs, isOver ? budgetMs : ms);
      if (isOver) bar("excess", startMs + budgetMs, ms - budgetMs);
    }
    const meaning = TERMS[ROWS[name] ?? name].text;
    const total = this._budgets.voice_to_voice;
    if (total) bar("limit", total, 0);
    return el(
      "tr",
      { class: `${isOver ? "over" : ""} ${STAGES.includes(name) ? "" : "whole"}` },
      el("th", { scope: "row", title: meaning }, name, el("span", { class: "sr", text: `, ${meaning}` })),
      el("td", { class: "bars", "aria-hidden": "true" }, track),
      el(
        "td",
        { class: "figure" },
        ms === null ? "–" : whole(ms),
        el("span", { class: "sr", text: isOver ? " over" : "" }),
      ),
      el("td", { class: "figure of", text: budgetMs === null ? "" : whole(budgetMs) }),
    );
  }

  _drawHistory(shown) {
    const budget = this._budgets.voice_to_voice ?? 1500;
    const figure = (entry) => (unanswered(entry.metrics) ? null : (entry.metrics?.voice_to_voice_ms ?? entry.earMs));
    const most = Math.max(budget * 1.25, ...this._turns.map((entry) => figure(entry) ?? 0));
    const bars = this._turns.map((entry) => {
      const ms = figure(entry);
      const lost = unanswered(entry.metrics);
      const bar = el("span", { class: lost || ms > budget ? "bar over" : "bar" });
      bar.style.height = lost ? "100%" : `${((ms ?? 0) / most) * 100}%`;
      const measured = ms === null ? "not measured" : `${whole(ms)} ms${ms > budget ? ", over budget" : ""}`;
      const said = lost ? "no reply" : measured;
      return el(
        "button",
        {
          type: "button",
          "data-key": entry.key,
          "aria-pressed": String(entry === shown),
          "aria-label": `Turn ${entry.turn}: ${said}`,
          onclick: () => this.choose(entry.key),
        },
        el("span", { class: "plot" }, bar),
        el("span", { class: "number", "aria-hidden": "true", text: entry.turn }),
      );
    });
    const history = byId("history");
    const left = history.scrollLeft;
    const focused = history.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    history.style.setProperty("--limit", `${(budget / most) * 100}%`);
    history.replaceChildren(...bars);
    // New bars take the old ones' place: the focus stays where it was, the newest bar in sight unless another is
    // looked at.
    const next = focused === null ? null : (bars.find((bar) => bar.dataset.key === focused) ?? bars[0]);
    next?.focus({ preventScroll: true });
    history.scrollLeft = this._chosen === null ? history.scrollWidth : left;
  }
}

/** The waits of a session in one line. */
function spread(waits) {
  if (waits.length === 0) return "";
  const say = (p) => {
    const ms = percentile(waits, p);
    return `p${p} ${ms === Infinity ? "no reply" : `${whole(ms)} ms`}`;
  };
  return `${say(50)} · ${say(95)} · ${waits.length} spoken ${waits.length === 1 ? "turn" : "turns"}`;
}

/** One sentence below the figures. */
function note(metrics, budgets) {
  if (metrics === null) return "The reply plays; the stages are known when it has ended.";
  if (!metrics.spoken) return "A typed turn: it has no voice-to-voice time.";
  if (unanswered(metrics)) return "No reply: that is over every budget.";
  if (metrics.voice_to_voice_ms === null) return `Nothing was audible of this turn (${metrics.outcome}).`;
  const overall = metrics.voice_to_voice_ms > budgets.voice_to_voice;
  const stages = metrics.over_budget.filter((name) => name !== "voice_to_voice");
  const where = stages.length ? `: ${stages.join(", ")}` : "";
  if (overall) return `Over the budget of ${whole(budgets.voice_to_voice)} ms${where}.`;
  return stages.length ? `Within budget as a whole; over in ${stages.join(", ")}.` : "Within every budget.";
}
