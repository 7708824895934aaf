/** The talk page: connects the controls, the client and the views. */
import { VoiceClient } from "./client.js";
import { ConversationView } from "./conversation-view.js";
import { byId, el } from "./dom.js";
import { drawMemory } from "./memory-view.js";
import { Notices } from "./notices.js";
import { SampleCaller } from "./sample-caller.js";
import { Waterfall } from "./waterfall.js";

const STATE_NAMES = {
  idle: "not connected",
  connecting: "connecting",
  open: "connected",
  reconnecting: "connection lost, trying again",
  ended: "call ended",
};
const END_REASONS = {
  completed: "You hung up.",
  "hung up": "You hung up.", // while there was no connection
  idle: "The call ended: nobody said anything for a while.",
  too_long: "The call ended: it reached its longest time.",
  replaced: "The call went on in another window.",
  drained: "The service is being restarted.",
  cost_cap: "The call ended: it reached its cost limit.",
};

const client = new VoiceClient({ name: "talk-page/1" });
const conversation = new ConversationView();
const waterfall = new Waterfall();
const notices = new Notices();
let sample = null; // {caller, button} while a sample call runs
let waiting = []; // typed texts that the server has not taken
let opened = false; // whether the session was ready: one that was refused has no end

// For a look inside, from the browser's console.
globalThis.voiceAgent = client;

// Session

client.addEventListener("state", ({ detail: { state, reason } }) => {
  const shown = state === "ended" && !opened ? "idle" : state;
  byId("status").dataset.state = shown;
  byId("status-text").textContent = STATE_NAMES[shown];
  byId("hangup").hidden = state === "idle" || state === "ended" || state === "connecting";
  byId("talk").setAttribute("aria-disabled", String(state === "connecting")); // a disabled button would lose the focus
  if (state === "open") notices.solved();
  if (state !== "ended") {
    showMicrophone();
    return;
  }
  sample?.caller.stop();
  client.closeMicrophone();
  client.stopRecogniser();
  notices.askListen(null);
  showMicrophone();
  if (!opened) return;
  opened = false;
  if (byId("text").value === "") byId("text").value = waiting.join(" "); // what nobody took is not lost
  if (reason && !(reason in END_REASONS)) notices.problem(`The call ended: ${reason}.`);
  conversation.divide(END_REASONS[reason] ?? "The call ended.");
});

client.addEventListener("session.ready", ({ detail }) => {
  opened = true;
  byId("session").hidden = false;
  byId("tier").textContent = detail.tier;
  byId("policy").textContent = detail.policy;
  byId("limit-row").hidden = detail.limit_usd == null;
  byId("limit").textContent = detail.limit_usd == null ? "" : `$${detail.limit_usd.toFixed(2)}`;
  byId("session-id").textContent = detail.session_id.slice(0, 8);
  byId("session-id").title = detail.session_id;
  waterfall.budgets = detail.budgets_ms;
  byId("send-again").hidden = !detail.resumed || waiting.length === 0;
  if (detail.resumed || detail.epoch === 1) return;
  conversation.divide("A new session.");
  waterfall.clear();
  for (const id of ["cost-section", "memory-section"]) byId(id).hidden = true;
});

client.addEventListener("typed", ({ detail }) => {
  waiting = detail.waiting;
  byId("waiting").hidden = waiting.length === 0;
  const quoted = waiting.map((text) => `“${text}”`).join(", ");
  byId("waiting-text").textContent = waiting.length ? `Not taken yet: ${quoted}` : "";
  if (waiting.length === 0) byId("send-again").hidden = true;
});
byId("send-again").addEventListener("click", () => {
  byId("send-again").hidden = true;
  byId("text").focus();
  client.sendAgain();
});

client.addEventListener("error", ({ detail }) => {
  if (!detail.fatal) notices.problem(detail.message);
});

client.addEventListener("degraded", ({ detail }) => notices.degraded(detail.service, detail.message));
client.addEventListener("recovered", ({ detail }) => {
  notices.recovered(detail.service);
  if (detail.service === "stt") heardAgain();
});

// Conversation

client.addEventListener("transcript.partial", ({ detail }) => {
  conversation.partial(detail.text);
  heardAgain();
});
client.addEventListener("recognised", ({ detail }) => conversation.partial(detail.text));
client.addEventListener("transcript.final", ({ detail }) => conversation.said(detail));
client.addEventListener("reply.text", ({ detail }) => conversation.clause(detail));
client.addEventListener("filler", ({ detail }) => conversation.filler(detail));
client.addEventListener("audio.clear", ({ detail }) => conversation.cut(detail));
client.addEventListener("playback", ({ detail }) => {
  conversation.played(detail);
  if (detail.earMs === null) return;
  waterfall.ear(detail.epoch, detail.turn, detail.earMs);
  conversation.facts({ epoch: detail.epoch, turn: detail.turn, earMs: detail.earMs });
});
client.addEventListener("turn.metrics", ({ detail }) => {
  waterfall.metrics(detail.epoch, detail);
  const budgetMs = client.session.budgets_ms.voice_to_voice;
  conversation.facts({ epoch: detail.epoch, turn: detail.turn, metrics: detail, budgetMs });
});
client.addEventListener("memory.view", ({ detail }) => drawMemory(detail.graph));
client.addEventListener("session.cost", ({ detail }) => {
  byId("cost-section").hidden = false;
  byId("cost").textContent = `$${detail.usd.toFixed(4)}`;
  byId("tokens").textContent = `${detail.tokens.toLocaleString("en-US")} tokens`;
  const services = Object.entries(detail.by_service).sort(([, one], [, other]) => other - one);
  byId("by-service").replaceChildren(
    ...services.map(([service, usd]) =>
      el("div", {}, el("dt", { text: service }), el("dd", { text: `$${usd.toFixed(4)}` })),
    ),
  );
});

