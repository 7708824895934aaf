import assert from "node:assert/strict";
import { test } from "node:test";

import { Resampler } from "../resampler.js";

const tone = (hz, rate, seconds) =>
  Float32Array.from({ length: rate * seconds }, (_, i) => Math.sin((2 * Math.PI * hz * i) / rate));

function run(from, to, input, block = 128) {
  const resampler = new Resampler(from, to);
  const out = [];
  for (let at = 0; at < input.length; at += block) out.push(...resampler.push(input.subarray(at, at + block)));
  out.push(...resampler.flush());
  return out;
}

/** Level of a tone of this frequency in the middle of the signal, 1 for a full sine. */
function level(signal, hz, rate) {
  const part = signal.slice(signal.length / 4, (signal.length * 3) / 4);
  let sine = 0;
  let cosine = 0;
  part.forEach((sample, i) => {
    sine += sample * Math.sin((2 * Math.PI * hz * i) / rate);
    cosine += sample * Math.cos((2 * Math.PI * hz * i) / rate);
  });
  return (2 * Math.hypot(sine, cosine)) / part.length;
}

const RATES = [[48000, 16000], [44100, 16000], [16000, 48000], [16000, 44100], [96000, 16000], [16000, 16000]];
for (const [from, to] of RATES) {
  test(`${from} → ${to} Hz keeps length, level and time`, () => {
    const out = run(from, to, tone(1000, from, 0.5));
    assert.ok(Math.abs(out.length - to * 0.5) <= 1, `${out.length} samples`);
    assert.ok(Math.abs(level(out, 1000, to) - 1) < 0.01);
    const middle = Math.round(to * 0.25);
    const expected = Math.sin((2 * Math.PI * 1000 * middle) / to);
    assert.ok(Math.abs(out[middle] - expected) < 0.02, "no shift in time");
  });
}

test("what 16 kHz cannot carry is removed, not folded down", () => {
  const out = run(48000, 16000, tone(11000, 48000, 0.5));
  assert.ok(level(out, 5000, 16000) < 0.002, "the alias of 11 kHz is at 5 kHz");
});

test("raising the rate leaves no image", () => {
  const out = run(16000, 48000, tone(3000, 16000, 0.5));
  assert.ok(level(out, 13000, 48000) < 0.002, "the image of 3 kHz is at 13 kHz");
});

test("the size of the blocks changes nothing", () => {
  const input = tone(440, 44100, 0.2);
  assert.deepEqual(run(44100, 16000, input, 128), run(44100, 16000, input, 441));
});
