/** One member: at most one live session, so many tokens a minute, and whether the membership was revoked. */

import { DurableObject } from "cloudflare:workers";

const BURST = 20;
const PER_SECOND = 0.5;

export class Subject extends DurableObject {
  /**
   * Opens the one session of this member.
   *
   * @param {{sessionId: string, liveSeconds: number, replace: boolean, now: number}} wanted `now` in milliseconds
   * @returns {Promise<{opened: boolean, reason?: string, retryAfterS?: number}>}
   */
  async open({ sessionId, liveSeconds, replace, now }) {
    if (await this.ctx.storage.get("revoked")) return { opened: false, reason: "revoked" };
    const waitS = await this.#take(now);
    if (waitS > 0) return { opened: false, reason: "rate", retryAfterS: waitS };
    const live = await this.ctx.storage.get("live");
    if (live !== undefined && live.until > now && !replace) {
      return { opened: false, reason: "live", retryAfterS: Math.ceil((live.until - now) / 1000) };
    }
    await this.ctx.storage.put("live", { sessionId, until: now + liveSeconds * 1000 });
    return { opened: true };
  }

  /** Ends the live session, when it is this one. */
  async end(sessionId) {
    const live = await this.ctx.storage.get("live");
    if (live?.sessionId !== sessionId) return false;
    await this.ctx.storage.delete("live");
    return true;
  }

  /** From now on this member gets no token; `false` takes that back. */
  async revoke(revoked) {
    if (revoked) await this.ctx.storage.put("revoked", true);
    else await this.ctx.storage.delete("revoked");
    await this.ctx.storage.delete("live");
  }

  /** A bucket that fills again: seconds to wait, or 0. */
  async #take(now) {
    const bucket = (await this.ctx.storage.get("bucket")) ?? { tokens: BURST, at: now };
    const at = Math.max(bucket.at, now); // workers' clocks differ: one that is behind fills no bucket twice
    const tokens = Math.min(BURST, bucket.tokens + (Math.max(0, now - bucket.at) / 1000) * PER_SECOND);
    const taken = tokens >= 1;
    await this.ctx.storage.put("bucket", { tokens: taken ? tokens - 1 : tokens, at });
    return taken ? 0 : Math.ceil((1 - tokens) / PER_SECOND);
  }
}
