import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { VoiceClient, VoiceError } from "../client.js";
import { FakeDevice, FakeSocket, settle } from "./fakes.js";

let requests;
let answers;
let states;
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
  states = [];
  client.addEventListener("state", ({ detail }) => states.push(detail.state));
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

/** Waits out the client's pause; gives the new socket. */
async function retried(ms) {
  mock.timers.tick(ms);
  await settle();
  return FakeSocket.last;
}

test("the token goes into the subprotocol and into no address", async () => {
  const socket = await connected();
  assert.deepEqual(requests, [{ url: "/v1/sessions", method: "POST", headers: {}, credentials: "same-origin" }]);
  assert.equal(socket.url, "ws://host/v1/voice");
  assert.deepEqual(socket.protocols, ["voice-agent.v1", "bearer.token-1"]);
  assert.deepEqual(states, ["connecting", "open"]);
});

test("start comes first and declares only what there is", async () => {
  const socket = await connected();
  assert.deepEqual(socket.sent[0], {
    type: "start",
    capabilities: { browser_speech: false, browser_recogniser: false, playback_reports: false },
    client: "test/1",
  });
});

test("with a loudspeaker it declares playback reports", async () => {
  const socket = await connected(new FakeDevice());
  assert.equal(socket.sent[0].capabilities.playback_reports, true);
});

test("an API key opens a premium session", async () => {
  client = new VoiceClient({ apiKey: "secret", baseUrl: "https://voice.example/" });
  await connected();
  assert.equal(requests[0].url, "https://voice.example/v1/sessions");
  assert.deepEqual(requests[0].headers, { authorization: "Bearer secret" });
});

test("a refused token request is an error with the service's reason", async () => {
  answers.push({ status: 403, body: { detail: "free sessions are switched off" } });
  await assert.rejects(client.connect(), (error) => {
    const { code, message } = error;
    return error instanceof VoiceError && code === 403 && message === "free sessions are switched off";
  });
  assert.deepEqual(states, ["connecting", "ended"]);
});

test("a refusal at the upgrade tells the server's reason and when to come back", async () => {
  const opening = client.connect();
  await settle();
  FakeSocket.last.onopen();
  const full = { code: "full", message: "all sessions are taken", fatal: true, retry_after_s: 10 };
  FakeSocket.last.tell({ type: "error", ...full });
  FakeSocket.last.drop(4429, "full");
  await assert.rejects(opening, (error) => error.code === "full" && error.retryAfterMs === 10_000);
});

test("a ping is answered at once", async () => {
  const socket = await connected();
  socket.tell({ type: "ping", id: 5 });
  assert.deepEqual(socket.sent.at(-1), { type: "pong", id: 5 });
});

test("every message becomes an event, also one of a type that is not known here", async () => {
  const socket = await connected();
  const seen = [];
  client.addEventListener("new.thing", ({ detail }) => seen.push(detail));
  socket.tell({ type: "new.thing", value: 3 });
  assert.deepEqual(seen, [{ type: "new.thing", value: 3, epoch: 1 }]);
});

test("typed text is sent while there is a connection, and refused without", async () => {
  assert.equal(client.sendText("early"), false);
  const socket = await connected();
  assert.equal(client.sendText("hello"), true);
  assert.deepEqual(socket.of("text"), [{ type: "text", text: "hello", spoken: false }]);
});

test("the microphone's frames are sent, and dropped when the network does not keep up", async () => {
  const device = new FakeDevice();
  await client.openAudio(device);
  device.frame();
  const socket = await connected();
  device.frame();
  socket.bufferedAmount = 64_001;
  device.frame();
  assert.equal(socket.sent.filter((data) => data instanceof ArrayBuffer).length, 1);
  assert.equal(client.droppedFrames, 1);
});

test("ear time runs from the caller's last voiced sample to the first audible one", async () => {
  const device = new FakeDevice();
  const socket = await connected(device);
  device.frame(10);
  socket.tell({ type: "transcript.final", turn: 1, text: "hi", spoken: true });
  device.frame(10.9); // a cough after the turn ended is not its end
  socket.tell({ type: "reply.text", turn: 1, clause: 0, text: "Hello." });
  socket.tell({ type: "audio.start", turn: 1 });
  socket.audio(200);
  device.tell("started", 0, 11);
  const [started] = socket.of("playback");
  // 11.0 s in the graph and 30 ms to the ear, less 10.0 s in the graph and 10 ms from the mouth
  assert.deepEqual(started, { type: "playback", turn: 1, event: "started", played_ms: 0, clause: null, ear_ms: 1040 });
});

test("a typed turn has no ear time", async () => {
  const device = new FakeDevice();
  const socket = await connected(device);
  device.frame(10);
  socket.tell({ type: "transcript.final", turn: 1, text: "hi", spoken: false });
  socket.tell({ type: "audio.start", turn: 1 });
  socket.audio(200);
  device.tell("started", 0, 11);
  assert.equal(socket.of("playback")[0].ear_ms, null);
});

