/** What a speaker asks of a room beside speaking in it. Each throws a `Problem`. */

import { server } from "./place.js";

/**
 * Correct a final caption for everybody.
 *
 * @param {string} room
 * @param {string} itemId
 * @param {string} text  empty: the caption is removed
 */
export async function correct(room, itemId, text) {
  await post(room, "corrections", { item_id: itemId, text });
}

/**
 * Remove all captions of a room, for everybody.
 *
 * @param {string} room
 */
export async function clear(room) {
  await post(room, "clear", null);
}

/**
 * @param {string} room
 * @param {string} action
 * @param {object | null} fields
 */
async function post(room, action, fields) {
  const path = `v1/streamsrv/captions/${encodeURIComponent(room)}/${action}`;
  const sent = fields ? { body: JSON.stringify(fields), headers: { "Content-Type": "application/json" } } : {};
  await server().fetch(path, { method: "POST", ...sent });
}

/**
 * Whether people without a key can read the captions, as an overlay must.
 *
 * @param {string} room
 * @param {import("../lib/server.js").Server} anybody  this server, without a key
 * @returns {Promise<boolean>}
 */
export async function isPublic(room, anybody) {
  const asked = new AbortController();
  try {
    await anybody.fetch(`v1/streamsrv/captions/${encodeURIComponent(room)}/events`, { signal: asked.signal });
    return true;
  } catch (error) {
    return !(error instanceof Object && "code" in error && error.code === "key_required");
  } finally {
    asked.abort();
  }
}
