/**
 * Does somebody speak, and when did the last voiced sound end? An energy gate above the tracked noise floor.
 *
 * The gate's figures are those of the server's detector (agent/core/audio.py and agent/turn/vad.py), so that both ends
 * mean the same moment by "the caller's end of speech". An onset needs fewer frames here: a false alarm costs a pause
 * of half a second, a late one costs the caller's patience.
 */

export const FRAME_SAMPLES = 320; // 20 ms at 16 kHz
const ONSET_FRAMES = 2; // voiced frames of the last three that make an onset: 40 ms
const ONSET_WINDOW = 3;
const RELEASE_FRAMES = 15; // unvoiced frames that end a voice: 300 ms
const MIN_RMS = 10 ** (-50 / 20); // -50 dBFS: below this nothing is voiced
const BELOW_PEAK = 10 ** (-35 / 20); // a frame 35 dB below the loudest of its utterance is not voiced
const ABOVE_NOISE = 10 ** (9 / 20); // voice is at least 9 dB above the noise floor
const FLOOR_RISE = 1.005; // per frame: a louder room is learnt in some seconds
const PEAK_DECAY = 0.97; // per frame: a loud moment is forgotten within some seconds of quieter speech

export class VoiceActivity {
  constructor() {
    this._floor = MIN_RMS / 3;
    this._peak = 0;
    this._recent = [];
    this._unvoiced = 0;
    /** Whether somebody speaks. */
    this.speaking = false;
    /** RMS of the last frame, 0…1. */
    this.level = 0;
    /** The end of the last voiced frame, in the time that `frame` is given; null before the first voice. */
    this.lastVoiced = null;
  }

  /**
   * Takes one frame of 20 ms.
   *
   * @param {Float32Array} samples FRAME_SAMPLES samples in -1…1
   * @param {number} end when the frame ended, in seconds of any clock
   * @returns {"started" | "stopped" | null} what changed
   */
  frame(samples, end) {
    const voiced = this._voiced(samples);
    this._recent.push(voiced ? end : null);
    if (this._recent.length > ONSET_WINDOW) this._recent.shift();
    this._unvoiced = voiced ? 0 : this._unvoiced + 1;
    if (this.speaking) {
      if (voiced) this.lastVoiced = end;
      if (this._unvoiced < RELEASE_FRAMES) return null;
      this.speaking = false;
      this._peak = 0;
      return "stopped";
    }
    const onset = this._recent.filter((time) => time !== null);
    if (onset.length < ONSET_FRAMES) return null;
    this.speaking = true;
    this.lastVoiced = onset[onset.length - 1];
    return "started";
  }

  _voiced(samples) {
    let sum = 0;
    for (let i = 0; i < samples.length; i += 1) sum += samples[i] * samples[i];
    const level = Math.sqrt(sum / samples.length);
    this.level = level;
    this._floor = level < this._floor ? level : Math.min(this._floor * FLOOR_RISE, 0.1);
    this._floor = Math.max(this._floor, 1e-5);
    const gate = Math.max(MIN_RMS, this._floor * ABOVE_NOISE, this._peak * BELOW_PEAK);
    this._peak = Math.max(level, this._peak * PEAK_DECAY);
    return level > gate;
  }
}
