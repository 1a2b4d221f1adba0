/** The page of a caption room's speaker. */

import { AudioEngine, listMicrophones, onDevicesChanged, Problem } from "../lib/index.js";
import { showThemeChoice } from "../style/theme-choice.js";
import { CaptionText } from "./caption-text.js";
import { CaptionView } from "./caption-view.js";
import { byId } from "./elements.js";
import { CaptionFeed } from "./feed.js";
import { Follow } from "./follow.js";
import { HearingChoice } from "./hearing-choice.js";
import { keepKey, roomName, server, viewerUrl } from "./place.js";
import { fromMicrophone, fromPlayer, fromTab } from "./sources.js";
import { Speaking } from "./speaking.js";

/** @type {Record<import("./speaking.js").SpeakingStatus, {button: string, chip: string, state: string}>} */
const WORDS = {
  idle: { button: "Start captions", chip: "Not live", state: "quiet" },
  connecting: { button: "Connecting", chip: "Connecting", state: "quiet" },
  live: { button: "Stop captions", chip: "Live", state: "live" },
  reconnecting: { button: "Stop captions", chip: "Connection lost, reconnecting", state: "trouble" },
  finishing: { button: "Finishing…", chip: "Finishing", state: "quiet" },
};

const room = roomName();
const audio = new AudioEngine();
const text = new CaptionText();
const view = new CaptionView(text, byId("text", HTMLElement));
const start = byId("start", HTMLButtonElement);
const notice = byId("notice", HTMLElement);
const player = byId("player", HTMLAudioElement);
const choice = new HearingChoice();
/** @type {Speaking | null} */
let speaking = null;
let feed = new CaptionFeed(server(), room);

document.title = `${room}: speak`;
byId("room", HTMLElement).textContent = room;
showThemeChoice(byId("theme-choice", HTMLElement));
showStatus("idle");
showLinks();
showSource();
follow(feed);
new Follow(byId("captions", HTMLElement), byId("text", HTMLElement), byId("latest", HTMLButtonElement));
void lookAround();
void listDevices();
onDevicesChanged(() => void listDevices());

start.addEventListener("click", async () => {
  if (speaking) return speaking.stop();
  showProblem(null);
  try {
    await begin();
  } catch (error) {
    speaking = null;
    showStatus("idle");
    showProblem(error instanceof Problem ? error : new Problem("failed", String(error)));
  }
});
byId("sources", HTMLElement).addEventListener("change", showSource);
byId("file", HTMLInputElement).addEventListener("change", () => {
  const file = byId("file", HTMLInputElement).files?.[0];
  URL.revokeObjectURL(player.src);
  if (file) player.src = URL.createObjectURL(file);
  player.hidden = !file;
});
for (const id of ["caption-title", "speaker", "translate"]) {
  byId(id, HTMLElement).addEventListener("change", () => speaking?.configure(captions()));
}
choice.on("change", (hearing) => speaking?.hear(hearing));
choice.on("problem", showProblem);
byId("key-form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  keepKey(byId("key", HTMLInputElement).value.trim());
  feed.close();
  feed = new CaptionFeed(server(), room);
  follow(feed);
  void lookAround();
});

async function begin() {
  showStatus("connecting");
  const unlocked = audio.unlock(); // inside the tap
  // The microphone opens without waiting, so that speech from the press on is captioned.
  if (chosenSource() === "file") await unlocked;
  const [opened, sound] = await Promise.allSettled([openSource(), unlocked]);
  if (opened.status === "rejected") throw opened.reason;
  const source = opened.value;
  if (sound.status === "rejected") {
    source.close();
    throw sound.reason;
  }
  const begun = new Speaking(audio, server(), source, captions(), choice.hearing);
  speaking = begun;
  begun.on("status", (status) => {
    if (status === "idle") speaking = null;
    showStatus(status);
  });
  begun.on("level", (level) => byId("level", HTMLElement).style.setProperty("--level", String(level)));
  begun.on("loading", (name) => {
    const wait = new Problem("loading", `The speech recogniser ${name} is being loaded.`, "The captions come afterwards.");
    showProblem(name ? wait : null);
  });
  begun.on("problem", showProblem);
  await begun.start();
  void listDevices(); // they have names now
}

