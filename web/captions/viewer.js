/** The page of a caption room's viewers. */

import { controlAppearance } from "./appearance.js";
import { DownloadMenu } from "./download-menu.js";
import { byId } from "../lib/elements.js";
import { Follow } from "./follow.js";
import { FollowedRoom } from "./followed-room.js";
import { controlFullscreen } from "./fullscreen.js";
import { KeyForm } from "./key-form.js";
import { Notices } from "./notices.js";
import { Overlay } from "./overlay.js";
import { roomName } from "./place.js";
import { ReadAloud } from "./read-aloud.js";
import { controlReading } from "./reading-options.js";
import { RetryView } from "./retry-view.js";
import { SearchBar } from "./search-bar.js";
import { statusText } from "./status-text.js";
import { stayAwake } from "./stay-awake.js";

const room = roomName();
const followed = new FollowedRoom(room, byId("text", HTMLElement));
const overlay = "overlay" in document.documentElement.dataset ? new Overlay(new URLSearchParams(location.search)) : null;
const retry = new RetryView(() => followed.retryNow());
const menu = new DownloadMenu(room, () => followed.view.plainText, new Notices());
const search = new SearchBar();
const readAloud = new ReadAloud();
const keyForm = new KeyForm(() => followed.follow());
const empty = byId("empty", HTMLElement);
let state = { live: 0, paused: 0, key: "" };
/** @type {import("./feed.js").FeedStatus} */
let status = "connecting";

document.title = `${room}: captions`;
byId("title", HTMLElement).textContent = room;
byId("empty-room", HTMLElement).textContent = room;
if (overlay === null) {
  controlAppearance();
  controlReading();
  void stayAwake();
}
new Follow(byId("captions", HTMLElement), byId("text", HTMLElement), byId("latest", HTMLButtonElement));
controlFullscreen(byId("fullscreen", HTMLButtonElement));

followed.on("room", (event) => {
  state = event;
  if (event.change === "cleared") {
    empty.hidden = false;
    readAloud.clear();
  }
  if (event.change) changed();
  if (event.title) {
    byId("title", HTMLElement).textContent = event.title;
    document.title = `${event.title}: captions`;
  }
  showStatus();
});
followed.on("shown", () => {
  empty.hidden = true;
  overlay?.wake();
  search.update();
});
followed.on("final", ({ text, old, corrected }) => {
  changed();
  if (!old) readAloud.say(text, corrected);
});
followed.on("status", (event) => {
  status = event.status;
  showStatus();
  if (status === "reconnecting") retry.show(event.retryInMs);
  else retry.hide();
  const refusal = status === "refused" ? event.problem : null;
  if (refusal) empty.hidden = true;
  keyForm.show(refusal);
  overlay?.tell(refusal);
});
followed.follow();

function changed() {
  menu.offer(followed.hasText);
  search.update();
}

function showStatus() {
  const told = statusText(status, state);
  byId("status", HTMLElement).dataset.state = told.state;
  const words = byId("status-text", HTMLElement);
  if (words.textContent !== told.text) words.textContent = told.text;
}
