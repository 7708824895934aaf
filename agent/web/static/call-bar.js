/** The strip above the controls while a call runs: what it does, both sides' loudness, how long; and the captions. */
import { CallState, STATES } from "./call-state.js";
import { byId, clock, show } from "./dom.js";
import { Scope } from "./scope.js";
import { playTone } from "./tones.js";

const FOLLOWED = [
  "state", "microphone", "muted", "recogniser", "level", "recognised", "transcript.final", "reply.text", "playback",
  "audio.clear", "turn.metrics",
];

export class CallBar {
  /**
   * @param {import("./client.js").VoiceClient} client
   * @param {import("./preferences.js").Preferences} preferences
   */
  constructor(client, preferences) {
    this._client = client;
    this._preferences = preferences;
    this._state = new CallState();
    this._loudest = 0; // of the caller, since it was last drawn
    this._began = null;
    this._ticking = undefined;
    this._clauses = []; // of the reply that is said
    this._scope = new Scope(byId("scope"), () => this._levels());
    for (const type of FOLLOWED) {
      client.addEventListener(type, ({ detail }) => {
        if (this._state.take(type, detail)) this._show();
      });
    }
    client.addEventListener("level", ({ detail }) => (this._loudest = Math.max(this._loudest, detail.level)));
    client.addEventListener("state", ({ detail }) => this._line(detail.state));
    this._caption();
    preferences.addEventListener("change", ({ detail }) => detail.name === "largeCaptions" && this._captions());
  }

  /** What the call does. */
  get name() {
    return this._state.name;
  }

  /** A sample caller begins or has ended. */
  sample(on) {
    if (this._state.take("sample", { on })) this._show();
  }

  _show() {
    const { name } = this._state;
    byId("call").dataset.state = name;
    byId("call-state-text").textContent = STATES[name];
    if (this._preferences.values.tones && this._client.audio) playTone(this._client.audio.context, name);
  }

  _line(state) {
    const running = state === "open" || state === "reconnecting";
    show("call", running);
    this._captions();
    if (!running) {
      this._scope.stop();
      clearInterval(this._ticking);
      this._began = null;
      return;
    }
    if (this._began !== null) return;
    this._began = performance.now();
    this._scope.start();
    const tick = () => (byId("call-time").textContent = clock((performance.now() - this._began) / 1000));
    tick();
    this._ticking = setInterval(tick, 1000);
  }

  _levels() {
    const levels = { caller: this._loudest, agent: this._client.audio?.outputLevel ?? 0 };
    this._loudest = 0;
    return levels;
  }

  // Captions

  _caption() {
    const { _client: client } = this;
    const heard = ({ detail }) => (byId("caption-caller").textContent = detail.text);
    for (const type of ["transcript.partial", "recognised"]) client.addEventListener(type, heard);
    client.addEventListener("transcript.final", (event) => {
      heard(event);
      this._clauses = [];
      byId("caption-agent").textContent = "";
    });
    client.addEventListener("reply.text", ({ detail }) => {
      this._clauses.push(detail);
      if (client.audio === null || this._clauses.length === 1) byId("caption-agent").textContent = detail.text;
    });
    client.addEventListener("playback", ({ detail }) => {
      const begun = this._clauses.filter(({ turn, startMs }) => turn === detail.turn && startMs <= detail.playedMs);
      if (begun.length) byId("caption-agent").textContent = begun.at(-1).text;
    });
  }

  _captions() {
    byId("captions").hidden = !this._preferences.values.largeCaptions || byId("call").hidden;
  }
}
