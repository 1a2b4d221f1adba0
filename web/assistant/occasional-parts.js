/** The parts of the page that are loaded when they are first needed: dialogs, and what goes along with a conversation. */

import { byId } from "../lib/elements.js";
import { onDemand } from "./on-demand.js";

export class OccasionalParts {
  #session;
  #settings;
  #keyboardHelp;
  #microphoneCheck;
  #companions;
  #accompanied = false;

  /**
   * @param {import("../lib/voice-session.js").VoiceSession} session
   * @param {import("../lib/server.js").Server} server
   * @param {() => void} failed  a dialog could not be loaded
   */
  constructor(session, server, failed) {
    this.#session = session;
    this.#settings = onDemand(async () => new (await import("./settings-dialog.js")).SettingsDialog(session, server), failed);
    this.#keyboardHelp = onDemand(async () => new (await import("./keyboard-help.js")).KeyboardHelp(), failed);
    this.#microphoneCheck = onDemand(
      async () => new (await import("./microphone-check.js")).MicrophoneCheck(session),
      failed,
    );
    this.#companions = onDemand(
      () => Promise.all([import("./sounds.js"), import("./media-controls.js")]),
      () => {}, // the conversation works without them
    );
    opens("open-settings", () => this.#settings((dialog) => dialog.open()));
    for (const id of ["open-keyboard-help", "more-keyboard-help"]) opens(id, () => this.openKeyboardHelp());
    for (const id of ["check-microphone", "check-first"]) opens(id, () => this.#microphoneCheck((dialog) => dialog.open()));
  }

  openKeyboardHelp() {
    return this.#keyboardHelp((dialog) => dialog.open());
  }

  /**
   * A conversation begins: it gets its sounds and the system's media controls.
   *
   * @param {() => import("../lib/activity.js").Activity} activity
   * @param {() => void} toggleMicrophone
   */
  accompany(activity, toggleMicrophone) {
    if (this.#accompanied) return;
    this.#accompanied = true;
    void this.#companions(([{ Sounds }, { MediaControls }]) => {
      new Sounds(this.#session, activity());
      new MediaControls(this.#session, activity(), toggleMicrophone);
    });
  }
}

/**
 * @param {string} id  of a button
 * @param {() => void} open
 */
function opens(id, open) {
  byId(id, HTMLButtonElement).addEventListener("click", open);
}
