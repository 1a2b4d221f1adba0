import { httpProblem, Problem, unreachable } from "./problems.js";

const KEY_SUBPROTOCOL = "openai-insecure-api-key.";
const SECRET_SECONDS = 60;
const TIMEOUT_MS = 8000;

/** Where a server is, and how to be let in. */
export class Server {
  /**
   * @param {string | URL} [url]  its address; default: the origin of this module
   * @param {string} [key]  an API key, if the server requires one
   */
  constructor(url = new URL("../", import.meta.url), key = "") {
    this.url = new URL(url);
    this.key = key;
  }

  /**
   * Get the capabilities of the server. Throws a `Problem`: `unreachable`, `key_required`, `refused` or another error.
   *
   * @returns {Promise<import("./path.js").Capabilities>}
   */
  async capabilities() {
    const response = await this.fetch("v1/streamsrv/capabilities");
    return response.json();
  }

  /**
   * Get the voices that this key may use. Throws a `Problem`, also if the server is too old to list them.
   *
   * @returns {Promise<import("./voice-choice.js").ServerVoice[]>}
   */
  async voices() {
    const response = await this.fetch("v1/audio/voices");
    return (await response.json()).data;
  }

  /**
   * Find out why a connection was refused, which browsers do not tell for WebSockets. Null: no reason was found.
   *
   * @returns {Promise<Problem | null>}
   */
  async diagnose() {
    try {
      await this.capabilities();
      await this.fetch("readyz");
      return null;
    } catch (error) {
      return error instanceof Problem ? error : unreachable();
    }
  }

  /**
   * Send a request to this server with its key. Throws a `Problem` unless the answer is a success.
   *
   * @param {string} path  relative to the server's address
   * @param {RequestInit} [init]
   * @returns {Promise<Response>}
   */
  async fetch(path, init = {}) {
    const headers = new Headers(init.headers);
    if (this.key) headers.set("Authorization", `Bearer ${this.key}`);
    let response;
    try {
      response = await fetch(new URL(path, this.url), { signal: AbortSignal.timeout(TIMEOUT_MS), ...init, headers });
    } catch {
      throw unreachable();
    }
    if (response.ok) return response;
    const body = await response.json().catch(() => undefined);
    throw httpProblem(response.status, body?.error);
  }

  /**
   * @param {Record<string, string>} query
   * @returns {URL} of a Realtime session over WebSocket
   */
  realtimeUrl(query) {
    const url = new URL("v1/realtime", this.url);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.search = new URLSearchParams(query).toString();
    return url;
  }

  /**
   * The subprotocols of a WebSocket, which carry the right to open it: browsers cannot set headers. The key itself
   * would end up in the logs of proxies, so a secret goes in its place that opens one session and soon expires.
   *
   * @param {Record<string, string>} query  of the session
   * @returns {Promise<string[]>} throws a `Problem`
   */
  async subprotocols(query) {
    if (!this.key) return ["realtime"];
    const { intent, captions, ...fields } = query;
    const session = {
      ...(intent === "transcription" ? { type: "transcription" } : { type: "realtime", ...fields }),
      // A secret allows only the caption room that it is made with.
      ...(captions ? { streamsrv: { captions: { room: captions } } } : {}),
    };
    const body = JSON.stringify({ expires_after: { anchor: "created_at", seconds: SECRET_SECONDS }, session });
    const headers = { "Content-Type": "application/json" };
    const response = await this.fetch("v1/realtime/client_secrets", { method: "POST", headers, body });
    const { value } = await response.json();
    return ["realtime", KEY_SUBPROTOCOL + value];
  }
}
