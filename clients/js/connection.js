/**
 * One session's line to the service: gets the token, opens the WebSocket, and opens it again when it is lost.
 *
 * The token is held in memory and offered as a WebSocket subprotocol: it is never part of an address and never stored.
 */

export const SUBPROTOCOL = "voice-agent.v1";
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 5_000;
const RETRY_FOR_MS = 120_000;
const CONNECT_MS = 10_000;
const READY_MS = 30_000; // from the open socket to `session.ready`: a service that has just started loads what it needs
/**
 * The server pings every 5 s: after two that did not come, and a last look, the line is dead, whatever the socket says.
 */
const SILENT_MS = 11_000;
const LAST_LOOK_MS = 1_000;

const CLOSED = { normal: 1000, silent: 1006, token: 4401, replaced: 4409, busy: 4429 };
/** Close codes after which the session is worth another try: the network, a drain, a fault, a slow spell, no room. */
const RETRIED = new Set([1001, 1005, 1006, 1011, 1012, 1013, 4410, CLOSED.busy]);

/**
 * Why a session could not be opened, or was ended by the server. `code` is a problem's status, an error event's code or
 * a close code; `retryAfterMs` is how long to wait before it is worth trying again, or 0.
 */
export class VoiceError extends Error {
  constructor(code, message, retryAfterMs = 0) {
    super(message);
    this.name = "VoiceError";
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

export class Connection {
  /**
   * @param {{baseUrl: string, apiKey: string | null, agent?: string | null,
   *   variables?: Record<string, string | number | boolean> | null}} where
   * @param {object} on
   * @param {() => object} on.start makes the `start` message
   * @param {(message: object) => void} on.message a message of the server
   * @param {(pcm: ArrayBuffer) => void} on.audio audio of the reply
   * @param {(state: string, reason: string | null) => void} on.state
   */
  constructor({ baseUrl, apiKey, agent = null, variables = null }, on) {
    this._baseUrl = baseUrl.replace(/\/$/, "");
    this._apiKey = apiKey;
    /** Who answers the next session, and what fills its prompt; null: the usual one, nothing. */
    this.agent = agent;
    this.variables = variables;
    this._on = on;
    this._url = null;
    this._socket = null;
    this._resumeToken = null;
    this._lastError = null;
    this._retry = null;
    this._retryFrom = 0;
    this._watchdog = null;
    this._connecting = null;
    this._drops = 0; // a token or socket that comes after a drop is not used
    /** "idle", "connecting", "open", "reconnecting" or "ended". */
    this.state = "idle";
  }

  /** Bytes that wait for the network. */
  get buffered() {
    return this._socket?.bufferedAmount ?? 0;
  }

  /**
   * Gets a token and opens a new session, with a `policy` of choice in the sandbox. Throws VoiceError when the service
   * refuses, TypeError when nothing answers.
   */
  async connect(policy = null) {
    if (this.state === "idle" || this.state === "ended") this._connecting = this._connect(policy);
    if (this.state === "connecting") await this._connecting; // who asks twice waits twice
  }

  async _connect(policy) {
    this._resumeToken = null;
    this._become("connecting");
    const drops = this._drops;
    try {
      await this._open(await this._newToken(policy));
    } catch (error) {
      if (drops === this._drops) this._become("ended", error.message);
      throw error;
    }
  }

  /** Sends an object as JSON, an ArrayBuffer as it is; false while the session is not open. */
  send(data) {
    // a socket that is closing is no longer open, though its event has not come yet
    if (this.state !== "open" || this._socket.readyState !== WebSocket.OPEN) return false;
    this._socket.send(data instanceof ArrayBuffer ? data : JSON.stringify(data));
    return true;
  }

  /** Leaves without a word; `hangup` is the polite way. */
  drop() {
    this._drops += 1;
    const socket = this._socket;
    this._socket = null;
    socket?.close(CLOSED.normal);
    if (this.state !== "idle") this._end("hung up");
  }

  async _newToken(policy = null) {
    const drops = this._drops;
    const headers = this._apiKey ? { authorization: `Bearer ${this._apiKey}` } : {};
    const request = { method: "POST", headers, credentials: "same-origin" };
    if (this.agent !== null || this.variables !== null || policy !== null) {
      headers["content-type"] = "application/json";
      request.body = JSON.stringify({
        ...(this.agent !== null && { agent: this.agent }),
        ...(this.variables !== null && { variables: this.variables }),
        ...(policy !== null && { policy }),
      });
    }
    const answer = await fetch(`${this._baseUrl}/v1/sessions`, request);
    const body = await answer.json().catch(() => ({}));
    if (drops !== this._drops) throw new VoiceError(CLOSED.normal, "hung up");
    if (!answer.ok) {
      throw new VoiceError(answer.status, body.detail ?? `the service answered with status ${answer.status}`);
    }
    // Behind a proxy that ends TLS the service does not see that the page came over HTTPS.
    this._url = globalThis.location?.protocol === "https:" ? body.url.replace(/^ws:/, "wss:") : body.url;
    return body.token;
  }

  /** Opens the socket with a token; settles with `session.ready`. */
  _open(token) {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(this._url, [SUBPROTOCOL, `bearer.${token}`]);
      let late = setTimeout(() => socket.close(), CONNECT_MS);
      let ready = false;
      this._socket = socket;
      this._lastError = null;
      socket.binaryType = "arraybuffer";
      socket.onopen = () => {
        clearTimeout(late);
        // a call that is to go on has half a minute in all: that is two tries
        late = setTimeout(() => socket.close(), this.state === "connecting" ? READY_MS : CONNECT_MS);
        socket.send(JSON.stringify(this._on.start()));
      };
      socket.onmessage = ({ data }) => {
        if (this._socket !== socket) return;
        if (ready) this._watch();
        if (typeof data !== "string") {
          this._on.audio(data);
          return;
        }
        const message = JSON.parse(data);
        if (message.type === "session.ready") {
          ready = true;
          clearTimeout(late);
          this._watch();
          this._resumeToken = message.resume_token ?? null;
          this._on.message(message);
          this._become("open");
          resolve();
          return;
        }
        if (message.type === "error") {
          this._lastError = new VoiceError(message.code, message.message, (message.retry_after_s ?? 0) * 1000);
        }
        this._on.message(message);
      };
      socket.onclose = ({ code, reason }) => {
        clearTimeout(late);
        const dropped = this._socket !== socket;
        if (!dropped) this._socket = null;
        if (!ready) reject(this._lastError ?? new VoiceError(code, reason || "the connection could not be opened"));
        else if (!dropped) this._lost(code, reason);
      };
    });
  }

