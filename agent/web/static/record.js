/** What can be taken along: the transcript, and the events. Pure, and bounded. */

const MAX_TURNS = 1000;
const MAX_EVENTS = 1000;
/** Events that come many times a second are left out; a resume token opens the session, so it is never kept. */
export const LOGGED = [
  "state", "session.ready", "connection", "microphone", "muted", "recogniser", "typed", "transcript.final",
  "reply.text", "filler", "audio.start", "audio.end", "audio.pause", "audio.resume", "audio.clear", "speech.browser",
  "listen.browser", "playback", "degraded", "recovered", "echo", "text.show", "transfer", "turn.metrics",
  "session.cost", "error", "session.end",
];
const SECRET = new Set(["resume_token", "token"]);

export class Transcript {
  constructor() {
    this._turns = new Map();
  }

  get size() {
    return this._turns.size;
  }

  /** Takes an event of the client. */
  take(type, detail) {
    switch (type) {
      case "transcript.final":
        Object.assign(this._turn(detail), { caller: detail.text, spoken: detail.spoken });
        break;
      case "reply.text":
        this._turn(detail).clauses.push(detail.text);
        break;
      case "audio.clear":
        this._turn(detail).heard = detail.heard;
        break;
      case "text.show":
        if (this._latest) this._latest.notes.push(detail.text);
        break;
      case "turn.metrics": {
        const { outcome, model, answered_by, rule, voice_to_voice_ms, stages, trace_id } = detail;
        this._turn(detail).metrics = { outcome, model, answered_by, rule, voice_to_voice_ms, stages, trace_id };
        break;
      }
      default:
    }
  }

  /** The turns as plain objects: `agent` is what the reply says, `heard` what was heard of one that was cut off. */
  turns() {
    return [...this._turns.values()].map(({ clauses, heard, ...turn }) => ({
      ...turn,
      agent: clauses.join(" "),
      ...(heard !== null && { heard }),
    }));
  }

  text() {
    const said = this.turns().map(({ caller, agent, heard, notes }) => {
      const cut = heard === undefined ? "" : ` [heard: ${heard || "nothing"}]`;
      const words = [caller && `Caller: ${caller}`, agent && `Agent: ${agent}${cut}`];
      const lines = [...words, ...notes.map((note) => `Note: ${note}`)];
      return lines.filter(Boolean).join("\n");
    });
    return `${said.filter(Boolean).join("\n\n")}\n`;
  }

  /** @param {object} session what is known of the session */
  json(session) {
    return JSON.stringify({ ...session, turns: this.turns() }, null, 2);
  }

  _turn({ epoch, turn }) {
    const key = `${epoch}.${turn}`;
    if (!this._turns.has(key)) {
      const at = new Date().toISOString();
      const said = { caller: null, spoken: null, clauses: [], heard: null };
      this._turns.set(key, { epoch, turn, at, ...said, notes: [], metrics: null });
      if (this._turns.size > MAX_TURNS) this._turns.delete(this._turns.keys().next().value);
    }
    this._latest = this._turns.get(key);
    return this._latest;
  }
}

export class EventLog {
  constructor() {
    this.entries = []; // {at, type, detail}, the oldest first
    this.count = 0;
  }

  /** Takes an event of the client; gives its entry, or null for one that is not kept. */
  take(type, detail) {
    if (detail?.event === "position" || detail?.event === "progress") return null;
    const told = Object.entries(detail ?? {}).filter(([name]) => !SECRET.has(name) && name !== "type");
    const entry = { at: new Date().toISOString(), type, ...Object.fromEntries(told) };
    this.entries.push(entry);
    this.count += 1;
    if (this.entries.length > MAX_EVENTS) this.entries.shift();
    return entry;
  }

  /** One JSON object a line. */
  lines() {
    return this.entries.map((entry) => JSON.stringify(entry)).join("\n") + "\n";
  }
}

/** `{turn: 3, text: "…"}` → `turn 3 · …`, for one line of the list. */
export function summary({ at: _at, type: _type, epoch: _epoch, ...fields }) {
  const said = Object.entries(fields)
    .filter(([, value]) => value !== null && typeof value !== "object")
    .map(([name, value]) => `${name} ${value}`);
  return said.join(" · ");
}
