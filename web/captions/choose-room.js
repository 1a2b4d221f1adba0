/** The page that leads to a caption room. */

import { byId } from "./elements.js";
import { viewerUrl } from "./place.js";

byId("rooms", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  const url = viewerUrl(byId("room", HTMLInputElement).value);
  const speaks = event.submitter instanceof HTMLButtonElement && event.submitter.value === "speak";
  location.assign(speaks ? `${url.href}/speak` : url);
});
