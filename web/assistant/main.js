/** The assistant page: a voice session with its views and controls. */

import { Server, VoiceSession } from "../lib/index.js";
import { languageHint } from "../lib/recognizer-choice.js";
import { showThemeChoice } from "../style/theme-choice.js";
import { Announcer } from "./announcer.js";
import { Composer } from "./composer.js";
import { ConsentDialog } from "./consent-dialog.js";
import { DownloadMenu } from "./download-menu.js";
import { byId } from "../lib/elements.js";
import { History } from "./history.js";
import { HistoryControls } from "./history-controls.js";
import { followKeys } from "./keyboard.js";
import { KeyDialog } from "./key-dialog.js";
import { MessagesView } from "./messages-view.js";
import { ModelName } from "./model-name.js";
import { OccasionalParts } from "./occasional-parts.js";
import { onDemand } from "./on-demand.js";
import { PathView } from "./path-view.js";
import { keepPreferences, readKey, readPreferences } from "./preferences.js";
import { SessionNotices } from "./session-notices.js";
import { StayAwake } from "./stay-awake.js";
import { TalkControl } from "./talk-control.js";

/** Whether the talk button started the session that restarts; typing opens no microphone. */
let talks = false;

const server = new Server(new URL("./", document.baseURI), readKey());
const session = new VoiceSession(server, readPreferences());
const restart = () => start({ microphone: talks });
const keyDialog = new KeyDialog(server, restart);
const notices = new SessionNotices(session, { start: restart, askForKey: () => keyDialog.open() });
const messages = new MessagesView({
  retry: (id) => session.retryAnswer(id),
  edit: (id, text) => session.edit(id, text),
  play,
  canPlay: () => session.path.voice === "server",
});
const model = new ModelName(session);
const path = new PathView();
const announcer = new Announcer();
const awake = new StayAwake();
const talk = new TalkControl(session, () => start());
new Composer(write);
new DownloadMenu(session, () => ({ server: server.url.host, model: model.name }));
new ConsentDialog(session);
const history = new History(session);
new HistoryControls(history);
history.on("current", (earlier) => announcer.skip(earlier));
const parts = new OccasionalParts(session, server, () => notices.partMissing());

/** @type {Partial<Record<import("../lib/activity.js").Activity, string>>} */
const TITLES = { listening: "Listening", hearing: "Listening", speaking: "Speaking", reconnecting: "Reconnecting" };

const replay = onDemand(
  async () => new (await import("./replay.js")).Replay(session, server, (id) => messages.showPlaying(id)),
  () => notices.partMissing(),
);

/** @param {import("../lib/transcript.js").Message} message */
async function play(message) {
  session.audio.unlock().catch(() => {}); // inside the tap; why it failed is told when the reply is played
  await replay((player) => player.toggle(message));
}

/** @param {{microphone?: boolean}} [options] */
function start({ microphone = true } = {}) {
  talks = microphone;
  notices.hideAll();
  return session.start({ microphone });
}

/** @param {string} text */
function write(text) {
  if (!session.active) {
    talks = false;
    notices.hideAll();
  }
  session.say(text);
}

// What the session says

session.on("path", () => {
  path.show(session.path, model.stages);
  model.refresh();
  messages.refresh();
  talk.refresh();
  showMute();
});
session.on("messages", (all) => {
  messages.show(all);
  announcer.follow(all);
  for (const id of ["download", "new"]) byId(id, HTMLElement).hidden = all.length === 0;
});
session.on("activity", (activity) => {
  talk.show(activity);
  if (activity !== "idle") parts.accompany(() => talk.activity, toggleMute);
  announcer.activityChanged(activity, session.options.mode, talk.text);
  const active = activity !== "idle";
  byId("end", HTMLButtonElement).hidden = !active;
  showMute();
  path.showActivity(activity);
  awake.keep(active);
  // The title is visible while the page is hidden.
  document.title = active ? `${TITLES[activity] ?? "Connected"} · streamsrv` : "streamsrv";
});

function toggleMute() {
  session.setMuted(!session.muted);
  showMute();
  talk.refresh();
}

function showMute() {
  const button = byId("mute", HTMLButtonElement);
  button.hidden = session.microphone === "off" || session.options.mode !== "hands-free" || session.path.recognition === "none";
  button.setAttribute("aria-pressed", String(session.muted));
}

// What the user does

byId("end", HTMLButtonElement).addEventListener("click", () => session.close());
byId("mute", HTMLButtonElement).addEventListener("click", () => toggleMute());
byId("host", HTMLElement).textContent = server.url.host;
session.prepare().then((capabilities) => {
  model.refresh();
  byId("understood", HTMLElement).textContent = capabilities ? languageHint(capabilities, session.options, " in Settings") : "";
});
history.restore();

for (const input of document.querySelectorAll('input[name="mode"]')) {
  const radio = /** @type {HTMLInputElement} */ (input);
  const mode = /** @type {import("../lib/session-options.js").Mode} */ (radio.value);
  radio.checked = mode === session.options.mode;
  radio.addEventListener("change", () => {
    keepPreferences({ mode });
    session.configure({ mode });
    talk.refresh();
    showMute();
  });
}

showThemeChoice(byId("theme-choice", HTMLElement), { textSize: true });

/** @param {string} id  of a button, which is pressed if it is shown */
function press(id) {
  const button = byId(id, HTMLButtonElement);
  if (!button.hidden) button.click();
}

followKeys({
  interrupt: () => session.interrupt(),
  talk: () => talk.begin(),
  mute: () => press("mute"),
  hangUp: () => press("end"),
  new: () => press("new"),
  write: () => document.getElementById("text")?.focus(),
  help: () => parts.openKeyboardHelp(),
});

const dock = /** @type {HTMLElement} */ (document.querySelector(".dock"));
new ResizeObserver(() => document.body.style.setProperty("--dock", `${dock.offsetHeight}px`)).observe(dock);
