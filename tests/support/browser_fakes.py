"""Stand-ins for what headless Chromium lacks: a system voice, and a speech recogniser's service."""

from __future__ import annotations

from typing import Final

# Speaks 40 characters a second and keeps what it was asked to say.
VOICE: Final = """
globalThis.spoken = [];
{
  const events = new EventTarget();
  let current = null;
  const synthesis = {
    getVoices: () => [{ name: "stand-in", lang: "en", default: true }],
    addEventListener: (...args) => events.addEventListener(...args),
    speak(utterance) {
      spoken.push(utterance.text);
      current = utterance;
      setTimeout(() => current === utterance && utterance.onstart?.({}), 20);
      setTimeout(() => current === utterance && utterance.onend?.({}), 20 + utterance.text.length * 25);
    },
    pause() {},
    resume() {},
    cancel() { current = null; },
  };
  Object.defineProperty(globalThis, "speechSynthesis", { value: synthesis });
  globalThis.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };
}
"""

# Hears what the test puts into `recogniser.hear(text)`.
RECOGNISER: Final = """
globalThis.webkitSpeechRecognition = globalThis.SpeechRecognition = class {
  start() {
    globalThis.recogniser = this;
    this.running = true;
  }
  stop() {
    this.running = false;
    this.onend?.();
  }
  hear(text, isFinal) {
    this.onresult({ resultIndex: 0, results: [Object.assign([{ transcript: text }], { isFinal })] });
  }
};
"""
