/**
 * A client of the session protocol `voice-agent.v1` (docs/protocol.md) for browsers: plain ES modules, no dependency.
 *
 *     const client = new VoiceClient();
 *     client.addEventListener("transcript.final", ({ detail }) => console.log("caller:", detail.text));
 *     client.addEventListener("reply.text", ({ detail }) => console.log("agent:", detail.text));
 *     button.onclick = async () => {
 *       await client.openAudio();       // in the handler of a click or key
 *       await client.connect();
 *       await client.openMicrophone();  // the browser asks the user; without it, client.sendText("Hello")
 *     };
 *
 * Every message of the server is an event of its type; `detail` is the message with `epoch`, which grows
 * when turn numbers begin again: with a new session, and when another process goes on with one. `reply.text` also has
 * `startMs`, where on the reply's time axis the clause begins. The client adds these events:
 *
 *     state       {state, reason}     "idle", "connecting", "open", "reconnecting", "ended"
 *     playback    {epoch, turn, event, playedMs, clause, earMs}   what was played, as it was reported to the server,
 *                                     and `position` in between
 *     level       {level, speaking}   of the microphone, every 20 ms; level is an RMS, 0 to 1
 *     microphone  {open, lost}        lost when it went away by itself
 *     recognised  {text}              words so far of the browser's own recogniser
 *     recogniser  {running, reason}   whether the browser's own recogniser runs
 *     muted       {on}                an open microphone is held silent
 *     connection  {roundTripMs, droppedFrames, underruns}   how the line is, every 5 s; null where it is not known
 *     typed       {waiting}           typed texts that the server has not taken yet; after a loss, see `sendAgain`
 */
import { AudioDevice } from "./audio.js";
import { BrowserRecogniser, BrowserVoice } from "./browser-speech.js";
import { Connection } from "./connection.js";
import { Replies } from "./replies.js";

export { VoiceError } from "./connection.js";

const MAX_WAITING = 20; // typed texts
const MAX_BUFFERED = 64_000; // bytes of microphone audio (2 s) that may wait for the network; newer frames are dropped

export class VoiceClient extends EventTarget {
  /**
   * @param {object} [options]
   * @param {string} [options.baseUrl] origin of the service; the page's own when empty
   * @param {string | null} [options.apiKey] opens premium sessions; a membership cookie does so without
   * @param {string | null} [options.agent] who answers; the usual agent when left out
   * @param {Record<string, string | number | boolean> | null} [options.variables] what fills the places of its prompt
   * @param {string} [options.name] name and version of your client, at most 64 characters, for the server's log
   */
  constructor({ baseUrl = "", apiKey = null, agent = null, variables = null, name = "voice-agent-js/1" } = {}) {
    super();
    this._name = name;
    this._line = new Connection(
      { baseUrl, apiKey, agent, variables },
      {
        start: () => this._start(),
        message: (message) => this._take(message),
        audio: (pcm) => this._replies.audio(pcm),
        state: (state, reason) => this._stateChanged(state, reason),
      },
    );
    this._replies = new Replies(null, null, (report) => this._played(report));
    this._voice = null;
    this._recogniser = null;
    this._sound = { microphone: "", speaker: "", echoCancellation: true, volume: 1 };
    this._lastVoiced = null;
    this._voiced = null; // when the caller's last voiced sample was spoken, in the audio context's seconds
    this._newestTurn = 0;
    this._waiting = []; // typed texts that the server has not taken
    this._speechEnded = null; // the same, of the turn whose reply is awaited
    /** @type {AudioDevice | null} */
    this.audio = null;
    /** The last `session.ready`. @type {object | null} */
    this.session = null;
    /** Grows when turn numbers begin again. */
    this.epoch = 0;
    /** Frames of the microphone that a slow network made the client drop. */
    this.droppedFrames = 0;
  }

  /** "idle", "connecting", "open", "reconnecting" or "ended". */
  get state() {
    return this._line.state;
  }

  /** Who answers the next session; null: the usual agent. @type {string | null} */
  get agent() {
    return this._line.agent;
  }

  set agent(name) {
    this._line.agent = name;
  }

  // Audio

