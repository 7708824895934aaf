import assert from "node:assert/strict";
import { test } from "node:test";

import { CallState } from "../../../clients/js/call-state.js";
import { LineQuality } from "../../../agent/web/static/line-quality.js";
import { Preferences, USUAL } from "../../../agent/web/static/preferences.js";
import { EventLog, Transcript } from "../../../agent/web/static/record.js";
import { share } from "../../../agent/web/static/scope.js";
import { percentile } from "../../../agent/web/static/waterfall.js";

/** Plays events to a call; gives the names of its states, those that follow one another once. */
function names(...events) {
  const call = new CallState();
  const seen = [call.name];
  for (const [type, detail = {}] of events) {
    const changed = call.take(type, detail);
    assert.equal(changed, call.name !== seen.at(-1));
    if (changed) seen.push(call.name);
  }
  return seen;
}

const OPEN = [["state", { state: "connecting" }], ["state", { state: "open" }], ["microphone", { open: true }]];
const played = (event, turn = 1, clause = null) => ["playback", { event, turn, clause }];

test("a turn is heard, thought about and spoken, and the call listens again", () => {
  const seen = names(
    ...OPEN,
    ["level", { speaking: true }],
    ["level", { speaking: false }],
    ["transcript.final", { turn: 1, text: "hello" }],
    ["reply.text", { turn: 1 }],
    played("started"),
    played("progress"),
    played("finished"),
    ["turn.metrics", { turn: 1 }],
  );
  const turn = ["hearing", "listening", "thinking", "speaking", "listening"];
  assert.deepEqual(seen, ["idle", "connecting", "ready", "listening", ...turn]);
});

test("a voice over a reply pauses it, and it goes on or is cut off", () => {
  const reply = [["transcript.final", { turn: 1 }], played("started")];
  const cough = names(...OPEN, ...reply, ["level", { speaking: true }], played("paused"), played("resumed"));
  assert.deepEqual(cough.slice(3), ["listening", "thinking", "speaking", "hearing", "paused", "hearing"]);
  const cut = names(...OPEN, ...reply, played("paused"), played("cleared"), ["transcript.final", { turn: 2 }]);
  assert.deepEqual(cut.slice(5), ["speaking", "paused", "listening", "thinking"]);
});

test("clauses that the browser speaks end one by one, and the turn with its figures", () => {
  const seen = names(
    ...OPEN,
    ["transcript.final", { turn: 1 }],
    played("started", 1, 0),
    played("finished", 1, 0),
    played("started", 1, 1),
    played("finished", 1, 1),
    ["turn.metrics", { turn: 1 }],
  );
  assert.deepEqual(seen.slice(4), ["thinking", "speaking", "thinking", "speaking", "thinking", "listening"]);
});

test("muted, typed and lost calls say so", () => {
  assert.equal(names(...OPEN, ["muted", { on: true }]).at(-1), "muted");
  assert.equal(names(...OPEN, ["level", { speaking: true }], ["muted", { on: true }]).at(-1), "muted");
  assert.equal(names(...OPEN, ["microphone", { open: false }]).at(-1), "ready");
  const lost = [...OPEN, ["transcript.final", { turn: 1 }], ["state", { state: "reconnecting" }]];
  assert.equal(names(...lost).at(-1), "reconnecting");
  const back = names(...lost, OPEN[1]);
  assert.equal(back.at(-1), "listening", "what was owed on the lost line is not waited for");
});

test("the browser's own recogniser and a sample caller are listened to, without a microphone", () => {
  const recognised = names(
    ...OPEN.slice(0, 2),
    ["recogniser", { running: true }],
    ["recognised", { text: "I would" }],
    ["transcript.final", { turn: 1 }],
  );
  assert.deepEqual(recognised.slice(2), ["ready", "listening", "hearing", "thinking"]);
  assert.equal(names(...OPEN.slice(0, 2), ["sample", { on: true }]).at(-1), "listening");
});

