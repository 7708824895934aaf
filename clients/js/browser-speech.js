/**
 * The browser's own voice and ears (Web Speech API), the last place of the service's chains.
 *
 * Neither is needed: where the browser has none, the client does not declare it, and the service does not count on it.
 */

const START_MS = 4000; // an utterance that has not begun by then will not
const VOICES_MS = 1000; // browsers load their list of voices late

/** Speaks clauses one at a time. */
export class BrowserVoice {
  /** The browser's voice, or null where it has none that speaks without being asked twice. */
  static async find(synthesis = globalThis.speechSynthesis) {
    if (!synthesis || !globalThis.SpeechSynthesisUtterance) return null;
    if (synthesis.getVoices().length === 0) {
      await new Promise((resolve) => {
        const late = setTimeout(resolve, VOICES_MS);
        synthesis.addEventListener("voiceschanged", () => (clearTimeout(late), resolve()), { once: true });
      });
    }
    return synthesis.getVoices().length > 0 ? new BrowserVoice(synthesis) : null;
  }

  constructor(synthesis) {
    this._synthesis = synthesis;
    this._utterance = null;
  }

  /**
   * Speaks a clause. Exactly one of `onend` and `onerror` is called, and none after `cancel`.
   *
   * @param {string} text
   * @param {{onstart: () => void, onend: () => void, onerror: () => void}} on
   */
  speak(text, on) {
    const utterance = new SpeechSynthesisUtterance(text);
    this._utterance = utterance; // a reference: browsers collect utterances that nobody holds, and then no event comes
    const over = (how) => () => {
      clearTimeout(late);
      if (this._utterance !== utterance) return;
      this._utterance = null;
      how();
    };
    const late = setTimeout(() => {
      over(on.onerror)();
      this._synthesis.cancel();
    }, START_MS);
    utterance.lang = "en";
    utterance.onstart = () => {
      clearTimeout(late);
      if (this._utterance === utterance) on.onstart();
    };
    utterance.onend = over(on.onend);
    utterance.onerror = over(on.onerror);
    this._synthesis.speak(utterance);
  }

  pause() {
    this._synthesis.pause();
  }

  resume() {
    this._synthesis.resume();
  }

  cancel() {
    this._utterance = null;
    this._synthesis.cancel();
    this._synthesis.resume(); // a paused synthesiser would stay silent for the next clause
  }
}

const Recognition = () => globalThis.SpeechRecognition ?? globalThis.webkitSpeechRecognition;
const LOCALLY = { langs: ["en-US"], processLocally: true };

/**
 * Recognises speech until it is stopped. Most browsers send the audio to their maker for that: ask first. Where the
 * browser can recognise on the device itself, it does.
 */
export class BrowserRecogniser {
  static get available() {
    return Boolean(Recognition());
  }

  /** Whether the sound would stay on this device. */
  static async onDevice() {
    try {
      return (await Recognition()?.available?.(LOCALLY)) === "available";
    } catch {
      return false;
    }
  }

  /**
   * @param {{onpartial: (text: string) => void, onfinal: (text: string) => void, onerror: (reason: string) => void}} on
   *   `onerror` gets the Web Speech API's error code; recognition has stopped for good then
   */
  constructor(on) {
    this._recognition = new (Recognition())();
    this._recognition.lang = "en-US";
    this._recognition.continuous = true;
    this._recognition.interimResults = true;
    this._recognition.onresult = ({ resultIndex, results }) => {
      for (const result of Array.from(results).slice(resultIndex)) {
        const text = result[0].transcript.trim();
        if (text) (result.isFinal ? on.onfinal : on.onpartial)(text);
      }
    };
    this._recognition.onerror = ({ error }) => {
      if (error === "no-speech" || error === "aborted") return;
      this._running = false;
      on.onerror(error);
    };
    // Browsers stop by themselves after a while.
    this._recognition.onend = () => this._running && this._recognition.start();
    this._running = false;
  }

  async start() {
    this._running = true;
    if (await BrowserRecogniser.onDevice()) this._recognition.processLocally = true;
    if (this._running) this._recognition.start();
  }

  stop() {
    this._running = false;
    this._recognition.stop();
  }
}
