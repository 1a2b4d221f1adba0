/** The page of a caption room's speaker. */

import { Problem, Server } from "../lib/index.js";
import { asProblem } from "../lib/problems.js";
import { controlAppearance } from "./appearance.js";
import { CaptionEditor } from "./caption-editor.js";
import { Captioning } from "./captioning.js";
import { DownloadMenu } from "./download-menu.js";
import { byId } from "../lib/elements.js";
import { FileView } from "./file-view.js";
import { Follow } from "./follow.js";
import { FollowedRoom } from "./followed-room.js";
import { HearingChoice } from "./hearing-choice.js";
import { KeyForm } from "./key-form.js";
import { LevelView } from "./level-view.js";
import { controlClearing, LiveControls } from "./live-controls.js";
import { Notices } from "./notices.js";
import { keyIsKept, roomName, server } from "./place.js";
import { controlReading } from "./reading-options.js";
import { RetryView } from "./retry-view.js";
import { RoomDetails } from "./room-details.js";
import { RoomLinks } from "./room-links.js";
import { isPublic } from "./room-requests.js";
import { SourceChoice } from "./source-choice.js";
import { StartView } from "./start-view.js";
import { WordListsView } from "./word-lists-view.js";

/** @type {Record<import("./source-choice.js").SourceKind, string>} what is said when nothing is heard */
const SILENT = {
  microphone: "Nothing is heard. Is this the right microphone, and is it switched on?",
  tab: "Nothing is heard. Is the tab playing, and was its audio shared?",
  file: "Nothing is heard in this part of the recording.",
};
const NO_RECOGNISER = new Problem("no_recogniser", "This server has no speech recogniser, so it can't caption.", "Ask its administrator for one.");

const room = roomName();
const notices = new Notices();
const sources = new SourceChoice();
const details = new RoomDetails(room);
const choice = new HearingChoice();
const lists = new WordListsView(room);
const links = new RoomLinks(room);
const controls = new LiveControls();
const level = new LevelView();
const followed = new FollowedRoom(room, byId("text", HTMLElement), true);
const menu = new DownloadMenu(room, () => followed.view.plainText, notices);
const editor = new CaptionEditor(room, followed.view, notices);
const captioning = new Captioning(sources, () => ({
  ...details.captions,
  ...(lists.replacements ? { replacements: lists.replacements } : {}),
  hearing: { ...choice.hearing, keywords: lists.keywords },
}));
const fileView = new FileView(() => captioning.cancelFile());
const start = new StartView(() => {
  notices.hideAll();
  void captioning.toggle();
});
const retry = new RetryView(() => {
  followed.retryNow();
  captioning.retryNow();
});
const keyForm = new KeyForm(() => {
  isFollowed = false;
  void lookAround();
});
/** @type {import("../lib/path.js").Capabilities | null} */
let capabilities = null;
/** @type {import("./captioning.js").CaptioningStatus} */
let status = "idle";
let isFollowed = false;

document.title = `${room}: captions`;
byId("room", HTMLElement).textContent = room;
controlAppearance();
controlReading();
controlClearing(room, notices);
new Follow(byId("captions", HTMLElement), byId("text", HTMLElement), byId("latest", HTMLButtonElement));
followRoom();
followCaptioning();
details.on("change", () => captioning.configure());
lists.on("replacements", () => captioning.configure());
lists.on("vocabulary", () => captioning.hear());
choice.on("change", () => {
  offerVocabulary();
  captioning.hear();
});
choice.on("problem", (problem) => notices.show(problem));
byId("live-controls", HTMLElement).addEventListener("click", () => start.show(status, controls.isPaused));
start.show(status, false);
void lookAround();

function followCaptioning() {
  captioning.on("status", (event) => {
    status = event.status;
    start.show(status, controls.isPaused);
    sources.lock(status !== "idle");
    if (status === "file") fileView.begin();
    if (status === "live") notices.hide("audio_lost", "unreachable");
    if (status === "live") level.start(SILENT[sources.kind]);
    else level.stop();
    if (status === "reconnecting") retry.show(event.retryInMs);
    else retry.hide();
  });
  captioning.on("speaking", (speaking) => controls.control(speaking));
  captioning.on("level", (value) => {
    if (status === "live") level.show(value, controls.isHeld);
  });
  captioning.on("loading", (name) => {
    notices.hide("loading");
    if (name) notices.show(new Problem("loading", `Loading the speech recogniser ${name}.`, "Captions start afterwards."));
  });
  captioning.on("problem", (problem) => {
    notices.show(problem);
    if (status === "idle") fileView.end("");
  });
  captioning.on("progress", ({ seconds, duration }) => fileView.show(seconds, duration));
  captioning.on("done", (count) => fileView.end(count === null ? "Cancelled." : `Done: ${count} ${count === 1 ? "caption" : "captions"}.`));
}

function followRoom() {
  const changed = () => {
    menu.offer(followed.hasText);
    editor.offer();
    byId("clear", HTMLButtonElement).disabled = !followed.hasText;
    byId("correct-hint", HTMLElement).hidden = !followed.hasText;
  };
  followed.on("room", ({ title, change }) => {
    details.suggestTitle(title);
    if (!change) return;
    byId("empty", HTMLElement).hidden = change !== "cleared";
    changed();
  });
  followed.on("viewers", (count) => links.showViewers(count));
  followed.on("shown", () => (byId("empty", HTMLElement).hidden = true));
  followed.on("final", changed);
  followed.on("status", (event) => {
    if (event.status === "refused") keyForm.show(event.problem);
    if (status !== "idle") return; // then the connection of the speaker is what matters
    if (event.status === "reconnecting") retry.show(event.retryInMs);
    else retry.hide();
    if (event.status === "open" && capabilities === null) void lookAround();
  });
}

/** Check whether this server accepts the key, and what it can recognise. */
async function lookAround() {
  try {
    capabilities = await server().capabilities();
  } catch (error) {
    const problem = asProblem(error);
    const isLocked = problem.code === "key_required";
    start.refuse(isLocked);
    keyForm.show(isLocked ? problem : null);
    if (isLocked) return;
    notices.show(problem);
    return follow();
  }
  keyForm.show(null);
  notices.hide("unreachable");
  details.offerTranslation(Boolean(capabilities.translator));
  start.refuse(capabilities.recognizer === null);
  if (capabilities.recognizer === null) notices.show(NO_RECOGNISER);
  choice.offer(capabilities);
  offerVocabulary();
  follow();
  links.showAccess(!keyIsKept() || (await isPublic(room, new Server(server().url))));
}

function follow() {
  if (!isFollowed) followed.follow();
  isFollowed = true;
}

function offerVocabulary() {
  if (capabilities) lists.offer(capabilities, choice.hearing.model);
}
