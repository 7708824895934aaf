/** The worker in workerd, Cloudflare's runtime, bundled as it is deployed. */

import { fileURLToPath } from "node:url";

import { build } from "esbuild";
import { Miniflare } from "miniflare";

const WORKER = fileURLToPath(new URL("../src/worker.js", import.meta.url));
export const SECRETS = {
  TOKEN_SECRET: "token-secret-of-the-tests-0123456789",
  MEMBERSHIP_SECRET: "membership-secret-of-the-tests-012345",
  OPERATOR_TOKEN: "operator-token-of-the-tests-0123456789",
};
const SETTINGS = {
  REGIONS: JSON.stringify({ eu: "wss://eu.voice.example/v1/voice", us: "wss://us.voice.example/v1/voice" }),
  DEFAULT_REGION: "eu",
  CONTINENTS: JSON.stringify({ EU: "eu", NA: "us" }),
  ALLOWED_ORIGINS: "https://www.voice.example",
};

/** A running worker; `dispose()` ends it. `port` 0 takes a free one. */
export async function runEdge(bindings = {}, port = 0) {
  const bundled = await build({
    entryPoints: [WORKER], bundle: true, write: false, format: "esm", target: "es2022", external: ["cloudflare:workers"],
  });
  return new Miniflare({
    modules: true,
    script: bundled.outputFiles[0].text,
    compatibilityDate: "2026-07-01",
    durableObjects: { SUBJECTS: { className: "Subject", useSQLite: true } },
    bindings: { ...SETTINGS, ...SECRETS, ...bindings },
    host: "127.0.0.1",
    port,
    cf: false,
  });
}
