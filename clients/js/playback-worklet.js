/**
 * The loudspeaker's worklet: plays replies from a `PlayBuffer` and reports what really sounded.
 *
 * Messages in:  {begin: turn} {pcm: ArrayBuffer} {end} {pause} {resume} {clear}, {microphone: MessagePort}
 * Messages out: {event, turn, playedMs, time}; `time` is the context's time, in seconds, of the sample it is about
 */
import { PlayBuffer } from "./play-buffer.js";

class Playback extends AudioWorkletProcessor {
  constructor() {
    super();
    this._buffer = new PlayBuffer(sampleRate, ({ frame, ...report }) =>
      this.port.postMessage({ ...report, time: frame / sampleRate }),
    );
    this.port.onmessage = ({ data }) => this._take(data);
  }

  process(_inputs, [output]) {
    this._buffer.render(output[0], currentFrame);
    for (let i = 1; i < output.length; i += 1) output[i].set(output[0]);
    return true;
  }

  _take(data) {
    if (data.pcm) this._buffer.push(new Int16Array(data.pcm));
    else if (data.begin !== undefined) this._buffer.begin(data.begin);
    else if (data.microphone) data.microphone.onmessage = () => this._buffer.voice();
    else if (data.end) this._buffer.end();
    else if (data.pause) this._buffer.pause();
    else if (data.resume) this._buffer.resume();
    else if (data.clear) this._buffer.clear();
  }
}

registerProcessor("voice-agent-playback", Playback);
