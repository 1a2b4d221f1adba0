/** Finds the room and the server of a caption page. */

import { Server } from "../lib/server.js";
import { keep, readKept } from "../lib/storage.js";

const KEY = "streamsrv.key"; // shared with the assistant; in this tab only
let key = readKept("sessionStorage", KEY);

/** @returns {string} the room in the address of this page: `/captions/{room}` or `/captions/{room}/speak` */
export function roomName() {
  return /\/captions\/([^/]+)/.exec(location.pathname)?.[1] ?? "";
}

/**
 * @param {string} room
 * @returns {URL} of its viewers' page
 */
export function viewerUrl(room) {
  return new URL(encodeURIComponent(room), new URL("./", import.meta.url));
}

/** @returns {Server} with the key that was entered in this tab, if any */
export function server() {
  return new Server(new URL("../", import.meta.url), key);
}

/** @returns {boolean} whether a key was entered in this tab */
export function keyIsKept() {
  return key !== "";
}

/** @param {string} entered */
export function keepKey(entered) {
  key = entered;
  keep("sessionStorage", KEY, key);
}
