// A stock RealtimeSession; what happens to it is printed as JSON lines, for test_agents_js.py to judge.
//
// Usage of every script here: node SCRIPT URL [PCM_FILE...]; the files hold 16-bit mono audio at 24 kHz.

import { readFileSync } from "node:fs";
import { OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession } from "@openai/agents-realtime";

const [url, ...files] = process.argv.slice(2);
const counts = new Map();
const waiting = [];

export const print = (name, value) => console.log(JSON.stringify({ [name]: value }));

/** Resolves once `count` server events of a type have arrived since the start. */
export function received(type, count = 1) {
  return new Promise((resolve) => {
    waiting.push({ type, count, resolve });
    settle();
  });
}

function settle() {
  for (const { type, count, resolve } of waiting) {
    if ((counts.get(type) ?? 0) >= count) resolve();
  }
}

/** Connects and configures a session. */
export async function open(tools = []) {
  const agent = new RealtimeAgent({ name: "assistant", instructions: "Answer in one short sentence.", tools });
  const transport = new OpenAIRealtimeWebSocket({ url });
  const session = new RealtimeSession(agent, { transport, tracingDisabled: true });
  transport.on("*", (event) => {
    print("server", event);
    counts.set(event.type, (counts.get(event.type) ?? 0) + 1);
    settle();
  });
  session.on("error", ({ error }) => print("error", error));
  session.on("audio", ({ data }) => print("audioBytes", data.byteLength));
  session.on("audio_interrupted", () => print("interrupted", true));
  await session.connect({ apiKey: "any" });
  await received("session.updated");
  return session;
}

/** Sends the next audio file of the command line. */
export function speak(session) {
  const file = readFileSync(files.shift());
  session.sendAudio(file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength));
}

/** Prints the history and leaves. */
export function finish(session) {
  print("history", session.history);
  session.close();
}
