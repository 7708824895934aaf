/**
 * Microphone and loudspeaker: one AudioContext at the hardware's rate with two worklets.
 *
 * Both run on the same clock, so the time from the caller's last voiced sample to the first audible one of the reply is
 * a difference of two readings of one clock. The worklets are connected by a port of their own: a voice stops the sound
 * even while the page's thread is busy.
 */

const START_MS = 2000; // a context that does not run by then waits for a click
const MUTED_MS = 2000; // of silence after muting: a recogniser needs it to know that somebody has ended
const LEVEL_SAMPLES = 1024;

export class AudioDevice {
  /**
   * Opens the audio of this page. Call it in the handler of a click or key: browsers keep sound silent otherwise.
   *
   * @param {string} [folder] address of the folder with the worklets, relative to this module
   * @returns {Promise<AudioDevice>}
   * @throws {DOMException} `NotAllowedError` without a click or key, others where there is no audio
   */
  static async open(folder = "./") {
    const context = new AudioContext({ latencyHint: "interactive" });
    const resumed = Promise.race([context.resume(), new Promise((late) => setTimeout(late, START_MS))]);
    await Promise.all(
      ["capture-worklet.js", "playback-worklet.js"].map((name) =>
        context.audioWorklet.addModule(new URL(folder + name, import.meta.url)),
      ),
    );
    await resumed;
    if (context.state === "running") return new AudioDevice(context);
    await context.close();
    throw new DOMException("sound is only allowed after a click or a key", "NotAllowedError");
  }

  /** @param {AudioContext} context with both worklet modules added */
  constructor(context) {
    this.context = context;
    this.capture = new AudioWorkletNode(context, "voice-agent-capture", { numberOfOutputs: 0 });
    this.playback = new AudioWorkletNode(context, "voice-agent-playback", {
      numberOfInputs: 0,
      outputChannelCount: [1],
    });
    this._volume = new GainNode(context, { gain: 1 });
    this._meter = new AnalyserNode(context, { fftSize: LEVEL_SAMPLES });
    this._samples = new Float32Array(LEVEL_SAMPLES);
    this.playback.connect(this._meter).connect(this._volume).connect(context.destination);
    const line = new MessageChannel();
    this.capture.port.postMessage({ player: line.port1 }, [line.port1]);
    this.playback.port.postMessage({ microphone: line.port2 }, [line.port2]);
    /** Gets every 20 ms `{pcm, level, speaking, lastVoiced}`. @type {(frame: object) => void} */
    this.onframe = () => {};
    /** Called when the microphone goes away by itself: unplugged, or taken back by the user. */
    this.onlost = () => {};
    /** Gets `{event, turn, playedMs, time}`. @type {(report: object) => void} */
    this.onreport = () => {};
    this.capture.port.onmessage = ({ data }) => this.onframe(data);
    this.playback.port.onmessage = ({ data }) => this.onreport(data);
    this._stream = null;
    this._source = null;
    this._clip = null;
    this._choice = { microphone: "", echoCancellation: true };
    this._muted = false;
    this._muting = undefined; // silence is still sent
  }

  /** RMS of the reply that is played at this moment, 0 to 1, whatever the volume. */
  get outputLevel() {
    this._meter.getFloatTimeDomainData(this._samples);
    let sum = 0;
    for (const sample of this._samples) sum += sample * sample;
    return Math.sqrt(sum / LEVEL_SAMPLES);
  }

  /** Loudness of what is played, 0 to 1. */
  get volume() {
    return this._volume.gain.value;
  }

  set volume(share) {
    this._volume.gain.value = Math.max(0, Math.min(1, share));
  }

  /** Whether a loudspeaker can be chosen here. */
  static get speakersCanBeChosen() {
    return "setSinkId" in (globalThis.AudioContext?.prototype ?? {});
  }

  /**
   * Takes devices and volume. An id is a `deviceId`, empty the usual one; a microphone that is open is opened anew.
   *
   * @param {{microphone: string, speaker: string, echoCancellation: boolean, volume: number}} sound
   * @throws {DOMException} `NotFoundError`, `OverconstrainedError` when a device is gone; it is closed then
   */
  async use({ microphone, speaker, echoCancellation, volume }) {
    this.volume = volume;
    const changed = microphone !== this._choice.microphone || echoCancellation !== this._choice.echoCancellation;
    this._choice = { microphone, echoCancellation };
    if (AudioDevice.speakersCanBeChosen && (this.context.sinkId || "") !== speaker) {
      await this.context.setSinkId(speaker);
    }
    if (!changed || this._stream === null) return;
    this._drop();
    await this.openMicrophone();
  }

