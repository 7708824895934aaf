/** What the reader chose, kept in this browser only, and only what is not the usual. */
import { byId } from "./dom.js";

const KEY = "voice-agent.settings";
export const USUAL = {
  theme: "system",
  microphone: "",
  speaker: "",
  volume: 1,
  echoCancellation: true,
  pushToTalk: false,
  tones: false,
  largeCaptions: false,
  agent: "",
};

export class Preferences extends EventTarget {
  constructor(storage = globalThis.localStorage) {
    super();
    this._storage = storage;
    this.values = { ...USUAL };
    try {
      const kept = JSON.parse(storage.getItem(KEY) ?? "{}");
      for (const [name, usual] of Object.entries(USUAL)) {
        if (typeof kept[name] === typeof usual) this.values[name] = kept[name];
      }
    } catch {
      // storage is off, or holds something else: the usual values
    }
  }

  /** Sets one value, keeps it, and tells whoever listens for `change`. */
  set(name, value) {
    if (this.values[name] === value) return;
    this.values[name] = value;
    const chosen = Object.entries(this.values).filter(([key, now]) => now !== USUAL[key]);
    try {
      if (chosen.length) this._storage.setItem(KEY, JSON.stringify(Object.fromEntries(chosen)));
      else this._storage.removeItem(KEY);
    } catch {
      // it holds until the page is left
    }
    this.dispatchEvent(new CustomEvent("change", { detail: { name, value } }));
  }
}

/** @param {"system" | "light" | "dark"} theme */
export function showTheme(theme) {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  byId("dark").media = { light: "not all", dark: "all" }[theme] ?? "(prefers-color-scheme: dark)";
}
