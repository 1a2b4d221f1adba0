/** The client library: everything a page needs. See ../README.md. */

export { AudioEngine } from "./audio-engine.js";
export { Capture } from "./capture.js";
export { Connection } from "./connection.js";
export { Emitter } from "./emitter.js";
export { listLoudspeakers } from "./loudspeaker.js";
export { listMicrophones, onDevicesChanged, openMicrophone } from "./microphone.js";
export { SAMPLE_RATE } from "./pcm.js";
export { Problem } from "./problems.js";
export { RecognizerWish } from "./recognizer-choice.js";
export { Server } from "./server.js";
export { Speaker } from "./speaker.js";
export { VoiceSession } from "./voice-session.js";
export { WebRtcTransport } from "./webrtc-transport.js";
export { WebSocketTransport } from "./websocket-transport.js";