test("barge-in: what was played is reported when the buffer is dropped", async () => {
  const device = new FakeDevice();
  const socket = await connected(device);
  socket.tell({ type: "audio.start", turn: 3 });
  socket.audio(1000);
  device.tell("started");
  socket.tell({ type: "audio.pause", turn: 3 });
  device.tell("paused", 400.04);
  socket.tell({ type: "audio.clear", turn: 3, heard: "Sure." });
  device.tell("cleared", 400.04);
  const reports = socket.of("playback").map(({ event, played_ms }) => [event, played_ms]);
  assert.deepEqual(reports, [["started", 0], ["paused", 400], ["cleared", 400]]);
  assert.deepEqual(device.asked.slice(-2), ["pause", "clear"]);
});

test("positions between two reports are for the page only", async () => {
  const device = new FakeDevice();
  const socket = await connected(device);
  const seen = [];
  client.addEventListener("playback", ({ detail }) => seen.push(detail.event));
  socket.tell({ type: "audio.start", turn: 1 });
  socket.audio(1000);
  device.tell("position", 100);
  assert.deepEqual(seen, ["position"]);
  assert.deepEqual(socket.of("playback"), []);
});

test("a lost connection is opened again with the resume token, and stops the reply", async () => {
  const device = new FakeDevice();
  const socket = await connected(device);
  socket.tell({ type: "audio.start", turn: 1 });
  socket.audio(1000);
  socket.drop(1006);
  assert.equal(client.state, "reconnecting");
  assert.equal(device.asked.at(-1), "clear");
  const second = await retried(400);
  assert.deepEqual(second.protocols, ["voice-agent.v1", "bearer.resume-1"]);
  second.open({ resumed: true, resume_token: "resume-2" });
  assert.equal(client.state, "open");
  assert.equal(client.epoch, 1, "the same session");
  assert.equal(requests.length, 1, "no new token was asked for");
});

test("a line on which nothing comes any more is opened again, though its socket says nothing", async () => {
  const socket = await connected();
  mock.timers.tick(10_900);
  socket.tell({ type: "ping", id: 1 });
  mock.timers.tick(11_900);
  assert.equal(client.state, "open", "a ping begins the wait anew");
  mock.timers.tick(1_000);
  assert.equal(client.state, "reconnecting");
  const second = await retried(400);
  assert.deepEqual(second.protocols, ["voice-agent.v1", "bearer.resume-1"]);
  second.open({ resumed: true });
  assert.equal(client.state, "open");
  socket.tell({ type: "reply.text", turn: 9, clause: 0, text: "too late" });
  assert.equal(client.epoch, 1, "what the old line still brings is left out");
});

test("a call that has ended waits for nothing", async () => {
  const socket = await connected();
  socket.drop(1000, "completed");
  mock.timers.tick(20_000);
  assert.deepEqual(states, ["connecting", "open", "ended"]);
});

test("typed text is kept until the server took it, and sent again when it is asked for", async () => {
  const socket = await connected();
  const waiting = [];
  client.addEventListener("typed", ({ detail }) => waiting.push(detail.waiting));
  client.sendText("one");
  socket.tell({ type: "transcript.final", turn: 1, text: "one", spoken: false });
  client.sendText("two ");
  client.sendText("three");
  socket.tell({ type: "transcript.final", turn: 2, text: "two", spoken: true });
  socket.drop(1006);
  const second = await retried(400);
  second.open({ resumed: true });
  assert.deepEqual(second.of("text"), [], "the server may have taken it: that is for the user to say");
  client.sendAgain();
  assert.deepEqual(second.of("text").map(({ text }) => text), ["two ", "three"]);
  second.tell({ type: "transcript.final", turn: 3, text: "two", spoken: false });
  second.tell({ type: "transcript.final", turn: 4, text: "three", spoken: false });
  assert.deepEqual(waiting, [["one"], [], ["two "], ["two ", "three"], ["three"], []]);
  second.drop(1006);
  const third = await retried(400);
  third.open({ resumed: true });
  client.sendAgain();
  assert.deepEqual(third.of("text"), [], "what was taken is not sent again");
});

test("attempts come less and less often, and the newest resume token is used", async () => {
  (await connected()).drop(1001);
  for (const pause of [400, 800, 1600, 3200, 6400, 7600]) {
    const count = FakeSocket.all.length;
    const socket = await retried(pause);
    assert.equal(FakeSocket.all.length, count + 1);
    socket.drop(1006);
    await settle();
    mock.timers.tick(200);
    assert.equal(FakeSocket.all.length, count + 1, "no second attempt at once");
  }
  assert.equal(client.state, "reconnecting");
});

test("a busy server is asked again when it said", async () => {
  (await connected()).drop(1006);
  const socket = await retried(400);
  socket.tell({ type: "error", code: "full", message: "taken", fatal: true, retry_after_s: 10 });
  socket.drop(4429);
  await settle();
  const count = FakeSocket.all.length;
  await retried(9_900);
  assert.equal(FakeSocket.all.length, count);
  await retried(5_100);
  assert.equal(FakeSocket.all.length, count + 1);
});

