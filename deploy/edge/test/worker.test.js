/** The worker in workerd: who gets a token, who does not, and what a member may hold at once. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { jwtVerify, SignJWT } from "jose";

import { runEdge, SECRETS } from "./edge.js";

const secret = (name) => new TextEncoder().encode(SECRETS[name]);
let edge;

before(async () => {
  edge = await runEdge();
});
after(() => edge.dispose());

function cookie(subject, { name = "MEMBERSHIP_SECRET", until = "5m", ...claims } = {}) {
  return new SignJWT({ sub: subject, ...claims })
    .setProtectedHeader({ alg: "HS256" }).setExpirationTime(until).sign(secret(name));
}

async function ask(path, { member, body, method = "POST", headers = {}, cf } = {}) {
  const sent = { ...headers };
  if (member !== undefined) sent.cookie = `theme=dark; premium_token=${member}`;
  const answer = await edge.dispatchFetch(`https://edge.test${path}`, {
    method, headers: sent, body: body === undefined ? undefined : JSON.stringify(body), cf,
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: text === "" ? null : JSON.parse(text) };
}

test("a member gets a token for fifteen minutes and the address of a region", async () => {
  const answer = await ask("/v1/sessions", { member: await cookie("ann"), cf: { continent: "NA" } });
  assert.equal(answer.status, 201);
  assert.equal(answer.headers.get("cache-control"), "no-store");
  const { session_id, token, url, tier, region } = answer.body;
  assert.deepEqual([url, tier, region], ["wss://us.voice.example/v1/voice", "premium", "us"]);
  const { payload } = await jwtVerify(token, secret("TOKEN_SECRET"));
  assert.deepEqual([payload.sub, payload.scope, payload.sid], ["ann", "voice-session", session_id]);
  assert.equal(payload.exp - payload.iat, 900);
  assert.equal(Date.parse(answer.body.expires_at), payload.exp * 1000);
});

test("a caller of no known continent goes to the default region", async () => {
  const answer = await ask("/v1/sessions", { member: await cookie("bea"), cf: { continent: "AN" } });
  assert.equal(answer.body.url, "wss://eu.voice.example/v1/voice");
});

test("no cookie, an expired one and a forged one get nothing, and are told why", async () => {
  const forged = await cookie("eve", { name: "OPERATOR_TOKEN" });
  const session = await cookie("eve", { scope: "voice-session" });
  for (const [member, reason] of [
    [undefined, "missing"], [await cookie("eve", { until: "-1m" }), "expired"], [forged, "signature"],
    [session, "membership"], ["abc", "malformed"],
  ]) {
    const answer = await ask("/v1/sessions", { member });
    assert.equal(answer.status, 401);
    assert.match(answer.body.detail, new RegExp(reason));
    assert.equal(answer.headers.get("content-type"), "application/problem+json");
  }
});

test("a member has one live session: a second one needs the end of the first, or replaces it", async () => {
  const member = await cookie("carl");
  const first = await ask("/v1/sessions", { member });
  const second = await ask("/v1/sessions", { member });
  assert.deepEqual([first.status, second.status], [201, 409]);
  assert.ok(Number(second.headers.get("retry-after")) > 3_500);
  assert.equal((await ask(`/v1/sessions/${first.body.session_id}`, { member: await cookie("dora"), method: "DELETE" })).status, 404);
  assert.equal((await ask(`/v1/sessions/${first.body.session_id}`, { member, method: "DELETE" })).status, 204);
  const third = await ask("/v1/sessions", { member });
  assert.equal(third.status, 201);
  const fourth = await ask("/v1/sessions", { member, body: { replace: true } });
  assert.equal(fourth.status, 201);
  assert.equal((await ask(`/v1/sessions/${third.body.session_id}`, { member, method: "DELETE" })).status, 404);
});

test("of ten who ask at once for one member, one gets a session", async () => {
  const member = await cookie("finn");
  const answers = await Promise.all(Array.from({ length: 10 }, () => ask("/v1/sessions", { member })));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, ...Array(9).fill(409)]);
});

test("a member who asks too often waits, and another one notices nothing", async () => {
  const member = await cookie("gus");
  const answers = [];
  for (let n = 0; n < 22; n += 1) answers.push(await ask("/v1/sessions", { member, body: { replace: true } }));
  const refused = answers.filter(({ status }) => status === 429);
  assert.ok(refused.length >= 1 && answers.filter(({ status }) => status === 201).length >= 20);
  assert.ok(Number(refused[0].headers.get("retry-after")) >= 1);
  assert.equal((await ask("/v1/sessions", { member: await cookie("hal") })).status, 201);
});

test("a revoked member gets nothing until that is taken back; only the operator revokes", async () => {
  const member = await cookie("ida");
  const headers = { authorization: `Bearer ${SECRETS.OPERATOR_TOKEN}` };
  assert.equal((await ask("/v1/members/revoke", { body: { subject: "ida" } })).status, 401);
  const wrong = { authorization: "Bearer wrong" };
  assert.equal((await ask("/v1/members/revoke", { body: { subject: "ida" }, headers: wrong })).status, 401);
  assert.equal((await ask("/v1/members/revoke", { body: { subject: 7 }, headers })).status, 400);
  assert.equal((await ask("/v1/members/revoke", { body: { subject: "ida" }, headers })).status, 204);
  assert.equal((await ask("/v1/sessions", { member })).status, 403);
  assert.equal((await ask("/v1/members/revoke", { body: { subject: "ida", revoked: false }, headers })).status, 204);
  assert.equal((await ask("/v1/sessions", { member })).status, 201);
});

test("another site's page cannot use a member's cookie", async () => {
  const member = await cookie("jon");
  const foreign = await ask("/v1/sessions", { member, headers: { origin: "https://evil.example" } });
  assert.equal(foreign.status, 403);
  assert.equal(foreign.headers.get("access-control-allow-origin"), null);
  const own = await ask("/v1/sessions", { member, headers: { origin: "https://www.voice.example" } });
  assert.equal(own.status, 201);
  assert.equal(own.headers.get("access-control-allow-origin"), "https://www.voice.example");
});

test("what is not asked rightly is refused with a problem document", async () => {
  const member = await cookie("kim");
  assert.equal((await ask("/", { method: "GET" })).status, 404);
  assert.equal((await ask("/v1/sessions", { method: "GET" })).status, 405);
  assert.equal((await ask("/v1/sessions", { member, body: "x".repeat(2_000) })).status, 413);
  assert.equal((await ask("/v1/sessions", { member, body: [1] })).status, 400);
  assert.equal((await ask("/v1/voice", { method: "GET" })).status, 404, "audio never passes here");
});

test("a worker whose secrets are weak or shared answers nobody, and does not say why to strangers", async () => {
  const shared = await runEdge({ MEMBERSHIP_SECRET: SECRETS.TOKEN_SECRET });
  try {
    const answer = await shared.dispatchFetch("https://edge.test/v1/sessions", { method: "POST" });
    assert.equal(answer.status, 500);
    assert.doesNotMatch(await answer.text(), /SECRET/);
  } finally {
    await shared.dispose();
  }
});

test("an old secret is as strong as a new one, and nobody else's", async () => {
  for (const MEMBERSHIP_SECRET_PREVIOUS of ["short", SECRETS.TOKEN_SECRET, SECRETS.OPERATOR_TOKEN]) {
    const weak = await runEdge({ MEMBERSHIP_SECRET_PREVIOUS });
    try {
      const headers = { origin: "https://evil.example" };
      const answer = await weak.dispatchFetch("https://edge.test/v1/sessions", { method: "POST", headers });
      assert.equal(answer.status, 500);
      assert.equal(answer.headers.get("access-control-allow-origin"), null, "nobody's page reads it");
      await answer.text();
    } finally {
      await weak.dispose();
    }
  }
});

test("the rest of a body without end is not read", async () => {
  const member = await cookie("lee");
  let read = 0;
  const endless = new ReadableStream({
    pull(controller) {
      read += 64_000;
      if (read > 64_000_000) controller.close();
      else controller.enqueue(new Uint8Array(64_000));
    },
  });
  const asked = edge.dispatchFetch("https://edge.test/v1/sessions", {
    method: "POST", headers: { cookie: `premium_token=${member}` }, body: endless, duplex: "half",
  });
  // a connection that is cut while it is written to may hide the answer from who writes
  assert.equal(await asked.then(({ status }) => status, () => 413), 413);
  assert.ok(read < 64_000_000, `${read} bytes were taken`);
});
