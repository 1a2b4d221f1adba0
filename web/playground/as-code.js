/** The present session as a program. Pure. */

/** @typedef {{url: string, model: string, session: import("./json-paths.js").Json}} Present */

/**
 * @param {Present} present
 * @returns {string} a program for the package `openai`
 */
export function inPython({ url, model, session }) {
  return `import asyncio
import os

from openai import AsyncOpenAI

SESSION = ${inLines(withoutAnswers(session))}


async def main():
    client = AsyncOpenAI(base_url=${JSON.stringify(`${url}v1`)}, api_key=os.environ.get("STREAMSRV_KEY", "none"))
    async with client.realtime.connect(model=${JSON.stringify(model || "gpt-realtime")}) as connection:
        await connection.session.update(session=SESSION)
        content = [{"type": "input_text", "text": "Say hello."}]
        await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
        await connection.response.create()
        async for event in connection:
            print(event.type, event.error.message if event.type == "error" else "")
            if event.type == "response.done":
                print(event.response.status)
                return


asyncio.run(main())
`;
}

/**
 * @param {Present} present
 * @returns {string} a program for Node 22 or newer
 */
export function inJavaScript({ url, model, session }) {
  const address = `${url.replace(/^http/, "ws")}v1/realtime?model=${encodeURIComponent(model || "gpt-realtime")}`;
  return `// node session.mjs
const key = process.env.STREAMSRV_KEY;
const protocols = ["realtime", ...(key ? [\`openai-insecure-api-key.\${key}\`] : [])];
const socket = new WebSocket(${JSON.stringify(address)}, protocols);
const send = (event) => socket.send(JSON.stringify(event));
const session = ${JSON.stringify(withoutAnswers(session), null, 2)};

socket.onopen = () => {
  send({ type: "session.update", session });
  const content = [{ type: "input_text", text: "Say hello." }];
  send({ type: "conversation.item.create", item: { type: "message", role: "user", content } });
  send({ type: "response.create" });
};
socket.onmessage = ({ data }) => {
  const event = JSON.parse(data);
  console.log(event.type, event.error?.message ?? "");
  if (event.type !== "response.done") return;
  console.log(event.response.status);
  socket.close();
};
socket.onerror = () => {
  console.error(\`No session at \${socket.url}: the server can't be reached, or it needs a key.\`);
  process.exitCode = 1;
};
`;
}

/** @param {import("./json-paths.js").Json} session  a program that plays nothing cannot report what it plays */
function withoutAnswers({ streamsrv, ...rest }) {
  const events = (streamsrv?.events ?? []).filter((/** @type {string} */ name) => name !== "playback.hold");
  return streamsrv ? { ...rest, streamsrv: { ...streamsrv, events } } : rest;
}

/** @param {import("./json-paths.js").Json} object @returns {string} a dictionary of Python, one field a line */
function inLines(object) {
  const lines = Object.entries(object).map(([name, value]) => `    ${literal(name)}: ${literal(value)},\n`);
  return `{\n${lines.join("")}}`;
}

/** @param {any} value @returns {string} a literal of Python */
function literal(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value); // the escapes of JSON mean the same in Python
  return `{${Object.entries(value).map(([name, held]) => `${literal(name)}: ${literal(held)}`).join(", ")}}`;
}