test("percentiles are of waits that really were, and a turn without a reply is the longest", () => {
  assert.equal(percentile([], 95), null);
  assert.equal(percentile([700], 50), 700);
  const waits = Array.from({ length: 20 }, (_, index) => (20 - index) * 100);
  assert.deepEqual([percentile(waits, 50), percentile(waits, 95)], [1000, 1900]);
  assert.equal(percentile([500, 600, Infinity], 95), Infinity);
});

test("a line is judged by what happened since it was last looked at", () => {
  const line = new LineQuality();
  const at = (roundTripMs, droppedFrames = 0, underruns = 0) =>
    line.judge({ roundTripMs, droppedFrames, underruns }).word;
  assert.deepEqual([at(null), at(40), at(200), at(400)], ["…", "good", "fair", "poor"]);
  assert.deepEqual([at(40, 7), at(40, 7)], ["poor", "good"], "frames that were dropped before are forgiven");
  assert.deepEqual([at(40, 7, 1), at(40, 7, 3)], ["fair", "poor"]);
});

test("levels are drawn from nothing at -60 dB to all at -5 dB", () => {
  assert.deepEqual([share(0), share(0.001), share(1)], [0, 0, 1]);
  assert.ok(share(0.1) > 0.7 && share(0.1) < 0.75);
});

const AT = { epoch: 1, turn: 1 };

test("a transcript says what was said, what was heard and what was noted", () => {
  const transcript = new Transcript();
  transcript.take("transcript.final", { ...AT, text: "A room, please.", spoken: true });
  transcript.take("reply.text", { ...AT, clause: 0, text: "Sure." });
  transcript.take("reply.text", { ...AT, clause: 1, text: "Which day?" });
  transcript.take("text.show", { text: "Reference 4417" });
  transcript.take("audio.clear", { ...AT, heard: "Sure." });
  transcript.take("turn.metrics", { ...AT, outcome: "interrupted", model: "haiku", stages: {}, trace_id: "ab" });
  transcript.take("transcript.final", { epoch: 2, turn: 1, text: "Thanks.", spoken: false });
  const first = "Caller: A room, please.\nAgent: Sure. Which day? [heard: Sure.]\nNote: Reference 4417";
  assert.equal(transcript.text(), `${first}\n\nCaller: Thanks.\n`);
  const { session_id, turns } = JSON.parse(transcript.json({ session_id: "s1" }));
  assert.equal(session_id, "s1");
  assert.deepEqual([turns[0].agent, turns[0].heard, turns[0].metrics.model], ["Sure. Which day?", "Sure.", "haiku"]);
  assert.equal("heard" in turns[1], false);
});

test("the log of events is bounded, and holds nothing that opens a session", () => {
  const log = new EventLog();
  log.take("session.ready", { type: "session.ready", session_id: "s1", resume_token: "secret" });
  assert.equal(log.take("playback", { event: "progress" }), null);
  for (let turn = 0; turn < 1200; turn += 1) log.take("audio.start", { turn });
  assert.deepEqual([log.entries.length, log.count], [1000, 1201]);
  const first = new EventLog();
  first.take("session.ready", { type: "session.ready", session_id: "s1", resume_token: "secret" });
  assert.match(first.lines(), /"type":"session.ready","session_id":"s1"/);
  assert.doesNotMatch(first.lines(), /secret/);
});

test("only what was chosen is kept, and what is kept wrongly is left", () => {
  const kept = new Map();
  const storage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  };
  const preferences = new Preferences(storage);
  assert.deepEqual(preferences.values, USUAL);
  const told = [];
  preferences.addEventListener("change", ({ detail }) => told.push(detail));
  preferences.set("volume", 0.5);
  preferences.set("volume", 0.5);
  assert.deepEqual(told, [{ name: "volume", value: 0.5 }]);
  assert.deepEqual([...kept.values()], ['{"volume":0.5}']);
  preferences.set("volume", 1);
  assert.equal(kept.size, 0);
  kept.set("voice-agent.settings", '{"volume":"loud","theme":"dark","unknown":1}');
  assert.deepEqual(new Preferences(storage).values, { ...USUAL, theme: "dark" });
  kept.set("voice-agent.settings", "not JSON");
  assert.deepEqual(new Preferences(storage).values, USUAL);
});
