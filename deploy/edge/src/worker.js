/**
 * The edge: says who may talk and where, and never carries audio.
 *
 *   POST   /v1/sessions             cookie premium_token → {session_id, token, url, tier, expires_at, region}
 *   DELETE /v1/sessions/<id>        the member has hung up: the next session needs no `replace`
 *   POST   /v1/members/revoke       bearer token of the operator, {"subject", "revoked"}
 *
 * Errors are RFC 9457 problem documents, as the service's are.
 */

import { Subject } from "./subject.js";
import { membershipSubject, mintSession, TokenError } from "./tokens.js";

export { Subject };

const COOKIE = "premium_token";
const MAX_BODY = 1_024;
const LIVE_SECONDS = 60 * 60; // the longest session of the service
const MIN_SECRET = 32;
const TITLES = {
  400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
  409: "Conflict", 413: "Content Too Large", 429: "Too Many Requests", 500: "Internal Server Error",
};

class Problem extends Error {
  constructor(status, detail, retryAfterS) {
    super(detail);
    this.status = status;
    this.retryAfterS = retryAfterS;
  }
}

export default {
  async fetch(request, env) {
    const origin = request.headers.get("origin");
    let allowed = null; // the origin that may read the answer
    try {
      const settings = settingsOf(env);
      if (origin !== null && !settings.origins.includes(origin)) {
        throw new Problem(403, "this origin may not ask for sessions");
      }
      allowed = origin;
      if (request.method === "OPTIONS") return withCors(new Response(null, { status: 204 }), allowed);
      return withCors(await route(request, env, settings), allowed);
    } catch (error) {
      return withCors(problem(error), allowed);
    }
  },
};

async function route(request, env, settings) {
  const { pathname } = new URL(request.url);
  if (pathname === "/v1/sessions" && request.method === "POST") return openSession(request, env, settings);
  const ended = /^\/v1\/sessions\/([A-Za-z0-9-]{8,64})$/.exec(pathname);
  if (ended !== null && request.method === "DELETE") return endSession(request, env, settings, ended[1]);
  if (pathname === "/v1/members/revoke" && request.method === "POST") return revoke(request, env, settings);
  if (ended !== null || ["/v1/sessions", "/v1/members/revoke"].includes(pathname)) {
    throw new Problem(405, "this method is not taken here");
  }
  throw new Problem(404, "there is nothing here");
}

async function openSession(request, env, settings) {
  const subject = await memberOf(request, settings);
  const { replace = false } = await bodyOf(request);
  const sessionId = [...crypto.getRandomValues(new Uint8Array(12))].map((b) => b.toString(16).padStart(2, "0")).join("");
  const now = Date.now();
  const opened = await subjectOf(env, subject).open({
    sessionId, liveSeconds: LIVE_SECONDS, replace: replace === true, now,
  });
  if (!opened.opened) throw refusal(opened);
  const { token, expires } = await mintSession({ subject, sessionId, secret: settings.tokenSecret, now: new Date(now) });
  const region = regionOf(request, settings);
  const expiresAt = expires.toISOString().replace(".000Z", "Z");
  const body = { session_id: sessionId, token, url: settings.regions[region], tier: "premium", expires_at: expiresAt, region };
  return Response.json(body, { status: 201, headers: { "cache-control": "no-store" } });
}

async function endSession(request, env, settings, sessionId) {
  const subject = await memberOf(request, settings);
  const ended = await subjectOf(env, subject).end(sessionId);
  if (!ended) throw new Problem(404, "this session is not the live one");
  return new Response(null, { status: 204 });
}

