/** The talk page: connects the controls, the client and the views. */
import { CallBar } from "./call-bar.js";
import { VoiceClient } from "./client.js";
import { ConversationView } from "./conversation-view.js";
import { byId, copies, el, show } from "./dom.js";
import { LineQuality } from "./line-quality.js";
import { drawMemory } from "./memory-view.js";
import { Notices } from "./notices.js";
import { Preferences } from "./preferences.js";
import { PushToTalk } from "./push-to-talk.js";
import { RecordView } from "./record-view.js";
import { Samples } from "./samples.js";
import { Settings } from "./settings.js";
import { TERMS } from "./terms.js";
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

const preferences = new Preferences();
const client = new VoiceClient({ name: "talk-page/1" });
const waterfall = new Waterfall();
const conversation = new ConversationView((key) => waterfall.choose(key));
const notices = new Notices((service) => service === "stt" && heardAgain());
const bar = new CallBar(client, preferences);
const samples = new Samples(client, {
  open,
  problem: (text) => notices.problem(text),
  speaks: (on) => bar.sample(on),
  tell: (text) => conversation.divide(text),
});
const settings = new Settings(preferences, (sound) => client.useSound(sound), (text) => notices.problem(text));
new RecordView(client);
let line = new LineQuality();
let waiting = []; // typed texts that the server has not taken
let opened = false; // whether the session was ready: one that was refused has no end
let listens = null; // why this browser is asked to recognise speech
let answered = false; // the question whether it may, where recognition is simulated

// For a look inside, from the browser's console.
globalThis.voiceAgent = client;

// Session

client.addEventListener("state", ({ detail: { state, reason } }) => {
  const shown = state === "ended" && !opened ? "idle" : state;
  byId("status").dataset.state = shown;
  if (shown !== "idle") document.body.classList.remove("samples-first");
  byId("status-text").textContent = STATE_NAMES[shown];
  show("hangup", state === "open" || state === "reconnecting");
  byId("talk").setAttribute("aria-disabled", String(state === "connecting")); // a disabled button would lose the focus
  if (state === "open") notices.solved();
  if (state !== "ended") {
    showMicrophone();
    return;
  }
  samples.stop();
  client.closeMicrophone();
  client.stopRecogniser();
  if (listens !== "simulated") ask(null);
  byId("line-row").hidden = true;
  showMicrophone();
  if (!opened) return;
  opened = false;
  if (byId("text").value === "") byId("text").value = waiting.join(" "); // what nobody took is not lost
  if (reason && !(reason in END_REASONS)) notices.problem(`The call ended: ${reason}.`);
  const byCaller = samples.hangsUp && reason === "completed";
  conversation.divide(byCaller ? "The sample caller hung up." : END_REASONS[reason] ?? "The call ended.");
});

client.addEventListener("session.ready", ({ detail }) => {
  opened = true;
  byId("session").hidden = false;
  byId("tier").textContent = detail.tier;
  byId("policy").textContent = detail.policy;
  byId("policy-row").hidden = detail.policy == null;
  byId("answering").textContent = `${detail.agent} v${detail.agent_version}`;
  byId("answering-row").hidden = detail.agent == null;
  byId("limit-row").hidden = detail.limit_usd == null;
  byId("limit").textContent = detail.limit_usd == null ? "" : `$${detail.limit_usd.toFixed(2)}`;
  copies(byId("session-id"), detail.session_id, "session id");
  waterfall.budgets = detail.budgets_ms;
  show("send-again", detail.resumed && waiting.length > 0, "text");
  if (detail.resumed) return;
  conversation.follow();
  if (detail.epoch === 1) return;
  conversation.divide("A new session.");
  line = new LineQuality();
  for (const id of ["latency", "cost-section", "memory-section"]) show(id, false);
  waterfall.clear();
});

client.addEventListener("connection", ({ detail }) => {
  const { text, title } = line.judge(detail);
  byId("line-row").hidden = false;
  byId("line").textContent = text;
  byId("line").title = title;
});

