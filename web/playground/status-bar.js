import { byId } from "../lib/elements.js";
import { Problem } from "../lib/problems.js";

/** @typedef {import("./playground-session.js").PlaygroundSession} PlaygroundSession */

/** @type {Record<import("../lib/connection.js").Status, string>} */
const NAMES = { connecting: "Connecting…", open: "Connected", reconnecting: "Reconnecting…", closed: "Not connected" };

/** The bar at the top: connects, opens the microphone, interrupts, and says what is wrong. */
export class StatusBar {
  #session;
  #connect = byId("connect", HTMLButtonElement);
  #microphone = byId("microphone", HTMLButtonElement);
  #notice = byId("notice", HTMLElement);
  #how = "";

  /**
   * @param {PlaygroundSession} session
   * @param {() => void} connect
   */
  constructor(session, connect) {
    this.#session = session;
    byId("connect-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#notice.hidden = true;
      if (session.connected) session.close();
      else connect();
    });
    this.#microphone.addEventListener("click", () => {
      const pressed = this.#microphone.getAttribute("aria-pressed") === "true";
      if (pressed) session.closeMicrophone();
      else session.openMicrophone();
    });
    byId("interrupt", HTMLButtonElement).addEventListener("click", () => session.interrupt());
    byId("end-turn", HTMLButtonElement).addEventListener("click", () => {
      session.send({ type: "input_audio_buffer.commit" });
      session.send({ type: "response.create" });
    });
    session.on("microphone", (open) => {
      this.#microphone.setAttribute("aria-pressed", String(open));
      this.#showEndTurn();
    });
    session.on("session", () => this.#showEndTurn());
    session.on("problem", (problem) => this.tell(problem));
    session.on("transport", ({ name, codec }) => (this.#how = name === "webrtc" ? "WebRTC" : `WebSocket, ${codec === "pcm" ? "PCM" : "Opus"}`));
    session.on("status", (state) => this.#show(state));
  }

  get key() {
    return byId("key", HTMLInputElement).value.trim();
  }

  /** What the user wants to connect with. */
  get choice() {
    const transport = byId("transport", HTMLSelectElement).value === "webrtc" ? "webrtc" : "websocket";
    return { transport: /** @type {import("../lib/connection.js").TransportName} */ (transport), model: byId("model", HTMLSelectElement).value };
  }

  /** @param {import("../lib/path.js").Capabilities} capabilities */
  offer({ chat, transports }) {
    const model = byId("model", HTMLSelectElement);
    const chosen = model.value;
    model.replaceChildren(
      new Option(`Default (${chat?.default ?? "none"})`, ""),
      ...(chat?.models ?? []).map((name) => new Option(name, name)),
    );
    model.value = chosen;
    for (const option of byId("transport", HTMLSelectElement).options) {
      option.disabled = option.value === "webrtc" && !transports.includes("webrtc");
    }
  }

  /** @param {Problem} problem */
  tell({ message, advice }) {
    this.#notice.textContent = [message, advice].filter(Boolean).join(" ");
    this.#notice.hidden = false;
  }

  /** @param {import("../lib/connection.js").State} state */
  #show({ status, reason }) {
    const open = status === "open";
    byId("status-text", HTMLElement).textContent = open ? `${NAMES.open}: ${this.#how}` : NAMES[status];
    byId("status", HTMLElement).dataset.state = open ? "best" : status === "closed" ? "none" : "less";
    this.#connect.textContent = status === "closed" ? "Connect" : "Disconnect";
    this.#connect.classList.toggle("primary", status === "closed");
    this.#connect.classList.toggle("secondary", status !== "closed");
    for (const id of ["transport", "model", "key"]) byId(id, HTMLElement).toggleAttribute("disabled", status !== "closed");
    this.#microphone.disabled = byId("interrupt", HTMLButtonElement).disabled = !open;
    if (status === "reconnecting") this.tell(new Problem("lost", `Connection lost. ${withoutRepeat(reason)}`.trim(), "The next session begins without this conversation."));
    else if (open) this.#notice.hidden = true;
    this.#showEndTurn();
  }

  #showEndTurn() {
    const manual = this.#session.session.audio?.input?.turn_detection === null;
    const heard = this.#microphone.getAttribute("aria-pressed") === "true";
    byId("end-turn", HTMLButtonElement).hidden = !(this.#session.open && manual && heard);
  }
}

/**
 * @param {string} reason  why a connection was lost
 * @returns {string} empty if it says only that it was
 */
function withoutRepeat(reason) {
  return reason.startsWith("The connection was") ? "" : reason;
}