  /** Whether an open microphone is held silent. */
  get muted() {
    return this._muted;
  }

  set muted(on) {
    if (on === this._muted) return;
    this._muted = on;
    for (const track of this._stream?.getAudioTracks() ?? []) track.enabled = !on;
    clearTimeout(this._muting);
    this._muting = on && this._stream !== null ? setTimeout(() => this._silent(), MUTED_MS) : undefined;
    this._listen();
  }

  /** From a sample's turn in the graph to the ear, in seconds, as far as the browser knows it. */
  get outputLatency() {
    return this.context.outputLatency || this.context.baseLatency || 0;
  }

  /** From the mouth to the graph, in seconds, as far as the browser knows it; 0 for a clip. */
  get inputLatency() {
    const track = this._stream?.getAudioTracks()[0];
    return (this._clip === null && track?.getSettings().latency) || 0;
  }

  /** Whether the microphone is open. */
  get microphone() {
    return this._stream !== null;
  }

  /**
   * Opens the microphone; the browser asks the user.
   *
   * @throws {DOMException} `NotAllowedError` when the user refused, `NotFoundError` without a microphone
   */
  async openMicrophone() {
    if (this._stream !== null) return;
    if (!navigator.mediaDevices) throw new DOMException("this page is not served over HTTPS", "NotAllowedError");
    const { microphone, echoCancellation } = this._choice;
    const audio = { channelCount: 1, echoCancellation, noiseSuppression: true, autoGainControl: true };
    if (microphone) audio.deviceId = { exact: microphone };
    this._stream = await navigator.mediaDevices.getUserMedia({ audio });
    const [track] = this._stream.getAudioTracks();
    track.enabled = !this._muted;
    track.addEventListener("ended", () => {
      this.closeMicrophone();
      this.onlost();
    });
    this._source = this.context.createMediaStreamSource(this._stream);
    this._source.connect(this.capture);
    this._listen();
  }

  /** Closes the microphone; the browser's recording sign goes out. */
  closeMicrophone() {
    clearTimeout(this._muting);
    this._muting = undefined;
    this._drop();
    this._muted = false;
    this._listen();
  }

  _drop() {
    this._source?.disconnect();
    for (const track of this._stream?.getTracks() ?? []) track.stop();
    this._stream = null;
    this._source = null;
  }

  _silent() {
    this._muting = undefined;
    this._listen();
  }

  /** While on, a missing microphone is silence: a recogniser needs it to know that somebody has ended. */
  set clips(on) {
    this._clips = on;
    this._listen();
  }

  /**
   * Plays a clip into the worklet of the microphone, and softly to the loudspeaker. It takes the microphone's place
   * until it ends.
   *
   * @param {ArrayBuffer} file an audio file that the browser can decode
   * @returns {Promise<void>} settles when the clip has ended or `stopClip` was called
   */
  async playClip(file) {
    const buffer = await this.context.decodeAudioData(file);
    const clip = new AudioBufferSourceNode(this.context, { buffer });
    const aloud = new GainNode(this.context, { gain: 0.5 });
    clip.connect(this.capture);
    clip.connect(aloud).connect(this._volume);
    this._source?.disconnect();
    this._clip = clip;
    await new Promise((resolve) => {
      clip.onended = resolve;
      clip.start();
    });
    aloud.disconnect();
    this._clip = null;
    this._source?.connect(this.capture);
  }

  stopClip() {
    this._clip?.stop();
  }

  /** A reply begins. */
  begin(turn) {
    this.playback.port.postMessage({ begin: turn });
  }

  /** Audio of the reply: an ArrayBuffer of PCM s16le mono 16 kHz; it is given away. */
  play(pcm) {
    this.playback.port.postMessage({ pcm }, [pcm]);
  }

  /** The reply has no more audio. */
  end() {
    this.playback.port.postMessage({ end: true });
  }

  pause() {
    this.playback.port.postMessage({ pause: true });
  }

  resume() {
    this.playback.port.postMessage({ resume: true });
  }

  clear() {
    this.playback.port.postMessage({ clear: true });
  }

  /** Closes microphone and loudspeaker for good. */
  async close() {
    this.stopClip();
    this.closeMicrophone();
    await this.context.close();
  }

  _listen() {
    const heard = this._stream !== null && (!this._muted || this._muting !== undefined);
    this.capture.port.postMessage({ listening: heard || Boolean(this._clips) });
  }
}