  /**
   * Chooses devices and volume, now and for audio that is opened later; what is left out stays.
   *
   * @param {{microphone?: string, speaker?: string, echoCancellation?: boolean, volume?: number}} sound `deviceId`s,
   *   empty: the usual one; volume 0 to 1
   * @throws {DOMException} `NotFoundError`, `OverconstrainedError` when a device is gone
   */
  async useSound(sound) {
    this._sound = { ...this._sound, ...sound };
    if (!this.audio?.use) return;
    const { microphone: open } = this.audio;
    await this.audio.use(this._sound).finally(() => {
      if (open && !this.audio?.microphone) this._emit("microphone", { open: false, lost: true });
    });
  }

  /** Whether an open microphone is held silent: the call goes on, and the agent is still heard. */
  get muted() {
    return this.audio?.muted ?? false;
  }

  mute(on) {
    if (!this.audio?.microphone || this.audio.muted === on) return;
    this.audio.muted = on;
    this._emit("muted", { on });
  }

  /**
   * Opens the loudspeaker and finds the browser's own voice. Call it before `connect`, in the handler of a click or
   * key.
   *
   * @param {AudioDevice} [device]
   * @throws {DOMException} where the browser has no audio; the client then works with text
   */
  async openAudio(device) {
    if (this.audio !== null) return;
    this._opening ??= Promise.all([device ?? AudioDevice.open(), BrowserVoice.find()]);
    try {
      [this.audio, this._voice] = await this._opening;
    } finally {
      this._opening = null;
    }
    this.audio.onlost = () => this._emit("microphone", { open: false, lost: true });
    this.audio.onframe = (frame) => this._frame(frame);
    this._replies = new Replies(this.audio, this._voice, (report) => this._played(report));
    await this.useSound({}).catch(() => {}); // a device that is gone: the usual one is in use
  }

  /**
   * Opens the microphone; with `muted`, nothing of it is sent until `mute(false)`.
   *
   * @param {{muted?: boolean}} [how]
   * @throws {DOMException} `NotAllowedError` when the user refused, `NotFoundError` without a microphone
   */
  async openMicrophone({ muted = false } = {}) {
    await this.openAudio();
    if (!this.audio.microphone) this.audio.muted = muted;
    await this.audio.openMicrophone();
    this._emit("microphone", { open: true, lost: false });
  }

  closeMicrophone() {
    if (!this.audio?.microphone) return;
    this.audio.closeMicrophone();
    this._emit("microphone", { open: false, lost: false });
  }

  /**
   * Uses the browser's own recogniser, after `listen.browser`. Ask the user first: most browsers send audio to their
   * maker.
   */
  startRecogniser() {
    if (this._recogniser !== null) return;
    this._recogniser = new BrowserRecogniser({
      onpartial: (text) => this._emit("recognised", { text }),
      onfinal: (text) => this.sendText(text, { spoken: true }),
      onerror: (reason) => this._recogniserEnded(reason),
    });
    void this._recogniser.start();
    this._emit("recogniser", { running: true, reason: null });
  }

  /** Whether the browser's own recogniser runs. */
  get recognising() {
    return this._recogniser !== null;
  }

  stopRecogniser() {
    if (this._recogniser === null) return;
    this._recogniser.stop();
    this._recogniserEnded(null);
  }

  // The session

  /**
   * Gets a token and opens a session, in the sandbox with a `policy` of choice; settles when the server is ready.
   *
   * @param {{policy?: string | null}} [how]
   * @throws {VoiceError} when the server refuses, with its reason
   * @throws {TypeError} when nothing answers
   */
  async connect({ policy = null } = {}) {
    await this._line.connect(policy);
  }

  /**
   * Sends a typed turn.
   *
   * @param {string} text 1 to 2,000 characters
   * @param {{spoken?: boolean}} [how] `spoken` when a recogniser of this side heard it
   * @returns {boolean} false while there is no connection: keep the text and send it again
   */
  sendText(text, { spoken = false } = {}) {
    if (!this._line.send({ type: "text", text, spoken })) return false;
    if (!spoken) this._wait([...this._waiting, text].slice(-MAX_WAITING));
    return true;
  }