  /** Something came: waits for the next. A page that was asleep gets a last look, for what lies waiting meanwhile. */
  _watch() {
    clearTimeout(this._watchdog);
    this._watchdog = setTimeout(() => {
      this._watchdog = setTimeout(() => this._giveUp(), LAST_LOOK_MS);
    }, SILENT_MS);
  }

  _giveUp() {
    const socket = this._socket;
    if (socket === null || this.state !== "open") return;
    this._socket = null; // it may take minutes to close
    socket.close();
    this._lost(CLOSED.silent, "nothing came from the service");
  }

  _lost(code, reason) {
    clearTimeout(this._watchdog);
    if (!RETRIED.has(code) || this._resumeToken === null) {
      this._end(this._lastError?.message ?? reason);
      return;
    }
    this._become("reconnecting", reason);
    this._retryFrom = performance.now();
    this._retryLater(Math.max(FIRST_RETRY_MS, this._lastError?.retryAfterMs ?? 0));
  }

  _retryLater(delayMs) {
    const now = () => {
      this._cancelRetry();
      void this._reconnect(delayMs);
    };
    // Spread out, so that a thousand clients of a restarted server do not come back in the same instant.
    const timer = setTimeout(now, delayMs * (1 + Math.random() / 2));
    globalThis.addEventListener?.("online", now);
    this._retry = { timer, now };
  }

  _cancelRetry() {
    if (this._retry === null) return;
    clearTimeout(this._retry.timer);
    globalThis.removeEventListener?.("online", this._retry.now);
    this._retry = null;
  }

  async _reconnect(delayMs) {
    try {
      await this._open(this._resumeToken ?? (await this._newToken()));
    } catch (error) {
      if (this.state !== "reconnecting") return;
      if (error.code === CLOSED.replaced || performance.now() - this._retryFrom > RETRY_FOR_MS) {
        this._end(error.message);
        return;
      }
      // A resume token that the server does not take any more: a new session.
      if (String(error.code).startsWith("token_") || error.code === CLOSED.token) this._resumeToken = null;
      // A server that says when is asked then, and not less and less often: its database is back any moment.
      this._retryLater(error.retryAfterMs || Math.min(LAST_RETRY_MS, delayMs * 2));
    }
  }

  _end(reason) {
    clearTimeout(this._watchdog);
    this._cancelRetry();
    this._become("ended", reason);
  }

  _become(state, reason = null) {
    this.state = state;
    this._on.state(state, reason || null);
  }
}
