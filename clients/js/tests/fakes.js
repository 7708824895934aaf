/** Stand-ins for what the browser gives: a socket, a service that issues tokens, a sound device, a voice. */

export class FakeSocket {
  static all = [];

  constructor(url, protocols) {
    Object.assign(this, { url, protocols, sent: [], bufferedAmount: 0, closedWith: null });
    FakeSocket.all.push(this);
  }

  static get last() {
    return FakeSocket.all.at(-1);
  }

  send(data) {
    this.sent.push(typeof data === "string" ? JSON.parse(data) : data);
  }

  close(code) {
    this.closedWith = code ?? null;
    this.drop(code ?? 1005);
  }

  // The server's side

  open(ready = {}) {
    this.onopen();
    const usual = { session_id: "s1", tier: "free", policy: "p", resume_token: "resume-1", resumed: false };
    this.tell({ type: "session.ready", ...usual, budgets_ms: {}, ...ready });
  }

  tell(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }

  audio(ms) {
    this.onmessage({ data: new ArrayBuffer(ms * 32) });
  }

  drop(code, reason = "") {
    this.onclose({ code, reason });
  }

  /** What was sent of a type. */
  of(type) {
    return this.sent.filter((message) => message.type === type);
  }
}

/** Records what it is asked for; `tell` reports as the worklet would. */
export class FakeDevice {
  constructor() {
    this.asked = [];
    this.context = { currentTime: 0 };
    this.outputLatency = 0.03;
    this.inputLatency = 0.01;
    this.turn = null;
    for (const name of ["end", "pause", "resume", "clear", "closeMicrophone", "close"]) {
      this[name] = () => this.asked.push(name);
    }
  }

  begin(turn) {
    this.turn = turn;
    this.asked.push(`begin ${turn}`);
  }

  play(pcm) {
    this.asked.push(`play ${pcm.byteLength / 32}`);
  }

  tell(event, playedMs = 0, time = 0) {
    this.onreport({ event, turn: this.turn, playedMs, time });
  }

  frame(lastVoiced = null, speaking = false) {
    this.onframe({ pcm: new ArrayBuffer(640), level: 0.1, speaking, lastVoiced });
  }
}

/** Speaks nothing; the test says when a clause starts and ends. */
export class FakeVoice {
  constructor() {
    this.asked = [];
  }

  speak(text, on) {
    this.asked.push(`speak ${text}`);
    this.on = on;
  }

  pause() {
    this.asked.push("pause");
  }

  resume() {
    this.asked.push("resume");
  }

  cancel() {
    this.asked.push("cancel");
  }
}

/** Lets everything that waits for a promise go on. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));
