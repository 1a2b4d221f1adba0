import { copyText } from "../lib/copy-text.js";
import { byId } from "../lib/elements.js";
import { viewerUrl } from "./place.js";

/** The addresses of a room: for viewers, also as a QR code, and for an overlay. */
export class RoomLinks {
  #room;
  #viewers = byId("viewers", HTMLElement);

  /** @param {string} room */
  constructor(room) {
    this.#room = room;
    const viewer = viewerUrl(room);
    showLink("viewer-link", viewer);
    const overlay = new URL(viewer);
    overlay.search = "?overlay=1";
    showLink("overlay-link", overlay);
    this.#controlCode(viewer);
    byId("build-overlay", HTMLButtonElement).addEventListener("click", async () => {
      const { OverlayBuilder } = await import("./overlay-builder.js");
      OverlayBuilder.open(viewerUrl(this.#room));
    });
  }

  /** @param {number} count */
  showViewers(count) {
    this.#viewers.hidden = false;
    this.#viewers.textContent = count === 1 ? "1 viewer" : `${count} viewers`;
  }

  /** @param {boolean} isPublic  whether people without a key can read */
  showAccess(isPublic) {
    byId("overlay-links", HTMLElement).hidden = !isPublic;
    byId("private-hint", HTMLElement).hidden = isPublic;
  }

  /** @param {URL} viewer */
  #controlCode(viewer) {
    const dialog = byId("code", HTMLDialogElement);
    byId("code-address", HTMLElement).textContent = withoutScheme(viewer);
    byId("show-code", HTMLButtonElement).addEventListener("click", () => {
      const image = byId("code-image", HTMLImageElement);
      image.src = new URL(`../v1/streamsrv/captions/${encodeURIComponent(this.#room)}/qr.svg`, import.meta.url).href;
      dialog.showModal();
    });
    byId("code-close", HTMLButtonElement).addEventListener("click", () => dialog.close());
  }
}

/**
 * @param {string} id  of the link; its button to copy is `{id}-copy`
 * @param {URL} url
 */
export function showLink(id, url) {
  const link = byId(id, HTMLAnchorElement);
  const isNew = !link.href;
  link.href = url.href;
  link.textContent = withoutScheme(url);
  if (!isNew) return;
  const button = byId(`${id}-copy`, HTMLButtonElement);
  button.addEventListener("click", async () => {
    button.textContent = (await copyText(link.href)) ? "Copied" : "Couldn't copy";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
}

/** @param {URL} url */
function withoutScheme(url) {
  return url.href.replace(/^https?:\/\//, "");
}
