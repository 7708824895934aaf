/**
 * Says a sample call: its clips go through the worklet of the microphone, one after another, each when the reply to the
 * one before has ended, or at its place in that reply.
 */

const GAP_MS = 700; // from the end of a reply to the caller's next words
const PATIENCE_MS = 20_000; // without any reply

/** What became of a call. */
export class NoReplyError extends Error {}

export class SampleCaller {
  /**
   * @param {import("./client.js").VoiceClient} client open, with audio
   * @param {() => boolean} greeted whether the agent's greeting is over, where it has one
   */
  constructor(client, greeted = () => true) {
    this._client = client;
    this._greeted = greeted;
    /** Voice-to-voice of the replies so far, in ms. @type {number[]} */
    this.times = [];
    this._stop = new AbortController();
    this._newest = 0; // turn of the newest transcript
    this._heard = 0; // transcripts so far
    this._measured = new Set();
    this._audible = 0; // turn of the newest audible reply
    this._waiting = new Set();
  }

  /** Whether it was stopped, or its call has ended. */
  get stopped() {
    return this._stop.signal.aborted;
  }

  /** Says no more; `run` settles. */
  stop() {
    this._stop.abort();
    this._client.audio?.stopClip();
    this._changed();
  }

  /**
   * @param {{lines: {url: string, text: string, into_reply_ms: number | null}[]}} call
   * @returns {Promise<boolean>} whether all was said and answered
   * @throws {NoReplyError} when the agent stays silent
   */
  async run(call) {
    const client = this._client;
    const listening = { signal: this._stop.signal };
    client.addEventListener("transcript.final", ({ detail }) => {
      this._newest = detail.turn;
      this._heard += 1;
      this._changed();
    }, listening);
    const onMetrics = ({ detail }) => {
      this._measured.add(detail.turn);
      if (detail.spoken && detail.voice_to_voice_ms != null) this.times.push(detail.voice_to_voice_ms);
      this._changed();
    };
    client.addEventListener("turn.metrics", onMetrics, listening);
    // who comes back is not greeted again: what was cut off of the greeting is not waited for
    client.addEventListener("session.ready", () => this._changed(), listening);
    client.addEventListener("playback", ({ detail }) => {
      if (detail.event === "started") this._audible = detail.turn;
      this._changed();
    }, listening);
    client.audio.clips = true;
    try {
      for (const line of call.lines) {
        if (this.stopped) return false;
        await this._say(line);
      }
      await this._until(() => this._quiet());
      return !this.stopped;
    } finally {
      if (client.audio) client.audio.clips = false;
      this._stop.abort();
    }
  }

  async _say({ url, text, into_reply_ms: into }) {
    const clip = await (await fetch(url)).arrayBuffer();
    if (into === null) {
      await this._until(() => this._quiet());
      await this._pass(GAP_MS);
    } else {
      await this._until(() => this._audible === this._newest || this._quiet());
      await this._pass(into);
    }
    if (this._stop.signal.aborted) return;
    const before = this._heard;
    await this._client.audio.playClip(clip);
    if (text) await this._until(() => this._heard > before);
  }

  /** Whether nothing is owed to the caller. */
  _quiet() {
    return this._newest === 0 ? this._greeted() : this._measured.has(this._newest);
  }

  _changed() {
    for (const check of this._waiting) check();
  }

  _pass(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this._stop.signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
    });
  }

  /** Waits until something holds; gives up when nothing has happened for a while. */
  _until(holds) {
    return new Promise((resolve, reject) => {
      let late;
      const settle = (how) => {
        clearTimeout(late);
        this._waiting.delete(check);
        how();
      };
      const check = () => {
        clearTimeout(late);
        late = setTimeout(() => settle(() => reject(new NoReplyError("no reply came for 20 s"))), PATIENCE_MS);
        if (this._stop.signal.aborted || holds()) settle(resolve);
      };
      this._waiting.add(check);
      check();
    });
  }
}
