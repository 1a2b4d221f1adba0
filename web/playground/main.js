/** The playground: everything about a session with this server, to see and to change. */

import { byId } from "../lib/elements.js";
import { keepKey, readKey } from "../assistant/preferences.js";
import { Server } from "../lib/index.js";
import { asProblem } from "../lib/problems.js";
import { showThemeChoice } from "../style/theme-choice.js";
import { AnswersPanel } from "./answers-panel.js";
import { CodePanel } from "./code-panel.js";
import { ConversationPanel } from "./conversation-panel.js";
import { EventLog } from "./event-log.js";
import { LogPanel } from "./log-panel.js";
import { PlaygroundSession } from "./playground-session.js";
import { SessionPanel } from "./session-panel.js";
import { SoundPanel } from "./sound-panel.js";
import { StatusBar } from "./status-bar.js";
import { Tabs } from "./tabs.js";
import { ToolsPanel } from "./tools-panel.js";
import { TurnMetrics } from "./turn-metrics.js";

const server = new Server(new URL("../", document.baseURI), readKey());
const session = new PlaygroundSession(server);
const log = new EventLog();
const metrics = new TurnMetrics();
const send = (/** @type {import("../lib/connection.js").ClientEvent} */ event) => session.send(event);

const logPanel = new LogPanel(log, send);
const conversation = new ConversationPanel(send);
const answers = new AnswersPanel(metrics);
const sound = new SoundPanel();
const sessionPanel = new SessionPanel(session);
const tools = new ToolsPanel(session);
const bar = new StatusBar(session, connect);
const code = new CodePanel(() => ({ url: server.url.href, model: bar.choice.model, session: session.wanted }));
showThemeChoice(byId("theme-choice", HTMLElement));
new Tabs(byId("tab-events", HTMLElement).parentElement ?? document.body, () => {
  logPanel.changed();
  answers.changed();
});
new Tabs(byId("tab-session", HTMLElement).parentElement ?? document.body, (panel) => panel === "code" && code.show());

/** @type {Map<string, string>} the response of each item, the newest last */
const responses = new Map();
const MAX_RESPONSES = 100;

session.on("wire", ({ side, event, text, at }) => {
  log.add({ at, side, type: event.type, item: event.item_id, text });
  const isAudio = event.type === "input_audio_buffer.append" || event.type === "response.output_audio.delta";
  if (isAudio) logPanel.counted();
  else logPanel.changed();
  if (event.type === "input_audio_buffer.append") return;
  if (side === "server") sound.take(event);
  if (metrics.take(side, event, at)) answers.changed();
  if (isAudio) return;
  sessionPanel.take(side, event);
  if (side === "client") return;
  conversation.take(event);
  tools.take(event);
  if (event.type === "response.output_item.added") responses.set(event.item.id, event.response_id);
  const [oldest] = responses.keys();
  if (responses.size > MAX_RESPONSES && oldest !== undefined) responses.delete(oldest);
});
session.on("status", ({ status }) => {
  conversation.allow(status === "open");
  byId("raw-send", HTMLButtonElement).disabled = status !== "open";
  if (status === "closed") sound.stop();
  else sound.start();
});
session.on("session", () => code.changed());
byId("model", HTMLSelectElement).addEventListener("change", () => code.changed());
session.on("heard", (pcm) => sound.heard(pcm));
session.on("remote", (pcm) => sound.remote(pcm));
session.on("progress", (played) => {
  sound.played(played);
  conversation.played(played);
  const responseId = responses.get(played.itemId);
  if (responseId === undefined || played.ms === 0) return;
  metrics.played(responseId, Date.now());
  if (played.ended) answers.changed();
});
session.on("latency", ({ responseId, stages }) => {
  metrics.measured(responseId, stages);
  answers.changed();
});

async function connect() {
  server.key = bar.key;
  keepKey(server.key);
  offer().catch(() => {}); // connecting says why
  try {
    await session.connect(bar.choice); // inside the tap: that is what lets the page play sound
  } catch (error) {
    bar.tell(asProblem(error));
  }
}

/** Say what the server has. Throws a `Problem`. */
async function offer() {
  const [capabilities, voices] = await Promise.all([server.capabilities(), server.voices().catch(() => [])]);
  bar.offer(capabilities);
  sessionPanel.offer(capabilities, voices);
}

byId("key", HTMLInputElement).value = server.key;
offer().catch(() => {}); // connecting says why
