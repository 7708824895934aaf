/**
 * Plays the replies of one connection and tells what was really played of them.
 *
 * A reply is a row of segments: audio, which the device plays, and clauses that the browser speaks itself. They are
 * played one after another, on one time axis: that of the server, on which a clause that the browser speaks takes its
 * characters' time (docs/protocol.md).
 */

const BYTES_PER_MS = 32; // PCM s16le mono 16 kHz
const CHARACTERS_PER_S = 15; // of the browser's voice, as the server counts it
const UNCONFIRMED_MS = 500; // a voice that only this side heard: the reply goes on after this
const PROGRESS_MS = 200;

export class Replies {
  /**
   * @param {import("./audio.js").AudioDevice | null} device null: nothing is played
   * @param {import("./browser-speech.js").BrowserVoice | null} voice
   * @param {(report: {event: string, turn: number, playedMs: number, clause: number | null,
   *   time: number | null}) => void} report
   *   gets the events of `playback`, and `position` ten times a second; `time` is the device's, in seconds
   */
  constructor(device, voice, report) {
    this._device = device;
    this._voice = voice;
    this._report = report;
    this._reply = null;
    /** How often the sound ran dry within a reply. */
    this.underruns = 0;
    if (device) device.onreport = (told) => this._played(told);
  }

  /** Whether a reply is being played or expected. */
  get playing() {
    return this._reply !== null && !this._reply.over;
  }

  /** A reply begins or goes on. Gives the place on its time axis at which what comes next begins, in milliseconds. */
  text(turn) {
    return this._open(turn).receivedMs;
  }

  /** Audio of the newest reply: an ArrayBuffer; it is given away. */
  audio(pcm) {
    const reply = this._reply;
    if (reply === null || reply.over || this._device === null) return;
    reply.receivedMs += pcm.byteLength / BYTES_PER_MS;
    let segment = reply.segments.at(-1);
    if (segment?.kind !== "audio") {
      segment = { kind: "audio", waiting: [] };
      reply.segments.push(segment);
      if (reply.segments.length === 1) this._begin(reply);
    }
    if (segment.waiting === null) this._device.play(pcm);
    else segment.waiting.push(pcm);
  }

  /** The browser is to speak a clause itself. */
  speak(turn, clause, text) {
    const reply = this._open(turn);
    if (reply.over) return;
    const lengthMs = (Math.max(1, text.length) * 1000) / CHARACTERS_PER_S;
    reply.receivedMs += lengthMs;
    if (reply.segments.at(-1)?.waiting === null) this._device.end();
    reply.segments.push({ kind: "speech", clause, text, lengthMs });
    if (reply.segments.length === 1) this._begin(reply);
  }

  /** Everything of the reply was sent. */
  complete(turn) {
    const reply = this._reply;
    if (reply?.turn !== turn) return;
    reply.complete = true;
    if (reply.segments.at(-1)?.waiting === null) this._device.end();
    this._finishIfDone(reply);
  }

  /** The server heard a voice. */
  pause(turn) {
    const reply = this._find(turn);
    if (reply === null) return;
    clearTimeout(reply.unconfirmed);
    if (reply.paused) return;
    reply.paused = true;
    const active = reply.segments[0];
    if (active?.kind === "audio") this._device.pause();
    else {
      if (active?.speaking) this._voice.pause();
      this._tell(reply, "paused");
    }
  }

  /** The server found that the voice was noise. */
  resume(turn) {
    const reply = this._find(turn);
    if (reply === null) return;
    clearTimeout(reply.unconfirmed);
    reply.paused = false;
    const active = reply.segments[0];
    if (active?.kind === "audio") this._device.resume();
    else {
      this._tell(reply, "resumed");
      if (active?.speaking) this._voice.resume();
      else if (active) this._begin(reply);
    }
  }

  /** The caller took the turn, or the connection is gone: what is left is not played. */
  clear(turn = this._reply?.turn) {
    const reply = this._find(turn);
    if (reply === null) return;
    clearTimeout(reply.unconfirmed);
    reply.over = true;
    const active = reply.segments[0];
    reply.segments = [];
    if (active?.kind === "audio") {
      this._device.clear(); // it reports what was played
      return;
    }
    if (active?.kind === "speech") this._voice?.cancel();
    this._tell(reply, "cleared");
  }

