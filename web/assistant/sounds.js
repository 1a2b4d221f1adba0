/**
 * Short, soft sounds that tell without a look that the conversation begins, that the user was heard, and that it ended;
 * and vibration where the device can. They are tones, which a voice detector does not take for speech.
 */

import { readPageOptions } from "./page-options.js";
import { SoundCues } from "./sound-cues.js";

/** @typedef {import("./sound-cues.js").Cue} Cue */
/** @typedef {{hz: number[], volume: number, vibration: number[]}} Sound  `hz`: of its tones, one after the other */

/** @type {Record<Cue, Sound>} */
const SOUNDS = {
  connected: { hz: [523, 784], volume: 0.05, vibration: [20] },
  heard: { hz: [659], volume: 0.03, vibration: [10] },
  ended: { hz: [784, 523], volume: 0.05, vibration: [20, 60, 20] },
};
const TONE_S = 0.09;
const EDGE_S = 0.02; // without it a tone clicks

export class Sounds {
  #session;
  #cues = new SoundCues();

  /**
   * @param {import("../lib/voice-session.js").VoiceSession} session
   * @param {import("../lib/activity.js").Activity} now
   */
  constructor(session, now) {
    this.#session = session;
    this.#follow(now);
    session.on("activity", (activity) => this.#follow(activity));
    session.on("event", ({ type }) => type === "input_audio_buffer.committed" && this.#play("heard"));
  }

  /** @param {import("../lib/activity.js").Activity} activity */
  #follow(activity) {
    const cue = this.#cues.take(activity, this.#session.options.mode);
    if (cue) this.#play(cue);
  }

  /** @param {Cue} cue */
  #play(cue) {
    const { sounds, turnSound } = readPageOptions();
    if (!(cue === "heard" ? turnSound : sounds)) return;
    const { hz, volume, vibration } = SOUNDS[cue];
    navigator.vibrate?.(vibration);
    const { audio } = this.#session;
    if (audio.unlocked && audio.running) hz.forEach((tone, i) => playTone(audio, tone, volume, i * TONE_S));
  }
}

/**
 * @param {import("../lib/audio-engine.js").AudioEngine} audio
 * @param {number} hz
 * @param {number} volume
 * @param {number} delayS
 */
function playTone({ context, output }, hz, volume, delayS) {
  const begin = context.currentTime + delayS;
  const end = begin + TONE_S;
  const gain = context.createGain();
  gain.gain.setValueAtTime(0, begin);
  gain.gain.linearRampToValueAtTime(volume, begin + EDGE_S);
  gain.gain.setValueAtTime(volume, end - EDGE_S);
  gain.gain.linearRampToValueAtTime(0, end);
  const tone = new OscillatorNode(context, { frequency: hz });
  tone.connect(gain).connect(output);
  tone.onended = () => gain.disconnect();
  tone.start(begin);
  tone.stop(end);
}
