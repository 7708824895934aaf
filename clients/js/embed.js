/**
 * A button to talk to the agent, for other people's pages: an element with a shadow of its own. It styles nothing
 * outside of itself, and nothing outside styles it.
 *
 *     <script type="module" src="https://voice.example/talk/embed.js"></script>
 *     <voice-agent-call></voice-agent-call>
 *
 * Attributes: `agent` says who answers, `label` what the button says, `base-url` where the service is (by itself where
 * this file comes from). The service has to allow the page's origin: `VOICE_AGENT_EMBED_ORIGINS`.
 *
 * The events `voice-agent-state` ({state}) and `voice-agent-note` ({text}, a text that the agent shows) come out of it.
 */
import { CallState, STATES } from "./call-state.js";
import { VoiceClient } from "./client.js";

const NAME = "voice-agent-call";
const FOLLOWED = [
  "state", "microphone", "muted", "level", "transcript.final", "reply.text", "playback", "audio.clear", "turn.metrics",
];
const STYLE = `
  :host { all: initial; display: inline-block; color-scheme: light dark; font: 16px/1.4 system-ui, sans-serif; }
  [hidden] { display: none !important; }
  .box { display: grid; gap: 0.5rem; max-width: 22rem; color: light-dark(#16211f, #e6ebe8); }
  .row { display: flex; flex-wrap: wrap; gap: 0.5rem; }
  button, input { min-height: 2.75rem; padding: 0 1rem; font: inherit; color: inherit; box-sizing: border-box;
    background: light-dark(#fff, #161d1b); border: 1px solid light-dark(#78857f, #74837e); border-radius: 0.375rem; }
  button { cursor: pointer; }
  input { flex: 1 1 8rem; min-width: 0; }
  .start { font-weight: 600; border-color: transparent;
    color: light-dark(#fff, #08211c); background: light-dark(#0c6b5c, #6fcdb8); }
  :focus-visible { outline: 2px solid light-dark(#0c6b5c, #6fcdb8); outline-offset: 2px; }
  p { margin: 0; } .said { min-height: 1.4em; } .problem { color: light-dark(#b3400f, #f0935e); }
`;

/** Where this file comes from: the service, unless it was bundled. */
function ownOrigin() {
  const { origin } = new URL(import.meta.url);
  return origin === "null" ? "" : origin;
}

function make(tag, attributes, text = "") {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return node;
}

const HTMLElementHere = globalThis.HTMLElement ?? class {}; // a server that renders pages has none

export class VoiceAgentCall extends HTMLElementHere {
  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    this._start = make("button", { type: "button", class: "start" });
    this._mute = make("button", { type: "button" }, "Mute");
    this._end = make("button", { type: "button" }, "Hang up");
    const typed = { type: "text", maxlength: "2000", placeholder: "or type" };
    this._text = make("input", { ...typed, "aria-label": "Your message" });
    this._form = make("form", { class: "row" });
    this._form.append(this._text, make("button", { type: "submit" }, "Send"));
    this._status = make("p", { role: "status" });
    this._said = make("p", { class: "said" });
    this._problem = make("p", { class: "problem", role: "alert" });
    this._call = make("div", { class: "row" });
    this._call.append(this._mute, this._end);
    const box = make("div", { class: "box", role: "group", "aria-label": "Voice call" });
    box.append(this._start, this._status, this._said, this._problem, this._call, this._form);
    root.append(box);
    this._start.addEventListener("click", () => this.start());
    this._mute.addEventListener("click", () => this.client?.mute(!this.client.muted));
    this._end.addEventListener("click", () => this.hangUp());
    this._form.addEventListener("submit", (event) => this._send(event));
    /** The client of the call, once there was one. @type {VoiceClient | null} */
    this.client = null;
    this._state = new CallState();
    this._show();
  }

  connectedCallback() {
    this._show();
  }

  /** The element leaves the page: the call ends with it. */
  disconnectedCallback() {
    void this.client?.close();
    this.client = null;
    this._state = new CallState();
  }

  /** Begins a call; in the handler of a click or key. */
  async start() {
    this._problem.textContent = "";
    const client = this._client();
    client.agent = this.getAttribute("agent");
    try {
      await client.openAudio().catch(() => {}); // it can be read and typed without
      if (this.client !== client) return; // the element left the page meanwhile: no call goes on without it
      await client.connect();
    } catch (error) {
      this._problem.textContent = `The service opened no call: ${error.message}.`;
      return;
    }
    if (this.client !== client) return void client.close();
    this._mute.focus({ preventScroll: true }); // the button that was pressed has gone
    try {
      await client.openMicrophone();
      if (this.client !== client) client.closeMicrophone();
    } catch {
      this._problem.textContent = "There is no microphone here. You can type.";
      this._text.focus({ preventScroll: true });
    }
  }

  hangUp() {
    this.client?.hangUp();
    this._start.focus({ preventScroll: true });
  }

  _client() {
    if (this.client) return this.client;
    const baseUrl = this.getAttribute("base-url") ?? ownOrigin();
    const client = new VoiceClient({ baseUrl, name: "voice-agent-embed/1" });
    for (const type of FOLLOWED) {
      client.addEventListener(type, ({ detail }) => {
        if (this._state.take(type, detail)) this._show();
      });
    }
    client.addEventListener("state", ({ detail }) => {
      if (detail.state === "ended") client.closeMicrophone();
      this._tell("voice-agent-state", { state: detail.state });
    });
    client.addEventListener("reply.text", ({ detail }) => (this._said.textContent = detail.text));
    client.addEventListener("text.show", ({ detail }) => {
      this._said.textContent = detail.text;
      this._tell("voice-agent-note", { text: detail.text });
    });
    client.addEventListener("error", ({ detail }) => (this._problem.textContent = detail.message));
    this.client = client;
    return client;
  }

  _send(event) {
    event.preventDefault();
    const text = this._text.value.trim();
    if (text && this.client?.sendText(text)) this._text.value = "";
  }

  _show() {
    const { name } = this._state;
    const running = !["idle", "ended", "connecting"].includes(name);
    const focused = this.shadowRoot.activeElement;
    this._start.textContent = this.getAttribute("label") ?? "Talk to us";
    this._start.hidden = running;
    this._call.hidden = this._form.hidden = !running;
    this._mute.textContent = this.client?.muted ? "Unmute" : "Mute";
    this._status.textContent = name === "idle" ? "" : STATES[name];
    if (!running && focused && focused !== this._start) this._start.focus({ preventScroll: true });
  }

  _tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}

if (globalThis.customElements && !customElements.get(NAME)) customElements.define(NAME, VoiceAgentCall);
