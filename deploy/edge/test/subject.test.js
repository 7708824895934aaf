/** The bucket of a member, with clocks that a test sets. */

import assert from "node:assert/strict";
import { register } from "node:module";
import { test } from "node:test";

const RUNTIME = "data:text/javascript,export class DurableObject { constructor(ctx) { this.ctx = ctx; } }";
const HOOK = `export const resolve = (name, context, next) =>
  name === "cloudflare:workers" ? { url: ${JSON.stringify(RUNTIME)}, shortCircuit: true } : next(name, context);`;
register(`data:text/javascript,${encodeURIComponent(HOOK)}`);
const { Subject } = await import("../src/subject.js");

function member() {
  const kept = new Map();
  const storage = {
    get: async (name) => kept.get(name),
    put: async (name, value) => kept.set(name, value),
    delete: async (name) => kept.delete(name),
  };
  return new Subject({ storage });
}

async function opened(subject, times) {
  const answers = [];
  for (const [n, now] of times.entries()) {
    answers.push(await subject.open({ sessionId: `session-${n}`, liveSeconds: 60, replace: true, now }));
  }
  return answers.filter((answer) => answer.opened).length;
}

test("a worker whose clock is behind fills no bucket", async () => {
  const now = 1_800_000_000_000;
  assert.equal(await opened(member(), Array.from({ length: 60 }, (_, n) => now - (n % 2) * 10_000)), 20);
});

test("time fills it, one token in two seconds", async () => {
  const now = 1_800_000_000_000;
  const times = [...Array(20).fill(now), now + 1_000, now + 2_000, now + 2_000, now + 4_000];
  assert.equal(await opened(member(), times), 22);
});
