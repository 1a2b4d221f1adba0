import { byId } from "../lib/elements.js";
import { keepKey, keyIsKept } from "./place.js";

/** Asks for a key where the server wants one. */
export class KeyForm {
  #form = byId("key-form", HTMLFormElement);
  #key = byId("key", HTMLInputElement);
  #refusal = byId("refusal", HTMLElement);

  /** @param {() => void} tryAgain  with the key that was entered */
  constructor(tryAgain) {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      keepKey(this.#key.value.trim());
      tryAgain();
    });
  }

  /** @param {import("../lib/problems.js").Problem | null} refusal  null: the server has let the page in */
  show(refusal) {
    this.#form.hidden = refusal === null;
    if (refusal === null) return;
    const asks = refusal.code === "key_required";
    byId("key-entry", HTMLElement).hidden = !asks;
    this.#refusal.textContent = asks ? wordsOfKey() : `${refusal.message} ${refusal.advice}`.trim();
    if (!asks) return;
    this.#key.focus();
    this.#key.select();
  }
}

function wordsOfKey() {
  return keyIsKept()
    ? "That key wasn't accepted. Check it and try again."
    : "This server needs an API key. Ask its administrator for one.";
}