// Browser's own recogniser

client.addEventListener("listen.browser", ({ detail }) => notices.askListen(detail.reason));
byId("listen-here").addEventListener("click", () => {
  notices.askListen(null);
  client.startRecogniser();
});
byId("listen-not").addEventListener("click", () => {
  notices.askListen(null);
  byId("text").focus();
});
client.addEventListener("recogniser", ({ detail }) => {
  if (detail.reason === null) return;
  notices.problem(`This browser’s recogniser gave up (${detail.reason}). You can type.`);
  byId("text").focus();
});

/** The service hears the caller: the browser's own recogniser is not needed any more. */
function heardAgain() {
  notices.askListen(null);
  notices.solved();
  client.stopRecogniser();
}

// Controls

client.addEventListener("level", ({ detail }) => {
  const decibels = 20 * Math.log10(Math.max(detail.level, 1e-5));
  const share = Math.max(0, Math.min(1, (decibels + 60) / 55));
  byId("meter").firstElementChild.style.transform = `scaleX(${share.toFixed(3)})`;
  byId("meter").dataset.speaking = detail.speaking;
});

/** Opens sound and session; false when the service cannot be reached. */
async function open() {
  let silent = null;
  try {
    await client.openAudio();
  } catch (error) {
    silent = error;
  }
  try {
    await client.connect();
  } catch (error) {
    const unanswered = error instanceof TypeError;
    notices.problem(
      unanswered ? "The service does not answer." : `The service opened no session: ${error.message}.`,
    );
    return false;
  }
  // Told last: an open session takes back what was told before.
  if (silent) {
    notices.problem(`No sound here (${silent.message}). You can type, and the agent’s words appear as text.`);
  }
  return true;
}

byId("talk").addEventListener("click", async () => {
  if (client.state === "connecting") return;
  if (client.audio?.microphone) {
    client.closeMicrophone();
    return;
  }
  sample?.caller.stop();
  if (!(await open())) return;
  if (!client.audio) {
    byId("text").focus();
    return;
  }
  try {
    await client.openMicrophone();
  } catch (error) {
    notices.problem(
      error.name === "NotAllowedError"
        ? "The microphone is not allowed here. You can type; the agent answers aloud all the same."
        : `There is no microphone (${error.message}). You can type; the agent answers aloud all the same.`,
    );
    byId("text").focus();
  }
});

client.addEventListener("microphone", ({ detail }) => {
  if (detail.lost) notices.problem("The microphone went away. You can type, or start talking again.");
  else if (detail.open) notices.solved();
  showMicrophone();
});

byId("type").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = byId("text").value.trim();
  if (!text || !(await open())) return;
  if (!client.sendText(text)) {
    notices.problem("There is no connection at the moment. Your text is kept; send it again in a moment.");
  }
  else if (byId("text").value.trim() === text) byId("text").value = ""; // what was typed meanwhile stays
});

byId("hangup").addEventListener("click", () => {
  client.hangUp();
  byId("talk").focus(); // its own button goes: the focus would fall to the page
});

function showMicrophone() {
  const on = Boolean(client.audio?.microphone);
  const start = byId("status").dataset.state === "ended" ? "Call again" : "Start talking";
  byId("talk-text").textContent = on ? "Turn microphone off" : start;
  byId("talk").classList.toggle("on", on);
  // A screen reader that reads the reply aloud would be heard by an open microphone, and the agent speaks anyway.
  byId("turns").setAttribute("aria-live", on ? "off" : "polite");
}

/** Header and notices leave the rest of a small window to the conversation. */
const above = new ResizeObserver(() => {
  const height = byId("notices").getBoundingClientRect().bottom + globalThis.scrollY;
  document.documentElement.style.setProperty("--above", `${Math.ceil(height)}px`);
});
for (const part of [document.querySelector("header"), byId("notices")]) above.observe(part);

// Sample callers

async function showSamples() {
  const told = await (await fetch("/sample-calls.json")).json();
  notices.simulated(told.simulated, told.keys, told.local ?? []);
  byId("samples").hidden = told.calls.length === 0;
  byId("sample-hint").hidden = told.calls.length === 0;
  byId("sample-buttons").replaceChildren(
    ...told.calls.map((call) => {
      const onclick = (event) => runSample(call, event.currentTarget);
      return el("button", { type: "button", text: call.title, "data-call": call.name, onclick });
    }),
  );
}

async function runSample(call, button) {
  if (sample !== null) {
    sample.caller.stop();
    return;
  }
  const others = [...byId("sample-buttons").children].filter((other) => other !== button);
  sample = { caller: new SampleCaller(client), button };
  for (const other of others) other.disabled = true;
  button.textContent = `Stop: ${call.title}`;
  try {
    if ((await open()) && client.audio) {
      client.closeMicrophone();
      await sample.caller.run(call);
    }
  } catch (error) {
    notices.problem(`The sample call stopped: ${error.message}.`);
  } finally {
    sample = null;
    button.textContent = call.title;
    for (const other of others) other.disabled = false;
  }
}

await showSamples();
