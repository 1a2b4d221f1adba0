/** The assistant page: a voice session with its views and controls. */

import { Server, VoiceSession } from "../lib/index.js";
import { keep } from "../lib/storage.js";
import { Announcer } from "./announcer.js";
import { ConsentDialog } from "./consent-dialog.js";
import { conversationFile, FORMATS } from "./conversation-file.js";
import { byId } from "./elements.js";
import { MessagesView } from "./messages-view.js";
import { Notices } from "./notices.js";
import { PathView } from "./path-view.js";
import { keepKey, keepPreferences, readKey, readPreferences } from "./preferences.js";
import { SettingsDialog } from "./settings-dialog.js";
import { StayAwake } from "./stay-awake.js";
import { TalkControl } from "./talk-control.js";

/** @typedef {import("../lib/problems.js").Problem} Problem */

const server = new Server(new URL("./", document.baseURI), readKey());
const session = new VoiceSession(server, readPreferences());
const notices = new Notices();
const messages = new MessagesView((id) => session.retryAnswer(id));
const path = new PathView();
const announcer = new Announcer();
const awake = new StayAwake();
const talk = new TalkControl(session, () => start());
new SettingsDialog(session, server);
new ConsentDialog(session);

const RECOVERED = ["reconnecting", "gave_up", "unreachable", "audio_lost", "server_full", "key_required"];
/** @type {Partial<Record<import("../lib/activity.js").Activity, string>>} */
const TITLES = { listening: "Listening", hearing: "Listening", speaking: "Speaking", reconnecting: "Reconnecting" };
/** @type {ReturnType<typeof setInterval> | undefined} */
let countdown;

/** Whether the talk button started the session that restarts; typing opens no microphone. */
let talks = false;

/** @param {{microphone?: boolean}} [options] */
function start({ microphone = true } = {}) {
  talks = microphone;
  notices.hideAll();
  return session.start({ microphone });
}

// What the session says

session.on("path", (chosen) => {
  if (session.active) path.show(chosen);
  talk.refresh();
});
session.on("messages", (all) => {
  messages.show(all);
  announcer.follow(all);
  for (const id of ["download", "new"]) byId(id, HTMLButtonElement).hidden = all.length === 0;
});
session.on("activity", (activity) => {
  talk.show(activity);
  const active = activity !== "idle";
  byId("end", HTMLButtonElement).hidden = !active;
  showMute();
  if (!active) path.hide();
  awake.keep(active);
  // The title is visible while the page is hidden.
  document.title = active ? `${TITLES[activity] ?? "Connected"} · streamsrv` : "streamsrv";
});
session.on("connection", ({ status, retryInMs, reason }) => {
  clearInterval(countdown);
  if (status === "open") notices.hide(...RECOVERED);
  if (status !== "reconnecting") return notices.hide("reconnecting");
  const until = Date.now() + retryInMs;
  const show = () => {
    const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
    notices.show(
      "reconnecting",
      "The connection was lost.",
      seconds ? `Reconnecting in ${seconds} s. ${reason}` : `Reconnecting. ${reason}`,
    );
  };
  show();
  countdown = setInterval(show, 1000);
});
session.on("event", ({ type, model, error }) => {
  if (!type.startsWith("streamsrv.recognizer.")) return;
  notices.hide("loading");
  if (type === "streamsrv.recognizer.loading") {
    notices.show("loading", `The speech recogniser ${model} is being loaded.`, "What you say meanwhile appears afterwards.");
  } else if (type === "streamsrv.recognizer.failed") {
    notices.show("loading", `The speech recogniser ${model} could not be loaded.`, error?.message ?? "");
  }
});
session.on("problem", (problem) => {
  if (problem.code === "key_required") return askForKey();
  if (problem.code === "sound_blocked") document.addEventListener("pointerdown", playSound, { once: true });
  notices.show(problem.code, problem.message, problem.advice, wayOn(problem));
});

/**
 * @param {Problem} problem
 * @returns {import("./notices.js").Action | undefined}
 */
function wayOn({ code }) {
  if (code.startsWith("microphone_")) return { label: "Try again", run: () => session.openMicrophone() };
  if (code === "sound_blocked") return { label: "Play sound", run: playSound };
  if (code === "unreachable" || code === "gave_up")
    return { label: "Try again", run: () => (session.active ? session.retry() : start({ microphone: talks })) };
  if (code === "server_full") return { label: "Try again", run: () => start({ microphone: talks }) };
  return undefined;
}

async function playSound() {
  notices.hide("sound_blocked"); // it comes again if sound stays blocked
  await session.unlock();
}

function askForKey() {
  byId("key-problem", HTMLElement).textContent = server.key
    ? "That key was not accepted. Check it and try again."
    : "Ask whoever runs it for one.";
  byId("key-dialog", HTMLDialogElement).showModal();
}

function showMute() {
  const button = byId("mute", HTMLButtonElement);
  button.hidden = !session.active || session.options.mode !== "hands-free";
  button.setAttribute("aria-pressed", String(session.muted));
}

// What the user does

byId("end", HTMLButtonElement).addEventListener("click", () => session.close());
byId("mute", HTMLButtonElement).addEventListener("click", () => {
  session.setMuted(!session.muted);
  showMute();
});
byId("new", HTMLButtonElement).addEventListener("click", () => session.reset());
byId("host", HTMLElement).textContent = server.url.host;
session.prepare();

/** @param {string} text */
function write(text) {
  if (!session.active) {
    talks = false;
    notices.hideAll();
  }
  session.say(text);
}

byId("write", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  const input = byId("text", HTMLInputElement);
  const text = input.value.trim();
  if (text) write(text);
  input.value = "";
});
byId("suggestions", HTMLElement).addEventListener("click", ({ target }) => {
  if (target instanceof HTMLButtonElement) write(target.textContent ?? "");
});

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

byId("download-menu", HTMLElement).addEventListener("click", ({ target }) => {
  const format = target instanceof HTMLElement ? target.dataset.format : undefined;
  if (!format) return;
  const { extension, type } = FORMATS[/** @type {keyof typeof FORMATS} */ (format)];
  const file = new Blob([conversationFile(session.messages, /** @type {keyof typeof FORMATS} */ (format))], { type });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = `conversation-${new Date().toISOString().slice(0, 16).replace(":", "")}.${extension}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  byId("download-menu", HTMLElement).hidePopover();
});

byId("theme", HTMLButtonElement).addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  keep("localStorage", "streamsrv.theme", dark ? "light" : "dark");
});

byId("key-dialog", HTMLDialogElement).addEventListener("submit", () => {
  server.key = byId("key", HTMLInputElement).value.trim();
  keepKey(server.key);
  start({ microphone: talks });
});
byId("key-cancel", HTMLButtonElement).addEventListener("click", () => byId("key-dialog", HTMLDialogElement).close());

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector("dialog[open], :popover-open")) session.interrupt();
});

const dock = /** @type {HTMLElement} */ (document.querySelector(".dock"));
new ResizeObserver(() => document.body.style.setProperty("--dock", `${dock.offsetHeight}px`)).observe(dock);
