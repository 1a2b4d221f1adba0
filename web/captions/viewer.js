/** The page of a caption room's viewers. */

import { CaptionText } from "./caption-text.js";
import { CaptionView } from "./caption-view.js";
import { controlAppearance } from "./appearance.js";
import { download } from "./downloads.js";
import { byId } from "./elements.js";
import { CaptionFeed } from "./feed.js";
import { Follow } from "./follow.js";
import { keepKey, roomName, server } from "./place.js";
import { statusText } from "./status-text.js";
import { stayAwake } from "./stay-awake.js";

const ANNOUNCED = 20; // texts kept for screen readers, which have already read older ones
const FADE_MS = 10_000; // time without words after which the overlay disappears

const room = roomName();
const text = new CaptionText();
const view = new CaptionView(text, byId("text", HTMLElement));
const root = document.documentElement;
const empty = byId("empty", HTMLElement);
const announcer = byId("announcer", HTMLElement);
const chip = byId("status", HTMLElement);
let state = { live: 0, key: "" };
/** @type {import("./feed.js").FeedStatus} */
let status = "connecting";
/** @type {ReturnType<typeof setTimeout> | undefined} */
let fade;
let feed = new CaptionFeed(server(), room);

document.title = `${room}: captions`;
byId("title", HTMLElement).textContent = room;
byId("empty-room", HTMLElement).textContent = room;
if ("overlay" in root.dataset) {
  prepareOverlay(new URLSearchParams(location.search));
} else {
  controlAppearance();
  void stayAwake();
}
new Follow(byId("captions", HTMLElement), byId("text", HTMLElement), byId("latest", HTMLButtonElement));
controlDownloads();
controlFullscreen();
byId("key-form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  keepKey(byId("key", HTMLInputElement).value.trim());
  feed.close();
  feed = new CaptionFeed(server(), room);
  follow(feed);
});
follow(feed);

/** @param {CaptionFeed} followed */
function follow(followed) {
  followed.on("room", (event) => {
    state = event;
    if (event.restarted) text.restart().forEach((utterance) => view.update(utterance));
    if (event.title) {
      byId("title", HTMLElement).textContent = event.title;
      document.title = `${event.title}: captions`;
    }
    showStatus();
  });
  followed.on("partial", (event) => show(text.showPartial(event)));
  followed.on("final", (event) => {
    show(text.showFinal(event));
    if (!event.old && event.text) announce(event.text);
  });
  followed.on("status", (event) => {
    if (followed !== feed) return; // another one has replaced it
    status = event.status;
    showStatus();
    showRefusal(event.status === "refused" ? event.problem : null);
  });
  void followed.run();
}

/** @param {import("./caption-text.js").Utterance} utterance */
function show(utterance) {
  view.update(utterance);
  empty.hidden = true;
  delete root.dataset.silent;
  clearTimeout(fade);
  fade = setTimeout(() => (root.dataset.silent = ""), FADE_MS);
}

/** @param {string} words  final words; tentative ones are not read aloud */
function announce(words) {
  const line = document.createElement("p");
  line.textContent = words;
  announcer.append(line);
  while (announcer.childElementCount > ANNOUNCED) announcer.firstElementChild?.remove();
}

function showStatus() {
  const told = statusText(status, state);
  chip.dataset.state = told.state;
  const words = byId("status-text", HTMLElement);
  if (words.textContent !== told.text) words.textContent = told.text;
}

/** @param {import("../lib/problems.js").Problem | null} problem */
function showRefusal(problem) {
  const form = byId("key-form", HTMLFormElement);
  form.hidden = problem === null;
  if (problem === null) return;
  empty.hidden = true;
  byId("refusal", HTMLElement).textContent = problem.message;
  byId("key-entry", HTMLElement).hidden = problem.code !== "key_required";
  if (problem.code === "key_required") byId("key", HTMLInputElement).focus();
}

function controlDownloads() {
  const menu = byId("download-menu", HTMLElement);
  menu.addEventListener("click", async (event) => {
    const format = event.target instanceof HTMLButtonElement ? event.target.dataset.format : undefined;
    if (!format) return;
    menu.hidePopover();
    const notice = byId("notice", HTMLElement);
    notice.textContent = await download(server(), room, format).then(
      () => "",
      (problem) => `The download failed. ${problem.message}`,
    );
  });
}

function controlFullscreen() {
  const button = byId("fullscreen", HTMLButtonElement);
  button.hidden = !document.fullscreenEnabled;
  button.addEventListener("click", () => {
    void (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen());
  });
}

/**
 * The overlay of a video: `lines` (default 2) and `size` (px of the letters) come from the address.
 *
 * @param {URLSearchParams} options
 */
function prepareOverlay(options) {
  const lines = Number(options.get("lines"));
  const size = Number(options.get("size"));
  if (lines >= 1 && lines <= 10) root.style.setProperty("--lines", String(Math.round(lines)));
  if (size >= 8 && size <= 400) root.style.setProperty("--size", `${size}px`);
}
