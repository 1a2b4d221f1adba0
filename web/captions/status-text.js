/**
 * Describes the connection for a viewer. Pure.
 *
 * @typedef {{state: "live" | "quiet" | "trouble", text: string}} StatusText
 */

/**
 * @param {import("./feed.js").FeedStatus} status
 * @param {{live: number, paused: number, key: string}} room  as the server last reported
 * @returns {StatusText}
 */
export function statusText(status, room) {
  switch (status) {
    case "open":
      if (room.live > 0 && room.paused >= room.live) return { state: "quiet", text: "Paused" };
      if (room.live > 0) return { state: "live", text: "Live" };
      return { state: "quiet", text: room.key ? "The speaker has left" : "Waiting for the speaker" };
    case "connecting":
      return { state: "quiet", text: "Connecting…" };
    case "refused":
      return { state: "trouble", text: "No access" };
    case "reconnecting":
      return { state: "trouble", text: "Connection lost" };
    case "closed":
      return { state: "quiet", text: "Closed" };
  }
}
