/** The settings' dialog: what it offers, and what a choice changes. */
import { AudioDevice } from "./audio.js";
import { byId, el } from "./dom.js";
import { showTheme } from "./preferences.js";

/** Controls with a value of their own: id → preference, and how the control holds it. */
const CONTROLS = {
  "microphone-choice": ["microphone", "value"],
  "speaker-choice": ["speaker", "value"],
  "echo-cancellation": ["echoCancellation", "checked"],
  "push-to-talk": ["pushToTalk", "checked"],
  tones: ["tones", "checked"],
  "large-captions": ["largeCaptions", "checked"],
  "theme-choice": ["theme", "value"],
  "agent-choice": ["agent", "value"],
};

export class Settings {
  /**
   * @param {import("./preferences.js").Preferences} preferences
   * @param {(sound: object) => Promise<void>} useSound the client's
   * @param {(text: string) => void} problem
   */
  constructor(preferences, useSound, problem) {
    this._preferences = preferences;
    this._useSound = useSound;
    this._problem = problem;
    this._usualAgent = "";
    const { values } = preferences;
    for (const [id, [name, property]] of Object.entries(CONTROLS)) {
      byId(id)[property] = values[name];
      byId(id).addEventListener("change", ({ target }) => preferences.set(name, target[property]));
    }
    byId("volume").value = values.volume * 100;
    byId("volume").addEventListener("input", ({ target }) => preferences.set("volume", target.value / 100));
    preferences.addEventListener("change", ({ detail }) => this._changed(detail.name, detail.value));
    byId("open-settings").addEventListener("click", () => this.open());
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.listDevices());
    showTheme(values.theme);
    void this._sound();
  }

  open() {
    void this.listDevices();
    byId("settings").showModal();
  }

  /** Fills the lists of devices. Their names are known once a microphone was allowed. */
  async listDevices() {
    const found = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
    this._fill("microphone-choice", "microphone", found.filter(({ kind }) => kind === "audioinput"));
    this._fill("speaker-choice", "speaker", found.filter(({ kind }) => kind === "audiooutput"));
    byId("speaker-row").hidden = !AudioDevice.speakersCanBeChosen;
  }

  /** @param {{usual: string, agents: {name: string, title: string | null, needs: string[]}[]}} told by the service */
  showAgents({ usual, agents }) {
    const ready = agents.filter(({ needs }) => needs.length === 0);
    byId("agent-row").hidden = ready.length < 2;
    this._usualAgent = usual;
    byId("agent-choice").replaceChildren(
      ...ready.map(({ name, title }) => el("option", { value: name, text: title ?? name.replaceAll("_", " ") })),
    );
    const known = ready.some(({ name }) => name === this._preferences.values.agent);
    byId("agent-choice").value = known ? this._preferences.values.agent : usual;
  }

  /** The agent of the next session; null is the usual one. */
  get agent() {
    const chosen = byId("agent-choice").value;
    return chosen && chosen !== this._usualAgent ? chosen : null;
  }

  _fill(id, name, devices) {
    const real = devices.filter(({ deviceId }) => deviceId && deviceId !== "default");
    const options = real.map(({ deviceId, label }, index) =>
      el("option", { value: deviceId, text: label || `${name} ${index + 1}` }),
    );
    byId(id).replaceChildren(el("option", { value: "", text: "the usual one" }), ...options);
    const chosen = this._preferences.values[name];
    byId(id).value = real.some(({ deviceId }) => deviceId === chosen) ? chosen : "";
  }

  _changed(name, value) {
    if (name === "theme") showTheme(value);
    if (["microphone", "speaker", "echoCancellation", "volume"].includes(name)) void this._sound();
  }

  async _sound() {
    const { microphone, speaker, echoCancellation, volume } = this._preferences.values;
    try {
      await this._useSound({ microphone, speaker, echoCancellation, volume });
    } catch (error) {
      this._problem(`This device cannot be used (${error.message}). Choose another one in the settings.`);
    }
  }
}
