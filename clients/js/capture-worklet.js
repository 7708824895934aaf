/**
 * The microphone's worklet: hardware rate → frames of 20 ms PCM s16le mono 16 kHz, with voice activity.
 *
 * Messages in:  {listening}         frames are made while true; a missing input is silence then
 *               {player: MessagePort} where an onset is told at once, without a detour over the page's thread
 * Messages out: {pcm: ArrayBuffer, level, speaking, lastVoiced}   every 20 ms; lastVoiced in the context's seconds
 */
import { Resampler } from "./resampler.js";
import { FRAME_SAMPLES, VoiceActivity } from "./voice-activity.js";

const RATE = 16000;
const QUANTUM = 128;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this._resampler = new Resampler(sampleRate, RATE);
    this._activity = new VoiceActivity();
    this._frame = new Float32Array(FRAME_SAMPLES);
    this._filled = 0;
    this._mono = new Float32Array(QUANTUM);
    this._listening = false;
    this._player = null;
    this.port.onmessage = ({ data }) => {
      if (data.listening !== undefined) this._listening = data.listening;
      if (data.player) this._player = data.player;
    };
  }

  process(inputs) {
    if (!this._listening) return true;
    const resampled = this._resampler.push(this._mix(inputs[0]));
    for (let i = 0; i < resampled.length; i += 1) {
      this._frame[this._filled] = resampled[i];
      this._filled += 1;
      if (this._filled === FRAME_SAMPLES) {
        const later = (resampled.length - 1 - i) / RATE + this._resampler.delay;
        this._send((currentFrame + QUANTUM) / sampleRate - later);
        this._filled = 0;
      }
    }
    return true;
  }

  _mix(channels) {
    const mono = this._mono;
    mono.fill(0);
    for (const channel of channels) {
      for (let i = 0; i < mono.length; i += 1) mono[i] += channel[i] / channels.length;
    }
    return mono;
  }

  _send(end) {
    const change = this._activity.frame(this._frame, end);
    if (change === "started" && this._player) this._player.postMessage("voice");
    const pcm = new Int16Array(FRAME_SAMPLES);
    for (let i = 0; i < FRAME_SAMPLES; i += 1) {
      const sample = Math.max(-1, Math.min(1, this._frame[i]));
      pcm[i] = Math.round(sample * 32767);
    }
    const { level, speaking, lastVoiced } = this._activity;
    this.port.postMessage({ pcm: pcm.buffer, level, speaking, lastVoiced }, [pcm.buffer]);
  }
}

registerProcessor("voice-agent-capture", Capture);
