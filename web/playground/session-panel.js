import { byId, make } from "../lib/elements.js";
import { voiceChoices } from "../lib/voice-choice.js";
import { differences, inWords, notGranted } from "./json-paths.js";
import { FIRST_SESSION, fieldOf, withEntry } from "./session-fields.js";
import { SessionForm } from "./session-form.js";
import { asJson } from "./tool-mocks.js";

/** @typedef {import("./json-paths.js").Json} Json */
/** @typedef {import("./json-paths.js").Difference} Difference */

const NOT_COMPARED = new Set(["id", "expires_at"]);

/** The session object, in a form and as JSON: what is to be changed, and what the server answered. */
export class SessionPanel {
  #session;
  #form;
  #json = byId("session-update", HTMLTextAreaElement);
  #problem = byId("session-problem", HTMLElement);
  #answer = byId("session-answer", HTMLElement);
  #differences = byId("session-differences", HTMLElement);
  /** @type {Json} what is to be sent */
  #update = {};
  /** @type {string | null} the id of the event that it was sent with; empty: it is sent when there is a connection */
  #own = null;
  /** @type {{id: string, asked: Json}[]} updates, also of the connection, that are not answered yet */
  #sent = [];
  /** @type {Json} the object of the last answer */
  #shown;

  /** @param {import("./playground-session.js").PlaygroundSession} session */
  constructor(session) {
    this.#session = session;
    this.#shown = session.session;
    this.#form = new SessionForm(byId("session-fields", HTMLElement), (field, entered) => {
      this.#update = withEntry(session.session, this.#update, field, entered);
      this.#write();
    });
    this.#json.addEventListener("input", () => this.#read());
    byId("session-reset", HTMLButtonElement).addEventListener("click", () => {
      session.withdraw("session");
      if (this.#own !== null) this.#answer.textContent = "";
      this.#own = null;
      this.#update = {};
      this.#refuse(null, "");
      this.#write();
    });
    byId("session-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#read()) this.#apply();
    });
    this.#write();
    this.#whole();
  }

  /**
   * @param {import("../lib/path.js").Capabilities} capabilities
   * @param {import("../lib/voice-choice.js").ServerVoice[]} voices
   */
  offer(capabilities, voices) {
    const usable = voiceChoices(capabilities, voices).filter(({ value, unusable }) => value && !unusable);
    this.#form.offer("audio.output.voice", usable.map(({ value, text }) => ({ value, label: text })));
    const recognizers = (capabilities.recognizers ?? []).filter(({ lacks }) => lacks === null);
    this.#form.offer("audio.input.transcription.model", recognizers.map(({ name }) => ({ value: name, label: name })));
    this.#form.show(this.#session.session, this.#update);
  }

  /**
   * @param {"client" | "server"} side
   * @param {import("../lib/transcript.js").ServerEvent} event
   */
  take(side, event) {
    if (side === "client" && event.type === "session.update") {
      this.#sent.push({ id: event.event_id ?? "", asked: event.session });
      if (this.#sent.length > 100) this.#sent.shift();
    } else if (event.type === "session.created") {
      this.#sent = [];
    } else if (event.type === "session.updated") {
      const { id = "", asked = {} } = this.#sent.shift() ?? {};
      if (Object.keys(asked).length) this.#answered(id, asked, event.session);
    } else if (event.type === "error") {
      this.#failed(event.error);
    }
  }

  #apply() {
    this.#own = this.#session.update("session", this.#update);
    this.#answer.textContent = this.#own ? "Sent." : "This is sent when you connect.";
    this.#differences.replaceChildren();
    this.#refuse(null, "");
  }

  /**
   * @param {string} id
   * @param {Json} asked
   * @param {Json} answer
   */
  #answered(id, asked, answer) {
    const { model: _model, ...changeable } = asked;
    const first = this.#shown === FIRST_SESSION;
    const changed = first ? [] : differences(this.#shown, answer).filter(({ path }) => !NOT_COMPARED.has(path));
    const other = notGranted(changeable, answer);
    this.#shown = answer;
    if (id === this.#own) {
      this.#update = {};
      this.#own = null;
      this.#refuse(null, "");
    }
    if (first) this.#answer.textContent = "The server has opened the session.";
    else this.#answer.textContent = changed.length ? "The server has changed:" : "The server has changed nothing.";
    this.#differences.replaceChildren(
      ...changed.map(({ path, before, after }) => difference(`${path}: ${inWords(before)} → ${inWords(after)}`)),
      ...other.map(({ path, before, after }) => difference(`${path}: asked for ${inWords(before)}, got ${inWords(after)}`)),
    );
    this.#write();
    this.#whole();
  }

  /** @param {{event_id?: string | null, message: string, param?: string | null}} error */
  #failed({ event_id: id, message, param }) {
    const index = this.#sent.findIndex((each) => each.id !== "" && each.id === id);
    const first = this.#sent.length > 0 && !id && (param ?? "").startsWith("session"); // of the connection's own update
    if (index < 0 && !first) return;
    this.#sent.splice(Math.max(0, index), 1);
    this.#answer.textContent = "The server refused it. Nothing was changed.";
    this.#refuse(param ?? null, message);
  }

  /**
   * @param {string | null} param
   * @param {string} message
   */
  #refuse(param, message) {
    this.#form.refuse(message ? fieldOf(param) : null, message);
    this.#problem.textContent = message;
    this.#json.toggleAttribute("aria-invalid", false);
    if (message) this.#json.setAttribute("aria-invalid", "true");
  }

  #write() {
    this.#json.value = JSON.stringify(this.#update, null, 2);
    this.#form.show(this.#session.session, this.#update);
  }

  /** @returns {boolean} whether what was entered can be sent */
  #read() {
    const read = asJson(this.#json.value);
    const object = "value" in read && typeof read.value === "object" && read.value !== null && !Array.isArray(read.value);
    this.#refuse(null, "problem" in read ? read.problem : object ? "" : "The session is a JSON object.");
    if (!object) return false;
    this.#update = /** @type {{value: Json}} */ (read).value;
    this.#form.show(this.#session.session, this.#update);
    return true;
  }

  #whole() {
    byId("session-whole", HTMLElement).textContent = JSON.stringify(this.#session.session, null, 2);
  }
}

/** @param {string} text */
function difference(text) {
  return make("li", "", text);
}
