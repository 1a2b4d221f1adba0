/** The conversation among the system's media controls: its title, the microphone, hanging up, and stopping the reply. */

/** @typedef {import("../lib/activity.js").Activity} Activity */

export class MediaControls {
  #session;

  /**
   * @param {import("../lib/voice-session.js").VoiceSession} session
   * @param {Activity} now
   * @param {() => void} toggleMicrophone
   */
  constructor(session, now, toggleMicrophone) {
    this.#session = session;
    if (!("mediaSession" in navigator)) return;
    const actions = {
      togglemicrophone: toggleMicrophone,
      hangup: () => session.close(),
      stop: () => session.close(),
      pause: () => session.interrupt(),
    };
    for (const [name, run] of Object.entries(actions)) {
      try {
        navigator.mediaSession.setActionHandler(/** @type {MediaSessionAction} */ (name), run);
      } catch {
        // The browser has no such action.
      }
    }
    this.#show(now);
    session.on("activity", (activity) => this.#show(activity));
  }

  /** @param {Activity} activity */
  #show(activity) {
    const { mediaSession } = navigator;
    const isActive = activity !== "idle";
    if (isActive && !mediaSession.metadata) mediaSession.metadata = makeMetadata();
    if (!isActive) mediaSession.metadata = null;
    mediaSession.playbackState = !isActive ? "none" : activity === "speaking" ? "playing" : "paused";
    void mediaSession.setMicrophoneActive?.(isActive && !this.#session.muted && activity !== "paused");
  }
}

function makeMetadata() {
  const src = new URL("./icons/icon-192.png", import.meta.url).href;
  return new MediaMetadata({ title: "Conversation", artist: "streamsrv", artwork: [{ src, sizes: "192x192", type: "image/png" }] });
}
