/**
 * The replies' jitter buffer: PCM s16le mono 16 kHz in, samples at the hardware rate out, and exact reports of what
 * was played. It runs inside the playback worklet and knows nothing of it, so that it can be tested without one.
 *
 * One reply is held at a time. It starts when `PREBUFFER_MS` have arrived (or its end, or `MAX_WAIT_MS` after its
 * first audio), and after it ran dry when `REBUFFER_MS` have. Stopping is a fade of 5 ms: instant to the ear, without a
 * click.
 */
import { Resampler } from "./resampler.js";

export const RATE = 16000;
const PREBUFFER_MS = 40;
const REBUFFER_MS = 80;
const MAX_WAIT_MS = 60;
const FADE_MS = 5;
const POSITION_MS = 100;
const MAX_BUFFER_MS = 120_000; // audio that waits to be played; what goes beyond is dropped and reported
const BLOCK = 320; // samples that are resampled at a time

export class PlayBuffer {
  /**
   * @param {number} rate hardware sample rate, Hz
   * @param {(report: {event: string, turn: number, playedMs: number, frame: number}) => void} report gets `started`,
   *   `position` (ten times a second), `paused`, `resumed`, `drained` (ran dry), `cleared`, `finished` and `overflow`;
   *   `frame` counts hardware samples on the clock that `render` is given
   */
  constructor(rate, report) {
    this._rate = rate;
    this._report = report;
    this._step = 1 / Math.max(1, (FADE_MS * rate) / 1000);
    this._reset(null);
  }

  /** A reply begins; whatever an earlier one had left is dropped. */
  begin(turn) {
    if (this._turn !== null) this._tell("cleared");
    this._reset(turn);
  }

  /** Audio of the reply: Int16Array, 16 kHz mono. */
  push(pcm) {
    if (this._turn === null || this._clearing) return;
    if ((this._waiting + pcm.length) * 1000 > MAX_BUFFER_MS * RATE) {
      this._tell("overflow");
      return;
    }
    this._chunks.push(pcm);
    this._waiting += pcm.length;
    this._received += pcm.length;
    this._ended = false;
  }

  /** No more audio comes. */
  end() {
    this._ended = true;
  }

  /** Stops the sound and keeps what is buffered. */
  pause() {
    if (this._turn === null || this._held) return;
    this._held = true;
    if (this._gain === 0 || !this._sounding) this._tell("paused");
  }

  /** Plays on. */
  resume() {
    if (this._turn === null || !this._held) return;
    this._held = false;
    this._tell("resumed");
  }

  /** Stops the sound and forgets what is buffered. */
  clear() {
    if (this._turn === null) return;
    this._clearing = true;
    if (this._gain === 0 || !this._sounding) this._cleared();
  }

  /** The caller's voice was heard: holds a reply that sounds. */
  voice() {
    if (this._sounding) this.pause();
  }

  /** Audio of the reply that was played, in milliseconds. */
  get playedMs() {
    return (Math.min(this._received, (this._played * RATE) / this._rate) * 1000) / RATE;
  }

  /**
   * Fills one block of output.
   *
   * @param {Float32Array} out
   * @param {number} frame the clock at the block's first sample, in hardware samples
   */
  render(out, frame) {
    this._frame = frame;
    out.fill(0);
    if (this._turn === null) return;
    if (!this._sounding && !this._mayStart(out.length)) return;
    for (let i = 0; i < out.length && this._turn !== null; i += 1) {
      this._frame = frame + i;
      if (!this._sample(out, i)) return;
    }
  }

  /** Puts one sample out; false when there is none to put. */
  _sample(out, i) {
    const wanted = this._held || this._clearing ? 0 : 1;
    if (wanted === 0 && this._gain === 0) return false;
    if (this._at >= this._ready.length && !this._refill()) {
      this._ranDry();
      return false;
    }
    if (this._played === 0) this._tell("started");
    this._gain = wanted > this._gain ? Math.min(1, this._gain + this._step) : Math.max(wanted, this._gain - this._step);
    out[i] = this._ready[this._at] * this._gain;
    this._at += 1;
    this._played += 1;
    if (this._played >= this._tellAt) {
      this._tellAt = this._played + (POSITION_MS * this._rate) / 1000;
      this._tell("position");
    }
    if (this._gain > 0) return true;
    if (this._clearing) this._cleared();
    else this._tell("paused");
    return false;
  }

  /** Whether enough has arrived to begin, or to go on after running dry. */
  _mayStart(frames) {
    if (this._clearing || this._held || this._finished()) return false;
    if (this._waiting === 0 && !(this._ended && this._received > 0)) return false;
    this._waited += (frames * 1000) / this._rate;
    const needed = this._played === 0 ? PREBUFFER_MS : REBUFFER_MS;
    const enough = (this._waiting * 1000) / RATE >= needed || this._ended || this._waited > MAX_WAIT_MS;
    if (enough) {
      this._sounding = true;
      this._waited = 0;
    }
    return enough;
  }

  _refill() {
    this._at = 0;
    while (this._chunks.length > 0) {
      const chunk = this._chunks[0];
      const part = chunk.subarray(this._offset, this._offset + BLOCK);
      const block = this._block.subarray(0, part.length);
      for (let i = 0; i < part.length; i += 1) block[i] = part[i] / 32768;
      this._offset += part.length;
      this._waiting -= part.length;
      if (this._offset >= chunk.length) {
        this._chunks.shift();
        this._offset = 0;
      }
      this._ready = this._resampler.push(block);
      if (this._ready.length > 0) return true;
    }
    if (this._ended && !this._flushed) {
      this._flushed = true;
      this._ready = this._resampler.flush();
      return this._ready.length > 0;
    }
    this._ready = this._none;
    return false;
  }

  _ranDry() {
    this._sounding = false;
    if (this._clearing) this._cleared();
    else if (!this._finished()) this._tell(this._held ? "paused" : "drained");
  }

  _finished() {
    const played = this._waiting === 0 && this._at >= this._ready.length;
    const over = this._ended && played && (this._flushed || this._received === 0);
    if (over) {
      this._tell("finished");
      this._reset(null);
    }
    return over;
  }

  _cleared() {
    this._tell("cleared");
    this._reset(null);
  }

  _tell(event) {
    this._report({ event, turn: this._turn, playedMs: this.playedMs, frame: this._frame ?? 0 });
  }

  _reset(turn) {
    this._turn = turn;
    this._chunks = [];
    this._offset = 0; // samples of the first chunk that were taken
    this._waiting = 0; // samples that arrived and were not taken yet
    this._received = 0;
    this._played = 0; // hardware samples
    this._tellAt = 0;
    this._ended = false;
    this._flushed = false;
    this._held = false;
    this._clearing = false;
    this._sounding = false;
    this._waited = 0;
    this._gain = 1;
    this._none = new Float32Array(0);
    this._ready = this._none;
    this._at = 0;
    this._block = new Float32Array(BLOCK);
    this._resampler = new Resampler(RATE, this._rate);
  }
}
