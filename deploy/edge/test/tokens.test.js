/** The contract with the service: `tests/unit/auth/test_edge_contract.py` reads the same vectors. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { jwtVerify } from "jose";

import { membershipSubject, mintSession, TokenError } from "../src/tokens.js";

const vectors = JSON.parse(readFileSync(new URL("vectors.json", import.meta.url)));

for (const { name, cookie, audience, subject, reason } of vectors.membership) {
  test(`membership: ${name}`, async () => {
    const read = membershipSubject(cookie, vectors.membership_secrets, audience ?? undefined);
    if (subject !== undefined) assert.equal(await read, subject);
    else await assert.rejects(read, (error) => error instanceof TokenError && error.reason === reason);
  });
}

test("a session token has these claims and lives fifteen minutes", async () => {
  const { subject, session_id: sessionId, now, claims } = vectors.session;
  const minted = await mintSession({ subject, sessionId, secret: vectors.token_secret, now: new Date(now * 1000) });
  const { payload, protectedHeader } = await jwtVerify(minted.token, new TextEncoder().encode(vectors.token_secret), {
    currentDate: new Date(now * 1000),
  });
  assert.deepEqual(payload, claims);
  assert.equal(protectedHeader.alg, "HS256");
  assert.equal(minted.expires.getTime(), (now + 900) * 1000);
});
