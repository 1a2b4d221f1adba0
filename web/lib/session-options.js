/** What a voice session can be told, and how the server is told. Pure. */

/** @typedef {"hands-free" | "push-to-talk"} Mode */

/**
 * @typedef {"ask" | "allowed" | "refused"} BrowserRecognition  most browsers send the sound to a service of their maker
 */

/**
 * @typedef {object} VoiceSessionOptions
 * @property {Mode} mode
 * @property {string} model  one of the server's chat models; empty: its default
 * @property {string} voice  one of its voices; empty: its default
 * @property {string} recognizer  one of its speech recognisers; empty: its default
 * @property {string} speechLanguage  ISO 639-1 code of the language that is spoken; empty: the recogniser finds out
 * @property {string} instructions  system prompt; empty: the server's
 * @property {boolean} spoken  whether replies are spoken
 * @property {number} speed  of the voice, as a factor on its own pace; a reply keeps the one with which it began
 * @property {number} volume  0 to 1
 * @property {string} loudspeaker  its device; empty: the system's default, which the browser's own voice always uses
 * @property {string} deviceId  of the microphone; empty: the default one
 * @property {string} language  BCP 47, for the browser's own recogniser and voice
 * @property {BrowserRecognition} browserRecognition  whether the browser may recognise speech if the server cannot
 * @property {import("./connection.js").TransportName[]} transports  to try, best first
 * @property {import("./connection.js").AudioCodec} audioCodec  over WebSocket; `opus` is an eighth of the data,
 *   and is used where browser and server have it
 */

/** @type {VoiceSessionOptions} */
export const DEFAULT_OPTIONS = {
  mode: "hands-free",
  model: "",
  voice: "",
  recognizer: "",
  speechLanguage: "",
  instructions: "",
  spoken: true,
  speed: 1,
  volume: 1,
  loudspeaker: "",
  deviceId: "",
  language: "en-US",
  browserRecognition: "ask",
  transports: ["webrtc", "websocket"],
  audioCodec: "pcm",
};

const EVENTS = [
  "transcription.partial",
  "playback.hold",
  "words.timed",
  "session.expiring",
  "recognizer.loading",
  "voice.failed",
];

/**
 * Return the session object of `session.update`.
 *
 * @param {VoiceSessionOptions} options
 * @param {Pick<import("./path.js").Path, "recognition" | "voice">} path
 * @param {{model?: string | null, language?: string | null}} [transcription]  the recogniser and the language
 */
export function sessionObject(options, { recognition, voice }, transcription = {}) {
  const listens = recognition === "server" && options.mode === "hands-free";
  return {
    type: "realtime",
    output_modalities: [options.spoken && voice === "server" ? "audio" : "text"],
    ...(options.instructions ? { instructions: options.instructions } : {}),
    audio: {
      input: { transcription, turn_detection: listens ? { type: "semantic_vad" } : null },
      output: { speed: options.speed, ...(options.voice ? { voice: options.voice } : {}) },
    },
    streamsrv: { events: EVENTS },
  };
}

/**
 * Whether a change needs another session: the server fixes the model at the start and the voice at the first audio;
 * codec and transport are fixed at the start.
 *
 * @param {VoiceSessionOptions} before
 * @param {VoiceSessionOptions} after
 */
export function needsNewSession(before, after) {
  /** @param {VoiceSessionOptions} options */
  const fixed = ({ model, voice, audioCodec, transports }) => [model, voice, audioCodec, ...transports].join("\n");
  return fixed(before) !== fixed(after);
}