test("a call that cannot be looked up is asked for when the server said, and what was typed is kept", async () => {
  const first = await connected(null, { resume_token: "resume-1" });
  client.sendText("two rooms please");
  const waiting = [];
  client.addEventListener("typed", ({ detail }) => waiting.push(detail.waiting));
  first.drop(1006);
  let socket = await retried(400);
  for (let outage = 0; outage < 12; outage += 1) {
    assert.deepEqual(socket.protocols, ["voice-agent.v1", "bearer.resume-1"]);
    const count = FakeSocket.all.length;
    socket.tell({ type: "error", code: "ledger", message: "not just now", fatal: true, retry_after_s: 2 });
    socket.drop(4429, "ledger");
    await settle();
    await retried(1_900);
    assert.equal(FakeSocket.all.length, count, "not before the server said");
    socket = await retried(1_100);
    assert.equal(FakeSocket.all.length, count + 1, "no later than half as long again, however often");
  }
  assert.equal(client.state, "reconnecting");
  assert.equal(requests.length, 1, "no other call is begun");
  socket.open({ resumed: true, resume_token: "resume-2" });
  assert.deepEqual([client.state, client.epoch], ["open", 1]);
  client.sendAgain();
  assert.deepEqual(socket.of("text"), [{ type: "text", text: "two rooms please", spoken: false }]);
  assert.deepEqual(waiting, [], "it was kept all the while");
});

test("a resume token that is not taken any more is replaced by a new session", async () => {
  (await connected()).drop(1006);
  const socket = await retried(400);
  socket.tell({ type: "error", code: "token_expired", message: "expired", fatal: true });
  socket.drop(4401);
  await settle();
  const third = await retried(800);
  assert.deepEqual(third.protocols, ["voice-agent.v1", "bearer.token-2"]);
  third.open();
  assert.equal(client.epoch, 2, "turn numbers begin again");
});

for (const [code, why] of [[1000, "the end"], [4409, "another window"], [4400, "a mistake of this client"]]) {
  test(`a close with ${code}, ${why}, is not answered with another try`, async () => {
    (await connected()).drop(code, "why");
    await retried(60_000);
    assert.equal(FakeSocket.all.length, 1);
    assert.equal(client.state, "ended");
  });
}

test("hanging up tells the server; without a connection it just ends", async () => {
  const socket = await connected();
  client.hangUp();
  assert.deepEqual(socket.sent.at(-1), { type: "hangup" });
  socket.drop(1006);
  client.hangUp();
  assert.equal(client.state, "ended");
  await retried(60_000);
  assert.equal(FakeSocket.all.length, 1);
});

test("who hangs up while the token is on its way gets no session", async () => {
  const opening = client.connect();
  client.hangUp();
  await assert.rejects(opening, VoiceError);
  assert.equal(FakeSocket.all.length, 0);
  assert.deepEqual(states, ["connecting", "ended"]);
});

test("a call that was begun anew is not ended by the one before", async () => {
  const first = client.connect();
  client.hangUp();
  const second = client.connect();
  await assert.rejects(first, VoiceError);
  FakeSocket.last.open();
  await second;
  assert.equal(FakeSocket.all.length, 1);
  assert.deepEqual(states, ["connecting", "ended", "connecting", "open"]);
});

test("a server that does not accept is given up", async () => {
  const opening = client.connect();
  await settle();
  mock.timers.tick(10_000);
  await assert.rejects(opening, VoiceError);
});

test("a server that accepts has time to load what it needs, and is given up when it stays silent", async () => {
  const opening = client.connect();
  await settle();
  mock.timers.tick(9_000);
  FakeSocket.last.onopen();
  mock.timers.tick(29_900);
  assert.equal(FakeSocket.last.closedWith, null);
  mock.timers.tick(100);
  await assert.rejects(opening, VoiceError);
});

test("a call that is to go on is tried twice within half a minute by a server that stays silent", async () => {
  const socket = await connected();
  socket.drop(1006);
  mock.timers.tick(400);
  await settle();
  FakeSocket.last.onopen();
  assert.equal(FakeSocket.all.length, 2);
  mock.timers.tick(10_000);
  await settle();
  mock.timers.tick(1_000);
  await settle();
  assert.equal(FakeSocket.all.length, 3);
  assert.equal(client.state, "reconnecting");
});

test("another process that goes on with the session counts turns afresh", async () => {
  const socket = await connected();
  const epochs = [];
  client.addEventListener("transcript.final", ({ detail }) => epochs.push([detail.epoch, detail.turn]));
  socket.tell({ type: "transcript.final", turn: 1, text: "one", spoken: false });
  socket.tell({ type: "transcript.final", turn: 2, text: "two", spoken: false });
  socket.drop(1006);
  (await retried(400)).open({ resumed: true });
  FakeSocket.last.tell({ type: "transcript.final", turn: 1, text: "three", spoken: false });
  assert.deepEqual(epochs, [[1, 1], [1, 2], [2, 1]]);
});