async function revoke(request, env, settings) {
  const sent = /^Bearer (.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
  if (!(await same(sent, settings.operatorToken))) throw new Problem(401, "send the operator's bearer token");
  const { subject, revoked = true } = await bodyOf(request);
  if (typeof subject !== "string" || subject === "" || typeof revoked !== "boolean") {
    throw new Problem(400, 'send {"subject": "...", "revoked": true}');
  }
  await subjectOf(env, subject).revoke(revoked);
  return new Response(null, { status: 204 });
}

function refusal({ reason, retryAfterS }) {
  switch (reason) {
    case "revoked":
      return new Problem(403, "this membership was revoked");
    case "rate":
      return new Problem(429, "too many tokens were asked for: use the one you have, or wait", retryAfterS);
    default:
      return new Problem(409, 'a session is open: end it, or send {"replace": true}', retryAfterS);
  }
}

async function memberOf(request, { membershipSecrets, membershipAudience }) {
  const cookies = (request.headers.get("cookie") ?? "").split(";").map((part) => part.trim());
  const cookie = cookies.find((part) => part.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1) ?? "";
  try {
    return await membershipSubject(cookie, membershipSecrets, membershipAudience);
  } catch (error) {
    if (error instanceof TokenError) throw new Problem(401, `the ${COOKIE} cookie is not taken: ${error.reason}`);
    throw error;
  }
}

async function bodyOf(request) {
  const text = new TextDecoder().decode(await bytesOf(request.body));
  if (text === "") return {};
  try {
    const body = JSON.parse(text);
    if (body !== null && typeof body === "object" && !Array.isArray(body)) return body;
  } catch {
    // answered below
  }
  throw new Problem(400, "the body is not a JSON object");
}

/** So many bytes at most: the rest of a body that is too large is not read. */
async function bytesOf(stream) {
  const pieces = [];
  let length = 0;
  for await (const piece of stream ?? []) {
    length += piece.byteLength;
    if (length > MAX_BODY) throw new Problem(413, "the body is too large");
    pieces.push(piece);
  }
  return new Blob(pieces).arrayBuffer();
}

function subjectOf(env, subject) {
  return env.SUBJECTS.get(env.SUBJECTS.idFromName(subject));
}

/** The region of the caller's continent, else the default one. */
function regionOf(request, { regions, continents, defaultRegion }) {
  const near = continents[request.cf?.continent];
  return near !== undefined && near in regions ? near : defaultRegion;
}

/** Compares without telling by its time how much is alike. */
async function same(one, other) {
  const digests = await Promise.all(
    [one, other].map((text) => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))),
  );
  return crypto.subtle.timingSafeEqual(digests[0], digests[1]);
}

function settingsOf(env) {
  const secrets = [env.TOKEN_SECRET, env.MEMBERSHIP_SECRET, env.OPERATOR_TOKEN];
  if (env.MEMBERSHIP_SECRET_PREVIOUS) secrets.push(env.MEMBERSHIP_SECRET_PREVIOUS);
  const weak = secrets.some((secret) => typeof secret !== "string" || secret.length < MIN_SECRET);
  if (weak || new Set(secrets).size < secrets.length) {
    throw new Error(`the secrets, MEMBERSHIP_SECRET_PREVIOUS too, take ${MIN_SECRET} characters, each its own`);
  }
  const regions = JSON.parse(env.REGIONS);
  if (!(env.DEFAULT_REGION in regions)) throw new Error("DEFAULT_REGION takes one of REGIONS");
  if (Object.values(regions).some((url) => !/^wss?:\/\//.test(url))) throw new Error("REGIONS takes WebSocket addresses");
  return {
    tokenSecret: env.TOKEN_SECRET,
    operatorToken: env.OPERATOR_TOKEN,
    membershipSecrets: [env.MEMBERSHIP_SECRET, env.MEMBERSHIP_SECRET_PREVIOUS].filter(Boolean),
    membershipAudience: env.MEMBERSHIP_AUDIENCE || undefined,
    regions,
    defaultRegion: env.DEFAULT_REGION,
    continents: JSON.parse(env.CONTINENTS || "{}"),
    origins: (env.ALLOWED_ORIGINS || "").split(",").map((one) => one.trim()).filter(Boolean),
  };
}

function problem(error) {
  const known = error instanceof Problem;
  const status = known ? error.status : 500;
  if (!known) console.error(error instanceof Error ? error.message : "request failed");
  const body = { status, title: TITLES[status], detail: known ? error.message : "the edge cannot answer this" };
  const headers = { "content-type": "application/problem+json", "cache-control": "no-store" };
  if (known && error.retryAfterS) headers["retry-after"] = String(error.retryAfterS);
  return new Response(JSON.stringify(body), { status, headers });
}

function withCors(response, origin) {
  response.headers.set("x-content-type-options", "nosniff");
  response.headers.set("vary", "origin");
  if (origin !== null) {
    response.headers.set("access-control-allow-origin", origin);
    response.headers.set("access-control-allow-credentials", "true");
    response.headers.set("access-control-allow-methods", "POST, DELETE");
    response.headers.set("access-control-allow-headers", "content-type");
  }
  return response;
}
