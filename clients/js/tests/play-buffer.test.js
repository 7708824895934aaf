import assert from "node:assert/strict";
import { test } from "node:test";

import { PlayBuffer } from "../play-buffer.js";

const RATE = 48000;
const QUANTUM = 128;

/** A buffer, its reports, and what it played. */
function player(rate = RATE) {
  const reports = [];
  const sound = [];
  const buffer = new PlayBuffer(rate, (report) => reports.push(report));
  return {
    buffer,
    reports,
    sound,
    events: () => reports.map(({ event }) => event).filter((event) => event !== "position"),
    play(ms) {
      const until = sound.length + (ms * rate) / 1000;
      while (sound.length < until) {
        const out = new Float32Array(QUANTUM);
        buffer.render(out, sound.length);
        sound.push(...out);
      }
    },
  };
}

/** A steady level of 0.5. */
const pcm = (ms) => new Int16Array(ms * 16).fill(16384);
const audible = (sound) => sound.filter((sample) => Math.abs(sample) > 1e-4).length;

test("a reply is played whole, and reported to the sample", () => {
  const { buffer, play, reports, sound, events } = player();
  play(10);
  buffer.begin(7);
  buffer.push(pcm(100));
  buffer.push(pcm(150));
  buffer.end();
  const began = sound.length;
  play(400);
  assert.deepEqual(events(), ["started", "finished"]);
  assert.deepEqual(reports[0], { event: "started", turn: 7, playedMs: 0, frame: began });
  assert.equal(reports.at(-1).playedMs, 250);
  assert.equal(reports.at(-1).frame, began + 250 * 48);
  assert.equal(audible(sound), 250 * 48);
});

test("positions come ten times a second", () => {
  const { buffer, play, reports } = player();
  buffer.begin(1);
  buffer.push(pcm(1000));
  play(480);
  const positions = reports.filter(({ event }) => event === "position").map(({ playedMs }) => Math.round(playedMs));
  assert.deepEqual(positions, [0, 100, 200, 300, 400]);
});

test("a first drop of audio waits for more, but not for long", () => {
  const { buffer, play, events } = player();
  buffer.begin(1);
  buffer.push(pcm(20));
  play(30);
  assert.deepEqual(events(), []);
  buffer.push(pcm(20));
  play(5);
  assert.deepEqual(events(), ["started"]);

  const slow = player();
  slow.buffer.begin(1);
  slow.buffer.push(pcm(20));
  slow.play(70);
  assert.equal(slow.events()[0], "started");
});

test("running dry is silence, and the rest is played when enough of it has come", () => {
  const { buffer, play, events, sound, reports } = player();
  buffer.begin(1);
  buffer.push(pcm(100));
  play(200);
  assert.deepEqual(events(), ["started", "drained"]);
  buffer.push(pcm(40));
  play(20);
  const before = audible(sound);
  buffer.push(pcm(60));
  buffer.end();
  play(200);
  assert.deepEqual(events(), ["started", "drained", "finished"]);
  assert.ok(before < 101 * 48, "40 ms were not enough to go on");
  assert.equal(reports.at(-1).playedMs, 200);
});

test("a pause stops within 5 ms, keeps what is left, and counts nothing while it lasts", () => {
  const { buffer, play, sound, reports, events } = player();
  buffer.begin(1);
  buffer.push(pcm(300));
  buffer.end();
  play(100);
  const asked = sound.length;
  buffer.pause();
  play(500);
  const last = sound.findLastIndex((sample) => Math.abs(sample) > 1e-4);
  assert.ok(last - asked <= 5 * 48, `silent ${(last - asked) / 48} ms later`);
  const paused = reports.find(({ event }) => event === "paused");
  assert.ok(Math.abs(paused.playedMs - 105) < 3);
  buffer.resume();
  play(400);
  assert.deepEqual(events(), ["started", "paused", "resumed", "finished"]);
  assert.equal(reports.at(-1).playedMs, 300);
});

test("clearing drops the rest and tells what was played", () => {
  const { buffer, play, sound, reports, events } = player();
  buffer.begin(1);
  buffer.push(pcm(1000));
  play(200);
  const asked = sound.length;
  buffer.clear();
  buffer.push(pcm(100));
  play(300);
  assert.deepEqual(events(), ["started", "cleared"]);
  assert.ok(Math.abs(reports.at(-1).playedMs - 205) < 3);
  assert.ok(sound.findLastIndex((sample) => sample !== 0) - asked <= 5 * 48);
});

test("clearing a held reply tells it at once", () => {
  const { buffer, play, events } = player();
  buffer.begin(1);
  buffer.push(pcm(1000));
  play(100);
  buffer.pause();
  play(100);
  buffer.clear();
  assert.deepEqual(events(), ["started", "paused", "cleared"]);
});

test("a voice holds a reply that sounds, and no other", () => {
  const { buffer, play, events } = player();
  buffer.begin(1);
  buffer.voice();
  buffer.push(pcm(1000));
  play(100);
  buffer.voice();
  play(100);
  assert.deepEqual(events(), ["started", "paused"]);
});

test("a reply that is held before its first sample does not start", () => {
  const { buffer, play, events, sound } = player();
  buffer.begin(1);
  buffer.pause();
  buffer.push(pcm(200));
  play(100);
  assert.equal(audible(sound), 0);
  buffer.resume();
  play(100);
  assert.deepEqual(events(), ["paused", "resumed", "started"]);
});

test("the next reply takes the place of one that has not ended", () => {
  const { buffer, play, reports, events } = player();
  buffer.begin(1);
  buffer.push(pcm(500));
  play(100);
  buffer.begin(2);
  buffer.push(pcm(100));
  buffer.end();
  play(200);
  assert.deepEqual(events(), ["started", "cleared", "started", "finished"]);
  assert.equal(reports.at(-1).turn, 2);
  assert.equal(reports.at(-1).playedMs, 100);
});

test("more than two minutes of audio are not kept", () => {
  const { buffer, events } = player();
  buffer.begin(1);
  for (let i = 0; i < 121; i += 1) buffer.push(pcm(1000));
  assert.deepEqual(events(), ["overflow"]);
});

test("hardware at 44.1 kHz plays the same milliseconds", () => {
  const { buffer, play, reports } = player(44100);
  buffer.begin(1);
  buffer.push(pcm(250));
  buffer.end();
  play(400);
  assert.equal(reports.at(-1).event, "finished");
  assert.ok(Math.abs(reports.at(-1).playedMs - 250) < 0.05);
});