function openSource() {
  switch (chosenSource()) {
    case "tab":
      return fromTab();
    case "file":
      return fromPlayer(audio.context, player);
    default:
      return fromMicrophone(byId("device", HTMLSelectElement).value);
  }
}

function chosenSource() {
  return document.querySelector("input[name=source]:checked")?.getAttribute("value") ?? "microphone";
}

function captions() {
  const title = byId("caption-title", HTMLInputElement).value.trim();
  /** @type {"en" | null} */
  const translate = byId("translate", HTMLSelectElement).value === "en" ? "en" : null;
  return { room, title, speaker: byId("speaker", HTMLInputElement).value.trim(), translate };
}

/** Check whether this server accepts the key, and whether it can recognise speech. */
async function lookAround() {
  const form = byId("key-form", HTMLFormElement);
  try {
    const capabilities = await server().capabilities();
    const { recognizer, translator } = capabilities;
    byId("translation", HTMLElement).hidden = !translator;
    form.hidden = true;
    start.disabled = recognizer === null;
    showProblem(
      recognizer === null ? new Problem("no_recogniser", "This server has no speech recogniser, so it cannot caption.") : null,
    );
    choice.offer(capabilities);
  } catch (error) {
    const problem = error instanceof Problem ? error : new Problem("failed", String(error));
    form.hidden = problem.code !== "key_required";
    start.disabled = problem.code === "key_required";
    showProblem(problem.code === "key_required" ? null : problem);
  }
}

/** @param {CaptionFeed} followed */
function follow(followed) {
  followed.on("room", (event) => {
    if (event.restarted) text.restart().forEach((utterance) => view.update(utterance));
    const title = byId("caption-title", HTMLInputElement);
    if (!title.value) title.value = event.title;
  });
  followed.on("partial", (event) => show(text.showPartial(event)));
  followed.on("final", (event) => show(text.showFinal(event)));
  void followed.run();
}

/** @param {import("./caption-text.js").Utterance} utterance */
function show(utterance) {
  view.update(utterance);
  byId("empty", HTMLElement).hidden = true;
}

function showSource() {
  const chosen = chosenSource();
  for (const kind of ["microphone", "tab", "file"]) byId(`${kind}-options`, HTMLElement).hidden = kind !== chosen;
}

/** @param {import("./speaking.js").SpeakingStatus} status */
function showStatus(status) {
  const { button, chip, state } = WORDS[status];
  start.textContent = button;
  start.dataset.status = status;
  start.disabled = status === "connecting" || status === "finishing";
  byId("status", HTMLElement).dataset.state = state;
  byId("status-text", HTMLElement).textContent = chip;
  byId("sources", HTMLFieldSetElement).disabled = status !== "idle";
  if (status === "idle") byId("level", HTMLElement).style.setProperty("--level", "0");
}

/** @param {Problem | null} problem */
function showProblem(problem) {
  notice.replaceChildren();
  if (problem === null) return;
  const message = document.createElement("strong");
  message.textContent = problem.message;
  notice.append(message, " ", problem.advice);
}

async function listDevices() {
  const select = byId("device", HTMLSelectElement);
  const held = select.value;
  const named = (await listMicrophones()).filter((device) => device.label && device.deviceId !== "default");
  select.replaceChildren(
    new Option("The default microphone", ""),
    ...named.map((device) => new Option(device.label, device.deviceId)),
  );
  if (named.some((device) => device.deviceId === held)) select.value = held;
}

function showLinks() {
  const overlay = viewerUrl(room);
  overlay.search = "?overlay=1";
  showLink("viewer-link", viewerUrl(room));
  showLink("overlay-link", overlay);
}

/**
 * @param {string} id  of the link; its button to copy is `{id}-copy`
 * @param {URL} url
 */
function showLink(id, url) {
  const link = byId(id, HTMLAnchorElement);
  link.href = url.href;
  link.textContent = url.href.replace(/^https?:\/\//, "");
  const button = byId(`${id}-copy`, HTMLButtonElement);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(url.href).then(
      () => (button.textContent = "Copied"),
      () => (button.textContent = "Could not copy"),
    );
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
}
