import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { VoiceClient } from "../client.js";
import { FakeDevice, FakeSocket, settle } from "./fakes.js";

let requests;
let answers;
let client;

beforeEach(() => {
  FakeSocket.all = [];
  requests = [];
  answers = [];
  globalThis.WebSocket = FakeSocket;
  globalThis.fetch = async (url, options) => {
    requests.push({ url, ...options });
    const opened = { token: `token-${requests.length}`, url: "ws://host/v1/voice" };
    const { status, body } = answers.shift() ?? { status: 201, body: opened };
    return { ok: status < 400, status, json: async () => body };
  };
  mock.timers.enable({ apis: ["setTimeout"] });
  client = new VoiceClient({ name: "test/1" });
});

afterEach(() => mock.timers.reset());

/** Opens a session; gives its socket. */
async function connected(device = null, ready = {}) {
  if (device) await client.openAudio(device);
  const opening = client.connect();
  await settle();
  FakeSocket.last.open(ready);
  await opening;
  return FakeSocket.last;
}

test("who connects while it connects waits for the same session", async () => {
  const first = client.connect();
  const settled = [];
  const second = client.connect().then(() => settled.push(client.state));
  await settle();
  assert.deepEqual(settled, []);
  FakeSocket.last.open();
  await Promise.all([first, second]);
  assert.deepEqual([settled, requests.length], [["open"], 1]);
});

test("a policy of choice goes into the request of that session alone", async () => {
  const opening = client.connect({ policy: "fast" });
  await settle();
  FakeSocket.last.open();
  await opening;
  assert.deepEqual(JSON.parse(requests[0].body), { policy: "fast" });
  client.hangUp();
  FakeSocket.last.close(1000, "completed");
  await settle();
  await connected();
  assert.equal(requests[1].body, undefined);
});

test("an agent and its variables go into the request, and only where they are set", async () => {
  client = new VoiceClient({ agent: "front_desk", variables: { name: "Ada" } });
  await connected();
  assert.equal(requests[0].headers["content-type"], "application/json");
  assert.deepEqual(JSON.parse(requests[0].body), { agent: "front_desk", variables: { name: "Ada" } });
});

test("how the line is comes with the server's pings", async () => {
  const socket = await connected();
  const seen = [];
  client.addEventListener("connection", ({ detail }) => seen.push(detail));
  socket.tell({ type: "ping", id: 1, round_trip_ms: 42.5 });
  socket.tell({ type: "ping", id: 2 });
  assert.deepEqual(seen, [
    { roundTripMs: 42.5, droppedFrames: 0, underruns: 0 },
    { roundTripMs: null, droppedFrames: 0, underruns: 0 },
  ]);
});

test("mute holds an open microphone silent, and says so once", async () => {
  const device = Object.assign(new FakeDevice(), { microphone: false, muted: false });
  await connected(device);
  const seen = [];
  client.addEventListener("muted", ({ detail }) => seen.push(detail.on));
  client.mute(true);
  assert.deepEqual([device.muted, seen], [false, []], "there is nothing to mute");
  device.microphone = true;
  client.mute(true);
  client.mute(true);
  client.mute(false);
  assert.deepEqual(seen, [true, false]);
});

test("chosen devices are used at once, and by audio that is opened later", async () => {
  const asked = [];
  const device = () => Object.assign(new FakeDevice(), { use: async (sound) => asked.push(sound) });
  await client.useSound({ microphone: "m1", volume: 0.5 });
  assert.deepEqual(asked, [], "there is no audio yet");
  await client.openAudio(device());
  await client.useSound({ echoCancellation: false });
  const first = { microphone: "m1", speaker: "", echoCancellation: true, volume: 0.5 };
  assert.deepEqual(asked, [first, { ...first, echoCancellation: false }]);
});
