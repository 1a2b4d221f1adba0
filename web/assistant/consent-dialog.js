/** Asks before the first use of the browser's own recogniser. The answer is stored, and can be changed in the settings. */

import { byId } from "../lib/elements.js";
import { keepPreferences } from "./preferences.js";

export class ConsentDialog {
  #dialog = byId("consent-dialog", HTMLDialogElement);

  /** @param {import("../lib/voice-session.js").VoiceSession} session */
  constructor(session) {
    session.on("consent", () => this.#dialog.open || this.#dialog.showModal());
    this.#dialog.addEventListener("close", () => {
      const { returnValue } = this.#dialog;
      this.#dialog.returnValue = "";
      if (returnValue !== "allowed" && returnValue !== "refused") return; // asked again next time
      keepPreferences({ browserRecognition: returnValue });
      session.configure({ browserRecognition: returnValue });
    });
  }
}
