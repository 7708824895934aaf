/** What the reader has to know beside the conversation: simulated providers, a simplified mode, a problem. */
import { BrowserRecogniser } from "./browser-speech.js";
import { byId } from "./dom.js";

const SERVICE_NAMES = { stt: "speech recognition", llm: "the language model", tts: "the voice" };

const ASK_AGAIN_MS = 3000;
const BACK_MS = 20_000; // so long it is said that something failed and runs again

function list(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

export class Notices {
  /** @param {(service: string) => void} onBack is called when what failed on a machine of one's own runs again */
  constructor(onBack = () => {}) {
    this._onBack = onBack;
    this._degraded = new Map(); // service → message
    this._failures = null; // service → how often it had failed when the page was loaded, or at the latest failure
    this._down = new Set(); // services that failed, and of which is not known yet that they run again
    this._back = new Map(); // service → since when it runs again
  }

  /**
   * @param {object} told
   * @param {string[]} told.simulated services that are simulated
   * @param {string[]} told.keys environment variables that make them real
   * @param {string[]} told.local services that run on this machine
   * @param {string[]} told.failed services that should, and do not at the moment
   * @param {Record<string, number>} told.failures how often each failed so far
   * @param {boolean} told.stands_in whether a simulation stands in for what failed
   */
  simulated({ simulated: services, keys, local = [], failed = [], failures = {}, stands_in: standsIn = true }) {
    this._look(failed, failures);
    const names = services.map((service) => SERVICE_NAMES[service] ?? service);
    const here = local.map((service) => SERVICE_NAMES[service] ?? service);
    const them = names.length > 1 ? "them" : "it";
    const own = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
    const machine = own ? "this machine" : "the operator's own machine";
    const told = [];
    if (failed.length) {
      const lost = list(failed.map((service) => SERVICE_NAMES[service] ?? service));
      const away = failed.filter((service) => !services.includes(service));
      const they = failed.length > 1 ? "they are" : "it is";
      const instead = standsIn && away.length === 0 ? ` Until ${they} back, a simulation stands in.` : "";
      told.push(`Failed on ${machine}: ${lost}; the terminal says why.${instead}`);
    }
    const back = Object.keys(SERVICE_NAMES).filter((service) => this._back.has(service));
    if (back.length) {
      const again = back.map((service) => SERVICE_NAMES[service]);
      const lost = back.includes("stt") ? " What you said meanwhile may be lost: please say it again." : "";
      told.push(`Failed on ${machine} a moment ago: ${list(again)}; back again.${lost}`);
    }
    byId("simulated").classList.toggle("warn", failed.length + back.length > 0);
    if (here.length) told.push(`On ${machine}, at no cost: ${list(here)}.`);
    if (names.length) told.push(`Simulated: ${list(names)}. Set ${list(keys)} to make ${them} real.`);
    if (services.includes("stt") && !BrowserRecogniser.available) told.push("Only the sample callers are understood.");
    this._show("simulated", told.join(" "));
  }

  /**
   * What runs on a machine of one's own can fail, and come back, in the middle of a call: it is asked for again.
   *
   * @param {object} before what `simulated` takes
   */
  follow(before) {
    this.simulated(before);
    if (before.local.length + before.failed.length === 0) return;
    setTimeout(async () => {
      let told = before;
      try {
        const answer = document.hidden ? null : await fetch("/sample-calls.json");
        if (answer?.ok) told = await answer.json();
      } catch {
        // the line's own notice says that the service is gone
      }
      this.follow(told);
    }, ASK_AGAIN_MS);
  }

  /** Notes what failed, and what is back: also what was both between two looks, of which only the count tells. */
  _look(failed, failures) {
    const now = performance.now();
    const known = this._failures ?? failures;
    this._failures = { ...known };
    for (const [service, times] of Object.entries(failures)) {
      if (times > (known[service] ?? 0)) this._down.add(service);
      this._failures[service] = times; // a lower count is of a process that was started since
    }
    for (const service of failed) this._down.add(service);
    for (const service of this._down) {
      if (failed.includes(service)) {
        this._back.delete(service);
        continue;
      }
      this._down.delete(service);
      this._back.set(service, now);
      this._onBack(service);
    }
    for (const [service, since] of this._back) if (now - since > BACK_MS) this._back.delete(service);
  }

  degraded(service, message) {
    this._degraded.set(service, message);
    this._showDegraded();
  }

  recovered(service) {
    this._degraded.delete(service);
    this._showDegraded();
  }

  problem(text) {
    this._show("problem", text);
  }

  /** What stood in the way is gone. */
  solved() {
    this._show("problem", "");
  }

  /**
   * Asks whether this browser may recognise speech; null takes the question back.
   *
   * @param {string | null} reason `simulated` where the service never hears more than the sample callers
   */
  async askListen(reason) {
    this._reason = reason;
    if (reason === null) {
      byId("ask-listen").hidden = true;
      return;
    }
    const simulated = reason === "simulated";
    const stays = BrowserRecogniser.available && (await BrowserRecogniser.onDevice());
    if (this._reason !== reason) return; // it was taken back meanwhile
    const why = simulated
      ? "Only the sample callers are understood here. This browser can recognise your own speech; "
      : "The service cannot hear you at the moment. This browser can recognise speech itself; ";
    const where = stays ? "the sound stays on this device." : "most browsers send the sound to their maker for that.";
    byId("ask-listen-text").textContent = why + where;
    byId("ask-listen").classList.toggle("warn", !simulated);
    byId("listen-here").hidden = !BrowserRecogniser.available;
    byId("ask-listen").hidden = false;
  }

  _showDegraded() {
    const [message] = this._degraded.values();
    const services = [...this._degraded.keys()].map((service) => SERVICE_NAMES[service] ?? service);
    this._show("degraded", message ? `${message[0].toUpperCase()}${message.slice(1)}: ${list(services)}.` : "");
  }

  _show(id, text) {
    if (byId(id).textContent === text) return; // a screen reader would say it again
    byId(id).textContent = text;
    byId(id).hidden = text === "";
  }
}
