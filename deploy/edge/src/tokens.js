/**
 * The two tokens of the edge: it reads the cookie of the membership site, and mints the token that opens a voice session.
 * `test/vectors.json` holds what both this module and the service's `agent/auth/tokens.py` make of the same tokens.
 */

import { errors, jwtVerify, SignJWT } from "jose";

export const SCOPE = "voice-session";
export const SESSION_SECONDS = 15 * 60;
const OWN_SCOPES = new Set([SCOPE, "voice-resume"]);
const ALGORITHM = "HS256";
const MAX_TOKEN = 4096;
const MAX_SUBJECT = 256;
const LEEWAY_S = 5;

/** A credential that is not taken. `reason` is a bounded word, the same as the service's. */
export class TokenError extends Error {
  constructor(reason) {
    super(reason);
    this.name = "TokenError";
    this.reason = reason;
  }
}

const key = (secret) => new TextEncoder().encode(secret);

/**
 * The subject of a membership cookie.
 *
 * @param {string} cookie
 * @param {string[]} secrets the present one first
 * @param {string | undefined} audience the `aud` that it must have, where one is expected
 * @param {Date} [now]
 * @throws {TokenError}
 */
export async function membershipSubject(cookie, secrets, audience, now = new Date()) {
  const claims = await decode(cookie, secrets, audience, now);
  const scopes = ["scope", "scopes", "scp"].flatMap((name) => {
    const value = claims[name];
    return typeof value === "string" ? value.split(/\s+/) : Array.isArray(value) ? value : [];
  });
  // a session token is no membership, whoever signed it
  if ("sid" in claims || scopes.some((scope) => OWN_SCOPES.has(scope))) throw new TokenError("membership");
  return claims.sub;
}

/**
 * The token that opens one voice session of this subject, for 15 minutes.
 *
 * @param {{subject: string, sessionId: string, secret: string, now?: Date}} session
 */
export async function mintSession({ subject, sessionId, secret, now = new Date() }) {
  const at = Math.floor(now.getTime() / 1000);
  const expires = at + SESSION_SECONDS;
  const claims = { sub: subject, scope: SCOPE, sid: sessionId, iat: at, exp: expires };
  const token = await new SignJWT(claims).setProtectedHeader({ alg: ALGORITHM, typ: "JWT" }).sign(key(secret));
  return { token, expires: new Date(expires * 1000) };
}

async function decode(token, secrets, audience, now) {
  if (!token) throw new TokenError("missing");
  if (token.length > MAX_TOKEN) throw new TokenError("oversized");
  for (const [position, secret] of secrets.entries()) {
    try {
      return await decodeWith(token, secret, audience, now);
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      if (error.reason !== "signature" || position === secrets.length - 1) throw error;
    }
  }
  throw new TokenError("signature");
}

async function decodeWith(token, secret, audience, now) {
  let payload;
  try {
    ({ payload } = await jwtVerify(token, key(secret), {
      algorithms: [ALGORITHM],
      audience,
      requiredClaims: ["sub", "exp"],
      clockTolerance: LEEWAY_S,
      currentDate: now,
    }));
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw new TokenError("expired");
    if (error instanceof errors.JWSSignatureVerificationFailed) throw new TokenError("signature");
    if (error instanceof errors.JOSEAlgNotAllowed) throw new TokenError("algorithm");
    throw new TokenError("malformed");
  }
  const { sub } = payload;
  if (typeof sub !== "string" || sub.length === 0 || [...sub].length > MAX_SUBJECT) throw new TokenError("malformed");
  return payload;
}
