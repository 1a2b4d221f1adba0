/** The page that leads to a caption room. */

import { showThemeChoice } from "../style/theme-choice.js";
import { byId } from "./elements.js";
import { viewerUrl } from "./place.js";

showThemeChoice(byId("theme-choice", HTMLElement));
byId("rooms", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  const url = viewerUrl(byId("room", HTMLInputElement).value);
  const speaks = event.submitter instanceof HTMLButtonElement && event.submitter.value === "speak";
  location.assign(speaks ? `${url.href}/speak` : url);
});
