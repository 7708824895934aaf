/**
 * What the call is doing at this moment, from the client's events; pure, so that it can be tested without a page.
 *
 * Of several things that hold at once the one that the caller has to know stands first: a lost line before a voice, a
 * voice before a reply that waits, a reply before silence.
 */

export const STATES = {
  idle: "Not connected",
  connecting: "Connecting",
  reconnecting: "Reconnecting",
  hearing: "Hearing you",
  thinking: "Thinking",
  speaking: "Speaking",
  paused: "Paused: is that you?",
  muted: "Muted",
  listening: "Listening",
  ready: "Ready for your text",
  ended: "Call ended",
};

export class CallState {
  constructor() {
    this._line = "idle";
    this._microphone = false;
    this._muted = false;
    this._recogniser = false;
    this._sample = false; // a sample caller speaks
    this._voice = false;
    this._owed = null; // turn whose reply is awaited
    this._playing = null; // turn whose reply sounds
    this._paused = false;
  }

  /** @returns {keyof STATES} */
  get name() {
    if (this._line !== "open") return this._line;
    if (this._playing !== null && this._paused) return "paused";
    if (this._voice && !this._muted) return "hearing";
    if (this._playing !== null) return "speaking";
    if (this._owed !== null) return "thinking";
    if (this._recogniser || this._sample) return "listening";
    if (!this._microphone) return "ready";
    return this._muted ? "muted" : "listening";
  }

  /**
   * Takes an event of the client.
   *
   * @returns {boolean} whether the name is another one now
   */
  take(type, detail) {
    const before = this.name;
    this._take(type, detail);
    return this.name !== before;
  }

  _take(type, detail) {
    switch (type) {
      case "state":
        this._line = detail.state;
        if (detail.state !== "open") this._quiet();
        break;
      case "microphone":
        this._microphone = detail.open;
        if (!detail.open) this._voice = this._muted = false;
        break;
      case "muted":
        this._muted = detail.on;
        if (detail.on) this._voice = false;
        break;
      case "recogniser":
        this._recogniser = detail.running;
        this._voice = false;
        break;
      case "sample":
        this._sample = detail.on;
        this._voice = false;
        break;
      case "level":
        this._voice = detail.speaking;
        break;
      case "recognised":
        this._voice = detail.text !== "";
        break;
      case "transcript.final":
        this._owed = detail.turn;
        if (this._recogniser) this._voice = false;
        break;
      case "reply.text":
        if (this._owed === null) this._owed = detail.turn; // a greeting
        break;
      case "playback":
        this._played(detail);
        break;
      case "audio.clear":
        if (this._playing === detail.turn) this._playing = null;
        break;
      case "turn.metrics":
        if (this._owed === detail.turn) this._owed = null;
        break;
      default:
    }
  }

  _played({ event, turn, clause }) {
    if (event === "cleared" || (event === "finished" && clause === null)) {
      if (this._playing === turn) this._playing = null;
      this._paused = false;
      if (this._owed === turn) this._owed = null;
      return;
    }
    this._playing = event === "finished" ? null : turn;
    this._paused = event === "paused";
  }

  _quiet() {
    this._voice = this._paused = false;
    this._owed = this._playing = null;
  }
}
