import assert from "node:assert/strict";
import { test } from "node:test";

import { FRAME_SAMPLES, VoiceActivity } from "../voice-activity.js";

const voice = (level) => Float32Array.from({ length: FRAME_SAMPLES }, (_, i) => level * Math.SQRT2 * Math.sin(i / 3));

/** Feeds one frame of 20 ms for each level; gives the changes with the time of their frame's end. */
function listen(activity, levels, from = 0) {
  const changes = [];
  levels.forEach((level, i) => {
    const change = activity.frame(voice(level), from + (i + 1) * 0.02);
    if (change) changes.push([change, Number((from + (i + 1) * 0.02).toFixed(2))]);
  });
  return changes;
}

const frames = (count, level) => Array(count).fill(level);

test("a voice starts with its second frame and stops 300 ms after its last", () => {
  const activity = new VoiceActivity();
  const changes = listen(activity, [...frames(10, 0.0005), ...frames(20, 0.1), ...frames(30, 0.0005)]);
  assert.deepEqual(changes, [["started", 0.24], ["stopped", 0.9]]);
  assert.ok(Math.abs(activity.lastVoiced - 0.6) < 1e-9, "the end of the last voiced frame");
});

test("one loud frame is no voice", () => {
  const activity = new VoiceActivity();
  assert.deepEqual(listen(activity, [...frames(10, 0.0005), 0.3, ...frames(10, 0.0005)]), []);
  assert.equal(activity.lastVoiced, null);
});

test("steady noise becomes the floor, and a voice above it is still heard", () => {
  const activity = new VoiceActivity();
  listen(activity, [...frames(3, 0.001), ...frames(1500, 0.01)]);
  assert.equal(activity.speaking, false);
  assert.deepEqual(listen(activity, frames(3, 0.1), 100).map(([change]) => change), ["started"]);
});

test("silence below -50 dBFS is never voiced", () => {
  assert.deepEqual(listen(new VoiceActivity(), [...frames(20, 0.00001), ...frames(20, 0.002)]), []);
});

test("the quiet tail of an utterance, 35 dB below its peak, is not its end", () => {
  const activity = new VoiceActivity();
  listen(activity, [...frames(10, 0.0002), ...frames(10, 0.5), ...frames(5, 0.005)]);
  assert.ok(Math.abs(activity.lastVoiced - 0.4) < 1e-9);
});
