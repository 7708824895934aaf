/**
 * The sample callers' buttons: one call at a time, and the button of the one that runs stops it. A caller who has said
 * everything hangs up; who was stopped leaves the call to the visitor.
 */
import { byId, el, whole } from "./dom.js";
import { SampleCaller } from "./sample-caller.js";

const median = (times) => [...times].sort((one, other) => one - other)[Math.floor((times.length - 1) / 2)];
const ms = (time) => `${whole(time)} ms`;

/** How long the replies of one policy took, beside those of the policy before. */
export function compared(policy, times, before) {
  if (times.length === 0) return `With ${policy}: no reply.`;
  const replies = times.length === 1 ? "1 reply" : `${times.length} replies`;
  const told = `With ${policy}: ${ms(median(times))} at the median of ${replies}`;
  if (!before?.length) return `${told}.`;
  const less = median(before) - median(times);
  return `${told}, ${ms(Math.abs(less))} ${less < 0 ? "more" : "less"}.`;
}

export class Samples {
  /**
   * @param {import("./client.js").VoiceClient} client
   * @param {{open: (policy: string | null) => Promise<boolean>, problem: (text: string) => void,
   *   speaks: (on: boolean) => void, tell: (text: string) => void}} on `open` opens sound and session; `tell` writes a
   *   line into the conversation
   */
  constructor(client, on) {
    this._client = client;
    this._on = on;
    this._running = null;
    this._caller = null;
    this._greeted = true;
    /** Whether a sample caller ends the call at this moment. */
    this.hangsUp = false;
    client.addEventListener("session.ready", ({ detail }) => (this._greeted = !detail.greets));
    client.addEventListener("turn.metrics", () => (this._greeted = true));
  }

  /** Whether a sample call runs. */
  get running() {
    return this._running !== null;
  }

  stop() {
    this._caller?.stop();
  }

  /** @param {{name: string, title: string, shows: string, policies: string[], lines: object[]}[]} calls */
  show(calls) {
    byId("samples").hidden = calls.length === 0;
    byId("sample-buttons").replaceChildren(
      ...calls.map((call) => {
        const onclick = (event) => this._pressed(call, event.currentTarget);
        const { name, title, shows } = call;
        return el("button", { type: "button", text: title, title: shows, "data-call": name, onclick });
      }),
    );
  }

  async _pressed(call, button) {
    if (this.running) {
      this._running.stopped = true;
      this.stop();
      return;
    }
    const others = [...byId("sample-buttons").children].filter((other) => other !== button);
    this._running = { stopped: false };
    for (const other of others) other.disabled = true;
    button.textContent = `Stop: ${call.title}`;
    byId("sample-shows").textContent = call.shows;
    byId("sample-shows").hidden = false;
    try {
      await this._run(call);
    } catch (error) {
      this._on.problem(`The sample call stopped: ${error.message}.`);
    } finally {
      this._running = null;
      this._caller = null;
      this._on.speaks(false);
      byId("sample-shows").hidden = true;
      button.textContent = call.title;
      for (const other of others) other.disabled = false;
    }
  }

  async _run(call) {
    let before = null;
    for (const policy of call.policies.length ? call.policies : [null]) {
      if (policy !== null) await this._hangUp(); // a session keeps its policy
      if (this._running.stopped || !(await this._on.open(policy)) || !this._client.audio) return;
      this._client.closeMicrophone();
      this._client.stopRecogniser();
      this._on.speaks(true);
      const caller = (this._caller = new SampleCaller(this._client, () => this._greeted));
      const said = await caller.run(call);
      if (this._running.stopped || !(said || this._client.state === "ended")) return;
      await this._hangUp();
      if (policy !== null && call.policies.length > 1) this._on.tell(compared(policy, caller.times, before));
      before = caller.times;
    }
  }

  /** Ends the call, where the agent has not. */
  async _hangUp() {
    if (this._client.state !== "open") return;
    this.hangsUp = true;
    const over = new Promise((resolve) => {
      const look = ({ detail }) => {
        if (detail.state !== "ended") return;
        this._client.removeEventListener("state", look);
        resolve();
      };
      this._client.addEventListener("state", look);
    });
    this._client.hangUp();
    await over;
    this.hangsUp = false;
  }
}
