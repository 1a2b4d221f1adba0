// The application of a telephone call: accepts it, joins it by OpenAIRealtimeSIP, and its tool is run by the SDK.
//
// Usage: node sip.mjs HTTP_URL CALL_ID

import { OpenAIRealtimeSIP, RealtimeAgent, RealtimeSession, tool } from "@openai/agents-realtime";
import { z } from "zod";

const [httpUrl, callId] = process.argv.slice(2);
const print = (name, value) => console.log(JSON.stringify({ [name]: value }));

const lookUp = tool({
  name: "look_up_order",
  description: "The state of an order.",
  parameters: z.object({ number: z.string() }),
  execute: async ({ number }) => `order ${number} was sent`,
});
const agent = new RealtimeAgent({ name: "desk", instructions: "Be brief.", tools: [lookUp] });
const options = { model: "gpt-realtime", tracingDisabled: true };

const session = new RealtimeSession(agent, { ...options, transport: new OpenAIRealtimeSIP() });
let done = 0;
const finished = new Promise((resolve) => {
  session.transport.on("*", (event) => {
    print("server", event);
    if (event.type === "session.updated") print("ready", true);
    if (event.type === "output_audio_buffer.stopped") done += 1;
    if (done === 1) resolve();
  });
});
session.on("error", ({ error }) => print("error", error));

const accepted = await fetch(`${httpUrl}/realtime/calls/${callId}/accept`, {
  method: "POST",
  headers: { Authorization: "Bearer any", "Content-Type": "application/json" },
  body: JSON.stringify(await OpenAIRealtimeSIP.buildInitialConfig(agent, options)),
});
print("accepted", accepted.status);
const url = `${httpUrl.replace("http", "ws")}/realtime?call_id=${callId}`;
await session.connect({ apiKey: "any", callId, url });
await finished;
await fetch(`${httpUrl}/realtime/calls/${callId}/hangup`, { method: "POST", headers: { Authorization: "Bearer any" } });
session.close();
