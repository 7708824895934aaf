/** The sample callers' buttons: one call at a time, and the button of the one that runs stops it. */
import { byId, el } from "./dom.js";
import { SampleCaller } from "./sample-caller.js";

export class Samples {
  /**
   * @param {import("./client.js").VoiceClient} client
   * @param {{open: () => Promise<boolean>, problem: (text: string) => void, speaks: (on: boolean) => void}} on `open`
   *   opens sound and session
   */
  constructor(client, { open, problem, speaks }) {
    this._client = client;
    this._open = open;
    this._problem = problem;
    this._speaks = speaks;
    this._running = null;
  }

  /** Whether a sample call runs. */
  get running() {
    return this._running !== null;
  }

  stop() {
    this._running?.stop();
  }

  /** @param {{name: string, title: string, lines: object[]}[]} calls */
  show(calls) {
    byId("samples").hidden = calls.length === 0;
    byId("sample-buttons").replaceChildren(
      ...calls.map((call) => {
        const onclick = (event) => this._run(call, event.currentTarget);
        return el("button", { type: "button", text: call.title, "data-call": call.name, onclick });
      }),
    );
  }

  async _run(call, button) {
    if (this._running !== null) {
      this._running.stop();
      return;
    }
    const others = [...byId("sample-buttons").children].filter((other) => other !== button);
    this._running = new SampleCaller(this._client);
    for (const other of others) other.disabled = true;
    button.textContent = `Stop: ${call.title}`;
    try {
      if ((await this._open()) && this._client.audio) {
        this._client.closeMicrophone();
        this._client.stopRecogniser();
        this._speaks(true);
        await this._running.run(call);
      }
    } catch (error) {
      this._problem(`The sample call stopped: ${error.message}.`);
    } finally {
      this._running = null;
      this._speaks(false);
      button.textContent = call.title;
      for (const other of others) other.disabled = false;
    }
  }
}