  _find(turn) {
    return this.playing && this._reply.turn === turn ? this._reply : null;
  }

  _open(turn) {
    if (this._reply?.turn === turn) return this._reply;
    if (this._reply && !this._reply.over) this.clear(this._reply.turn);
    this._reply = {
      turn,
      segments: [],
      receivedMs: 0,
      beforeMs: 0, // length of the segments that are done
      reportedMs: 0,
      sounded: false,
      audio: false,
      paused: false,
      complete: false,
      over: false,
      unconfirmed: undefined,
    };
    return this._reply;
  }

  /** Begins the first segment. */
  _begin(reply) {
    const segment = reply.segments[0];
    if (segment.kind === "speech") {
      if (!reply.paused) this._say(reply, segment);
      return;
    }
    reply.audio = true;
    this._device.begin(reply.turn);
    if (reply.paused) this._device.pause();
    for (const pcm of segment.waiting) this._device.play(pcm);
    segment.waiting = null;
    if (reply.complete || reply.segments.length > 1) this._device.end();
  }

  _say(reply, segment) {
    const done = () => {
      if (reply.over) return;
      this._tell(reply, "finished", { clause: segment.clause });
      this._next(reply, segment.lengthMs);
    };
    if (this._voice === null) {
      done();
      return;
    }
    segment.speaking = true;
    this._voice.speak(segment.text, {
      onstart: () => {
        if (reply.over) return;
        const first = !reply.sounded;
        reply.sounded = true;
        this._tell(reply, "started", { clause: segment.clause, time: first ? this._now() : null });
      },
      onend: done,
      onerror: done, // its text is on the page; the call must go on
    });
  }

  _next(reply, lengthMs) {
    reply.beforeMs += lengthMs;
    reply.segments.shift();
    if (reply.segments.length > 0) this._begin(reply);
    else this._finishIfDone(reply);
  }

  _finishIfDone(reply) {
    if (!reply.complete || reply.over || reply.segments.length > 0) return;
    reply.over = true;
    if (reply.audio) this._tell(reply, "finished");
    else this._tell(reply, "position"); // the clauses were reported one by one
  }

  /** What the device tells of the audio segment that it plays. */
  _played({ event, turn, playedMs, time }) {
    const reply = this._reply;
    if (reply?.turn !== turn) return;
    const at = reply.beforeMs + playedMs;
    switch (event) {
      case "started": {
        const first = !reply.sounded;
        reply.sounded = true;
        this._tell(reply, first ? "started" : "progress", { playedMs: at, time: first ? time : null });
        break;
      }
      case "position":
        this._position(reply, at);
        break;
      case "paused":
        if (!reply.paused) this._expectConfirmation(reply);
        this._tell(reply, "paused", { playedMs: at });
        break;
      case "finished":
        if (!reply.over) this._next(reply, playedMs);
        break;
      case "resumed":
      case "cleared":
        this._tell(reply, event, { playedMs: at });
        break;
      case "drained":
        this.underruns += 1;
        break;
      default: // `overflow`: nothing that the server could use
    }
  }

  _position(reply, at) {
    if (at - reply.reportedMs >= PROGRESS_MS) {
      reply.reportedMs = at;
      this._tell(reply, "progress", { playedMs: at });
    } else this._tell(reply, "position", { playedMs: at });
  }

  /** The microphone's worklet held the sound by itself. The server may have heard nothing. */
  _expectConfirmation(reply) {
    clearTimeout(reply.unconfirmed);
    reply.unconfirmed = setTimeout(() => {
      if (!reply.paused && !reply.over) this._device.resume();
    }, UNCONFIRMED_MS);
  }

  _now() {
    return this._device?.context?.currentTime ?? null;
  }

  _tell(reply, event, { playedMs = reply.beforeMs, clause = null, time = null } = {}) {
    this._report({ event, turn: reply.turn, playedMs, clause, time });
  }
}
