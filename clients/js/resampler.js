/**
 * Changes the sample rate of a stream, block by block: a windowed sinc filter with one set of taps for each phase
 * of the ratio (polyphase), so that it costs the same for 48,000 → 16,000 Hz as for 44,100 → 16,000 Hz.
 *
 * Used inside the audio worklets: it allocates nothing while it runs at a steady block size.
 */

const ZERO_CROSSINGS = 16; // on each side of a tap's centre: passband to 0.9 of the lower Nyquist, images below -60 dB
const CUTOFF = 0.94; // of the lower Nyquist frequency

function gcd(a, b) {
  return b === 0 ? a : gcd(b, a % b);
}

/** The Blackman window at x in -1…1. */
function blackman(x) {
  return 0.42 + 0.5 * Math.cos(Math.PI * x) + 0.08 * Math.cos(2 * Math.PI * x);
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

export class Resampler {
  /**
   * @param {number} from sample rate of the input, Hz
   * @param {number} to sample rate of the output, Hz
   */
  constructor(from, to) {
    const common = gcd(from, to);
    this._up = to / common;
    this._down = from / common;
    const scale = Math.min(1, to / from) * CUTOFF;
    this._half = Math.ceil(ZERO_CROSSINGS / Math.min(1, to / from));
    this._taps = this._phases(scale);
    this._history = new Float32Array(2 * this._half);
    this._work = new Float32Array(0);
    this._out = new Float32Array(0);
    this._phase = 0;
    this._skip = this._half + 1; // input until the first output's centre has its whole right side
    /** How long a sample stays inside, in seconds. */
    this.delay = this._half / from;
  }

  /**
   * Takes input samples, gives the output samples that they complete.
   *
   * @param {Float32Array} input samples in -1…1
   * @returns {Float32Array} a view that is valid until the next call
   */
  push(input) {
    const width = 2 * this._half;
    const total = width + input.length;
    if (this._work.length < total) this._work = new Float32Array(total);
    const work = this._work;
    work.set(this._history);
    work.set(input, width);
    const most = Math.ceil((input.length * this._up) / this._down) + 1;
    if (this._out.length < most) this._out = new Float32Array(most);

    let count = 0;
    let at = this._skip; // the last input sample that the next output needs, counted from the end of the history
    while (at <= input.length) {
      const taps = this._taps[this._phase];
      let sum = 0;
      for (let k = 0; k < width; k += 1) sum += taps[k] * work[at + k];
      this._out[count] = sum;
      count += 1;
      this._phase += this._down;
      at += Math.floor(this._phase / this._up);
      this._phase %= this._up;
    }
    this._skip = at - input.length;
    this._history.set(work.subarray(input.length, total));
    return this._out.subarray(0, count);
  }

  /** What is still inside, as if silence followed. */
  flush() {
    return this.push(new Float32Array(this._half));
  }

  /** One set of taps for each phase; each set sums to 1, so that no phase is louder than another. */
  _phases(scale) {
    const width = 2 * this._half;
    return Array.from({ length: this._up }, (_, phase) => {
      const taps = new Float32Array(width);
      let sum = 0;
      for (let k = 0; k < width; k += 1) {
        const x = k - this._half + 1 - phase / this._up; // distance from the centre, in input samples
        taps[k] = Math.abs(x) < this._half ? sinc(x * scale) * blackman(x / this._half) : 0;
        sum += taps[k];
      }
      return taps.map((tap) => tap / sum);
    });
  }
}
