import { byId, make } from "../lib/elements.js";
import { newItemId } from "../lib/item-id.js";
import { Transcript } from "../lib/transcript.js";
import { eachFrame } from "./frames.js";

const MAX_SHOWN = 100; // newest messages

/** What was said and written, and the field to write in. */
export class ConversationPanel {
  #transcript = new Transcript(() => Date.now());
  #list = byId("messages", HTMLElement);
  #text = byId("text", HTMLTextAreaElement);
  #changed = eachFrame(() => this.#draw());

  /** @param {(event: import("../lib/connection.js").ClientEvent) => void} send */
  constructor(send) {
    const form = byId("write", HTMLFormElement);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.#text.value.trim();
      if (!text) return;
      const id = newItemId();
      this.#text.value = "";
      this.#transcript.putUser(id, text);
      this.#changed();
      const item = { id, type: "message", role: "user", content: [{ type: "input_text", text }] };
      send({ type: "conversation.item.create", item });
      send({ type: "response.create" });
    });
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    });
  }

  /** @param {import("../lib/transcript.js").ServerEvent} event  of the server */
  take(event) {
    if (event.type === "session.created") this.#transcript.clear();
    if (this.#transcript.take(event) || event.type === "session.created") this.#changed();
  }

  /** @param {import("../lib/speaker.js").Played} played */
  played(played) {
    this.#transcript.played(played);
    if (played.ended) this.#changed();
  }

  /** @param {boolean} open  whether what is written now arrives */
  allow(open) {
    this.#text.disabled = byId("send", HTMLButtonElement).disabled = !open;
  }

  #draw() {
    const follows = this.#list.scrollTop + this.#list.clientHeight >= this.#list.scrollHeight - 40;
    const rows = this.#transcript.messages.slice(-MAX_SHOWN).map((message) => {
      const { role, text, tentative, status, error, lit, spoken } = message;
      const row = make("li", role, make("strong", "", role === "user" ? "You" : "Assistant"), " ");
      if (role === "assistant" && spoken && status === "cut") row.append(text.slice(0, lit), make("s", "", text.slice(lit)));
      else row.append(text, tentative ? make("em", "", ` ${tentative}`) : "");
      if (error) row.append(make("p", "problem", error));
      row.dir = "auto";
      return row;
    });
    this.#list.replaceChildren(...rows);
    if (follows) this.#list.scrollTop = this.#list.scrollHeight;
  }
}
