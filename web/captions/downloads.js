/**
 * Save a room's captions as a file. Throws a `Problem`.
 *
 * @param {import("../lib/server.js").Server} server
 * @param {string} room
 * @param {string} format  `srt`, `vtt`, `txt` or `json`
 */
export async function download(server, room, format) {
  // Not a plain link, which cannot send the key.
  const response = await server.fetch(`v1/streamsrv/captions/${encodeURIComponent(room)}/captions.${format}`);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = `${room}.${format}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
