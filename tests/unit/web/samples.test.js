import assert from "node:assert/strict";
import { test } from "node:test";

import { SampleCaller } from "../../../agent/web/static/sample-caller.js";
import { compared } from "../../../agent/web/static/samples.js";

test("two policies are compared by the median of their replies", () => {
  assert.equal(compared("haiku_first", [900, 1100.4, 1000]), "With haiku_first: 1,000 ms at the median of 3 replies.");
  assert.equal(
    compared("fast", [640, 600, 620, 700], [900, 1100, 1000]),
    "With fast: 620 ms at the median of 4 replies, 380 ms less.",
  );
  assert.equal(compared("fast", [1200], [1000]), "With fast: 1,200 ms at the median of 1 reply, 200 ms more.");
  assert.equal(compared("fast", []), "With fast: no reply.");
});

/** A client that says nothing by itself; `said` are the clips that were played. */
function silentClient() {
  const client = new EventTarget();
  client.said = [];
  client.audio = {
    clips: false,
    stopClip() {},
    async playClip(clip) {
      client.said.push(clip);
      client.tell("transcript.final", { turn: client.said.length });
      client.tell("turn.metrics", { turn: client.said.length, spoken: true, voice_to_voice_ms: 500 });
    },
  };
  client.tell = (type, detail) => client.dispatchEvent(Object.assign(new Event(type), { detail }));
  return client;
}

test("a sample caller hears the agent's greeting to its end before it speaks", async (context) => {
  context.mock.method(globalThis, "fetch", async (url) => ({ arrayBuffer: async () => url }));
  const client = silentClient();
  let greeted = false;
  const caller = new SampleCaller(client, () => greeted);
  const running = caller.run({ lines: [{ url: "one", text: "Hello.", into_reply_ms: null }] });
  await new Promise(setImmediate);
  assert.deepEqual(client.said, []);
  greeted = true;
  client.tell("turn.metrics", { turn: 0, spoken: false });
  assert.equal(await running, true);
  assert.deepEqual(client.said, ["one"]);
  assert.deepEqual(caller.times, [500]);
});

test("a greeting that the line cut off is not waited for by who comes back", async (context) => {
  context.mock.method(globalThis, "fetch", async (url) => ({ arrayBuffer: async () => url }));
  const client = silentClient();
  let greeted = false;
  client.addEventListener("session.ready", ({ detail }) => (greeted = !detail.greets));
  const running = new SampleCaller(client, () => greeted).run({
    lines: [{ url: "one", text: "Hello.", into_reply_ms: null }],
  });
  client.tell("session.ready", { greets: true });
  await new Promise(setImmediate);
  assert.deepEqual(client.said, []);
  client.tell("session.ready", { greets: false });
  const late = new Promise((resolve) => setTimeout(resolve, 3_000, "late").unref());
  assert.equal(await Promise.race([running, late]), true);
});

test("a sample caller who was stopped has not said everything", async (context) => {
  context.mock.method(globalThis, "fetch", async (url) => ({ arrayBuffer: async () => url }));
  const caller = new SampleCaller(silentClient(), () => false);
  const running = caller.run({ lines: [{ url: "one", text: "Hello.", into_reply_ms: null }] });
  caller.stop();
  assert.equal(await running, false);
  assert.equal(caller.stopped, true);
});