client.addEventListener("typed", ({ detail }) => {
  waiting = detail.waiting;
  byId("waiting").hidden = waiting.length === 0;
  const quoted = waiting.map((text) => `“${text}”`).join(", ");
  byId("waiting-text").textContent = waiting.length ? `Not taken yet: ${quoted}` : "";
  if (waiting.length === 0) show("send-again", false, "text");
});
byId("send-again").addEventListener("click", () => {
  show("send-again", false, "text");
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
client.addEventListener("echo", ({ detail }) => {
  const off = preferences.values.echoCancellation ? "" : " Echo cancellation is off: the settings turn it on.";
  notices.problem(`${detail.message}${off}`);
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
client.addEventListener("text.show", ({ detail }) => conversation.note(detail.text));
client.addEventListener("transfer", ({ detail }) => {
  conversation.note(detail.summary);
  conversation.divide("The agent asks a person to take over.");
});
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
client.addEventListener("memory.view", ({ detail }) => drawMemory(detail.graph, (turn) => conversation.show(turn)));
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
  const simulated = client.session?.simulated?.length > 0;
  byId("cost-note").hidden = !simulated;
  byId("cost-note").textContent = simulated ? "At list prices: what is simulated bills nobody." : "";
});

// Browser's own recogniser

function ask(reason) {
  listens = reason;
  if (reason === null) show("ask-listen", false);
  void notices.askListen(reason);
}
client.addEventListener("listen.browser", ({ detail }) => {
  if (detail.reason !== "simulated" || !answered) ask(detail.reason);
});
byId("listen-here").addEventListener("click", async () => {
  answered = true;
  ask(null);
  samples.stop();
  if (!(await open())) return;
  client.closeMicrophone(); // what it hears would be taken for a second caller
  client.startRecogniser();
});
byId("listen-not").addEventListener("click", () => {
  answered = true;
  ask(null);
  byId("text").focus();
});
client.addEventListener("recogniser", ({ detail }) => {
  showMicrophone();
  if (detail.reason === null) return;
  notices.problem(`This browser’s recogniser gave up (${detail.reason}). You can type.`);
  byId("text").focus();
});

/** The service hears the caller: the browser's own recogniser is not needed any more. */
function heardAgain() {
  notices.solved();
  if (listens === "simulated" || answered) return; // it hears sample callers at best
  ask(null);
  client.stopRecogniser();
}

// Controls

/** Opens sound and session; false when the service cannot be reached. `policy` is a sample caller's choice. */
async function open(policy = null) {
  let silent = null;
  try {
    await client.openAudio();
  } catch (error) {
    silent = error;
  }
  client.agent = settings.agent;
  try {
    await client.connect({ policy });
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
    if (!preferences.values.pushToTalk) client.mute(!client.muted);
    return;
  }
  if (byId("talk").dataset.listens === "true") {
    client.stopRecogniser();
    return;
  }
  samples.stop();
  if (!(await open())) return;
  if (!client.audio) {
    byId("text").focus();
    return;
  }
  try {
    await client.openMicrophone({ muted: preferences.values.pushToTalk });
    if (client.recognising) client.closeMicrophone(); // the caller chose this browser's ears meanwhile
  } catch (error) {
    notices.problem(
      error.name === "NotAllowedError"
        ? "The microphone is not allowed here. You can type; the agent answers aloud all the same."
        : `There is no microphone (${error.message}). You can type; the agent answers aloud all the same.`,
    );
    byId("text").focus();
  }
});
new PushToTalk(byId("talk"), {
  active: () => preferences.values.pushToTalk && Boolean(client.audio?.microphone),
  talk: (on) => client.mute(!on),
});
preferences.addEventListener("change", ({ detail }) => {
  if (detail.name !== "pushToTalk") return;
  client.mute(detail.value);
  showMicrophone();
});

client.addEventListener("microphone", ({ detail }) => {
  if (detail.lost) notices.problem("The microphone went away. You can type, or start talking again.");
  else if (detail.open) notices.solved();
  showMicrophone();
});
client.addEventListener("muted", showMicrophone);

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
  byId("talk").dataset.listens = String(!on && client.recognising);
  byId("talk-text").textContent = talkText(on);
  byId("talk").classList.toggle("on", on || client.recognising);
  // A screen reader that reads the reply aloud would be heard by an open microphone, and the agent speaks anyway.
  byId("turns").setAttribute("aria-live", on && !client.muted ? "off" : "polite");
}

function talkText(on) {
  if (on && preferences.values.pushToTalk) return client.muted ? "Hold to talk" : "Let go to send";
  if (on) return client.muted ? "Unmute" : "Mute";
  if (client.recognising) return "Stop listening";
  return byId("status").dataset.state === "ended" ? "Call again" : "Start talking";
}

/** Header and notices leave the rest of a small window to the conversation. */
const above = new ResizeObserver(() => {
  const height = byId("notices").getBoundingClientRect().bottom + globalThis.scrollY;
  document.documentElement.style.setProperty("--above", `${Math.ceil(height)}px`);
});
for (const part of [document.querySelector("header"), byId("notices")]) above.observe(part);

// What the service says of itself

for (const { name, text } of Object.values(TERMS)) {
  byId("terms-list").append(el("div", {}, el("dt", { text: name }), el("dd", { text })));
}
const [told, agents] = await Promise.all(
  ["/sample-calls.json", "/v1/agents"].map(async (path) => (await fetch(path)).json()),
);
settings.showAgents(agents);
notices.follow(told);
const [first] = told.calls;
if (told.simulated.includes("stt") && first) {
  // The one thing to do first is what works here.
  byId("welcome").textContent = `Press “${first.title}”: a sample caller speaks for you, and the agent answers aloud.`;
  document.body.classList.add("samples-first");
  if ((globalThis.SpeechRecognition ?? globalThis.webkitSpeechRecognition) !== undefined) ask("simulated");
}
samples.show(told.calls);
