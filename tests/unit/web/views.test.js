import assert from "node:assert/strict";
import { test } from "node:test";

import { splitHeard } from "../../../agent/web/static/heard.js";
import { answering } from "../../../agent/web/static/conversation-view.js";
import { layout, unanswered } from "../../../agent/web/static/waterfall.js";

const BUDGETS = { voice_to_voice: 1500, stt: 600, llm: 400, tts: 400, network: 100 };
const metrics = (stages, total) => ({ stages: { stt: null, llm: null, tts: null, send: null, network: null, ...stages }, voice_to_voice_ms: total });

test("what was heard is split at the word, across clauses", () => {
  assert.deepEqual(splitHeard(["Sure.", "Friday at ten, good."], "Sure. Friday at"), [
    { heard: "Sure.", unheard: "" },
    { heard: "Friday at", unheard: "ten, good." },
  ]);
});

test("nothing heard, everything heard, and more than there is", () => {
  assert.deepEqual(splitHeard(["One two."], ""), [{ heard: "", unheard: "One two." }]);
  assert.deepEqual(splitHeard(["One two."], "One two."), [{ heard: "One two.", unheard: "" }]);
  assert.deepEqual(splitHeard(["One."], "One. two three"), [{ heard: "One.", unheard: "" }]);
});

test("stages stand one after another and the sums stand whole", () => {
  const { rows, spanMs } = layout(metrics({ stt: 300, llm: 200, tts: 150, send: 1, network: 40 }, 691), BUDGETS, 720);
  assert.deepEqual(rows.map(({ name, startMs, ms }) => [name, startMs, ms]), [
    ["stt", 0, 300],
    ["llm", 300, 200],
    ["tts", 500, 150],
    ["send", 650, 1],
    ["network", 651, 40],
    ["voice-to-voice", 0, 691],
    ["at the ear", 0, 720],
  ]);
  assert.ok(spanMs >= 1500, "the budget is in the picture");
  assert.ok(rows.every(({ over }) => !over));
});

test("a turn with a tool has a row for it, and its stages add up", () => {
  const told = metrics({ stt: 300, llm: 200, tool: 90, tts: 150, send: 1, network: 40 }, 781);
  const { rows } = layout(told, BUDGETS, null);
  assert.deepEqual(rows.slice(1, 4).map(({ name, startMs, ms }) => [name, startMs, ms]), [
    ["llm", 300, 200],
    ["tool", 500, 90],
    ["tts", 590, 150],
  ]);
  const whole = rows.find(({ name }) => name === "voice-to-voice").ms;
  assert.equal(rows.slice(0, -2).reduce((sum, { ms }) => sum + ms, 0), whole);
});

test("who answered is named where it is not the model that was chosen", () => {
  assert.equal(answering({ model: "haiku", answered_by: "haiku" }), "haiku");
  assert.equal(answering({ model: "haiku", answered_by: "sonnet" }), "haiku → sonnet");
  assert.equal(answering({ model: "haiku", answered_by: null }), "haiku → nobody");
  assert.equal(answering({ model: "haiku" }), "haiku", "an older service does not say");
});

test("an apology is no reply, whatever it took; a typed turn and an unfinished one are neither", () => {
  assert.ok(unanswered({ spoken: true, outcome: "apology", voice_to_voice_ms: null }));
  assert.ok(unanswered({ spoken: true, outcome: "failed", voice_to_voice_ms: null }));
  assert.ok(!unanswered({ spoken: false, outcome: "typed_failed" }));
  assert.ok(!unanswered({ spoken: true, outcome: "replied", voice_to_voice_ms: 700 }));
  assert.ok(!unanswered(null));
});

test("what is over its budget is marked, and the picture is wide enough for it", () => {
  const { rows, spanMs } = layout(metrics({ stt: 900, llm: 500, tts: 400, send: 1, network: 100 }, 1901), BUDGETS, 1950);
  assert.deepEqual(rows.filter(({ over }) => over).map(({ name }) => name), ["stt", "llm", "voice-to-voice", "at the ear"]);
  assert.ok(spanMs >= 1950);
});

test("what was not measured has no length and breaks no budget", () => {
  const { rows } = layout(null, BUDGETS, 800);
  assert.deepEqual(rows.map(({ ms }) => ms), [null, null, null, null, null, null, 800]);
  assert.ok(rows.every(({ over }) => !over));
});