  /**
   * Sends the typed texts again that the server has not taken. Ask the user first, after a loss: the line may have
   * brought them, and lost the answer.
   */
  sendAgain() {
    for (const text of this._waiting) this._line.send({ type: "text", text, spoken: false });
  }

  /** Ends the session. */
  hangUp() {
    if (!this._line.send({ type: "hangup" })) this._line.drop();
  }

  /** Ends the session and gives microphone and loudspeaker back. */
  async close() {
    this.hangUp();
    this.stopRecogniser();
    this._replies.clear();
    const audio = this.audio;
    this.audio = null;
    this._voice = null;
    this._replies = new Replies(null, null, (report) => this._played(report));
    await audio?.close();
  }

  _start() {
    const capabilities = {
      browser_speech: this._voice !== null,
      browser_recogniser: BrowserRecogniser.available,
      playback_reports: this.audio !== null,
    };
    return { type: "start", capabilities, client: this._name };
  }

  _stateChanged(state, reason) {
    if (state === "reconnecting" || state === "ended") this._replies.clear();
    this._emit("state", { state, reason });
    if (state === "ended") this._wait([]);
  }

  /** Does what a message asks for, then tells the page. */
  _take(message) {
    let told = message;
    switch (message.type) {
      case "session.ready":
        if (!message.resumed) {
          this.epoch += 1;
          this._newestTurn = 0;
        }
        this.session = message;
        break;
      case "ping":
        this._line.send({ type: "pong", id: message.id });
        this._emit("connection", {
          roundTripMs: message.round_trip_ms ?? null,
          droppedFrames: this.droppedFrames,
          underruns: this._replies.underruns,
        });
        return;
      case "transcript.final":
        if (message.turn <= this._newestTurn) this.epoch += 1; // another process goes on with the session
        this._newestTurn = message.turn;
        this._speechEnded = message.spoken ? this._voiced : null;
        if (!message.spoken) this._taken(message.text);
        break;
      case "reply.text":
        told = { ...message, startMs: this._replies.text(message.turn) };
        break;
      case "audio.start":
        this._replies.text(message.turn);
        break;
      case "audio.end":
        this._replies.complete(message.turn);
        break;
      case "audio.pause":
        this._replies.pause(message.turn);
        break;
      case "audio.resume":
        this._replies.resume(message.turn);
        break;
      case "audio.clear":
        this._replies.clear(message.turn);
        break;
      case "speech.browser":
        this._replies.speak(message.turn, message.clause, message.text);
        break;
      default:
    }
    this._emit(message.type, { ...told, epoch: this.epoch });
  }

  /** The server made a turn of a typed text, and of those before it. */
  _taken(text) {
    const place = this._waiting.findIndex((waiting) => waiting.trim() === text.trim());
    if (place >= 0) this._wait(this._waiting.slice(place + 1));
  }

  _wait(waiting) {
    if (waiting.length === 0 && this._waiting.length === 0) return;
    this._waiting = waiting;
    this._emit("typed", { waiting: [...waiting] });
  }

  // What comes from the audio

  _frame({ pcm, level, speaking, lastVoiced }) {
    if (lastVoiced !== this._lastVoiced) {
      this._lastVoiced = lastVoiced;
      this._voiced = lastVoiced - this.audio.inputLatency;
    }
    this._emit("level", { level, speaking });
    if (this._line.buffered > MAX_BUFFERED) this.droppedFrames += 1;
    else this._line.send(pcm);
  }

  _played({ event, turn, playedMs, clause, time }) {
    let earMs = null;
    if (event === "started" && time !== null && this._speechEnded !== null) {
      const latency = clause === null ? this.audio.outputLatency : 0;
      earMs = Math.round((time + latency - this._speechEnded) * 1000);
      this._speechEnded = null;
    }
    if (event !== "position") {
      const playedTenths = Math.round(playedMs * 10) / 10;
      this._line.send({ type: "playback", turn, event, played_ms: playedTenths, clause, ear_ms: earMs });
    }
    this._emit("playback", { epoch: this.epoch, turn, event, playedMs, clause, earMs });
  }

  _recogniserEnded(reason) {
    this._recogniser = null;
    this._emit("recogniser", { running: false, reason });
  }

  _emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
