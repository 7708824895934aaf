import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { Replies } from "../replies.js";
import { FakeDevice, FakeVoice } from "./fakes.js";

let device;
let voice;
let reports;
let replies;

const pcm = (ms) => new ArrayBuffer(ms * 32);
const told = () =>
  reports
    .filter(({ event }) => event !== "position")
    .map(({ event, playedMs, clause }) => `${event} ${playedMs}${clause === null ? "" : ` #${clause}`}`);

beforeEach(() => {
  device = new FakeDevice();
  voice = new FakeVoice();
  reports = [];
  replies = new Replies(device, voice, (report) => reports.push(report));
});

test("audio goes to the device, its reports to the server", () => {
  assert.equal(replies.text(1), 0);
  replies.audio(pcm(100));
  assert.equal(replies.text(1), 100, "the second clause begins where the first one ends");
  replies.audio(pcm(60));
  replies.complete(1);
  assert.deepEqual(device.asked, ["begin 1", "play 100", "play 60", "end"]);
  device.tell("started", 0, 2.5);
  device.tell("finished", 160);
  assert.deepEqual(told(), ["started 0", "finished 160"]);
  assert.equal(reports[0].time, 2.5);
});

test("progress is reported a few times a second, positions more often", () => {
  replies.text(1);
  replies.audio(pcm(1000));
  device.tell("started");
  for (let ms = 100; ms <= 1000; ms += 100) device.tell("position", ms);
  const progress = [200, 400, 600, 800, 1000].map((playedMs) => `progress ${playedMs}`);
  assert.deepEqual(told(), ["started 0", ...progress]);
  assert.equal(reports.filter(({ event }) => event === "position").length, 5);
});

test("the server's pause and resume reach the device", () => {
  replies.text(1);
  replies.audio(pcm(100));
  device.tell("started");
  replies.pause(1);
  device.tell("paused", 40);
  replies.resume(1);
  device.tell("resumed", 40);
  assert.deepEqual(device.asked, ["begin 1", "play 100", "pause", "resume"]);
  assert.deepEqual(told(), ["started 0", "paused 40", "resumed 40"]);
});

test("a pause that only this side made ends after half a second", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    replies.text(1);
    replies.audio(pcm(100));
    device.tell("started");
    device.tell("paused", 40);
    mock.timers.tick(499);
    assert.ok(!device.asked.includes("resume"));
    mock.timers.tick(1);
    assert.ok(device.asked.includes("resume"));
  } finally {
    mock.timers.reset();
  }
});

test("a pause that the server confirms waits for the server", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    replies.text(1);
    replies.audio(pcm(100));
    device.tell("started");
    device.tell("paused", 40);
    replies.pause(1);
    mock.timers.tick(10_000);
    assert.ok(!device.asked.includes("resume"));
  } finally {
    mock.timers.reset();
  }
});

test("clearing drops late audio, and the device says what was played", () => {
  replies.text(1);
  replies.audio(pcm(100));
  replies.clear(1);
  replies.audio(pcm(100));
  assert.deepEqual(device.asked, ["begin 1", "play 100", "clear"]);
  device.tell("cleared", 55);
  assert.deepEqual(told(), ["cleared 55"]);
  assert.equal(replies.playing, false);
});

test("a message about an older reply changes nothing", () => {
  replies.text(2);
  replies.audio(pcm(100));
  replies.pause(1);
  replies.clear(1);
  assert.deepEqual(device.asked, ["begin 2", "play 100"]);
});

test("a clause that the browser speaks is reported by its number", () => {
  device.context.currentTime = 4.5;
  replies.text(1);
  replies.speak(1, 0, "One moment please.");
  assert.deepEqual(voice.asked, ["speak One moment please."]);
  replies.complete(1);
  voice.on.onstart();
  voice.on.onend();
  assert.deepEqual(told(), ["started 0 #0", "finished 0 #0"]);
  assert.equal(reports[0].time, 4.5);
});

test("clauses of the browser wait for the audio before them, and audio for them", () => {
  replies.text(1);
  replies.audio(pcm(100));
  replies.speak(1, 1, "x".repeat(15));
  assert.equal(replies.text(1), 1100, "15 characters are a second on the reply's time axis");
  replies.audio(pcm(200));
  replies.complete(1);
  assert.deepEqual(device.asked, ["begin 1", "play 100", "end"]);
  assert.deepEqual(voice.asked, []);
  device.tell("started");
  device.tell("finished", 100);
  assert.equal(voice.asked.length, 1);
  voice.on.onstart();
  voice.on.onend();
  assert.deepEqual(device.asked.slice(3), ["begin 1", "play 200", "end"]);
  device.tell("started", 0);
  device.tell("finished", 200);
  assert.deepEqual(told(), ["started 0", "started 100 #1", "finished 100 #1", "progress 1100", "finished 1300"]);
});

test("the browser's voice is paused, resumed and silenced", () => {
  replies.speak(1, 0, "Hello there.");
  replies.speak(1, 1, "And more.");
  voice.on.onstart();
  replies.pause(1);
  replies.resume(1);
  replies.clear(1);
  voice.on.onend();
  assert.deepEqual(voice.asked, ["speak Hello there.", "pause", "resume", "cancel"]);
  assert.deepEqual(told(), ["started 0 #0", "paused 0", "resumed 0", "cleared 0"]);
});

test("a clause that comes while the caller speaks waits for the resume", () => {
  replies.text(1);
  replies.pause(1);
  replies.speak(1, 0, "Hello.");
  assert.deepEqual(voice.asked, []);
  replies.resume(1);
  assert.deepEqual(voice.asked, ["speak Hello."]);
});

test("a clause that cannot be spoken does not stop the call", () => {
  replies.speak(1, 0, "Hello.");
  replies.speak(1, 1, "Again.");
  voice.on.onerror();
  assert.deepEqual(voice.asked, ["speak Hello.", "speak Again."]);
  assert.deepEqual(told(), ["finished 0 #0"]);
});
