/** The page that leads to a caption room. */

import { showThemeChoice } from "../style/theme-choice.js";
import { byId } from "../lib/elements.js";
import { viewerUrl } from "./place.js";
import { roomNameOf } from "./room-name.js";

const field = byId("room", HTMLInputElement);
const hint = byId("room-hint", HTMLElement);
const problemPlace = byId("room-problem", HTMLElement);
const usualHint = hint.textContent;

showThemeChoice(byId("theme-choice", HTMLElement));
byId("rooms", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  const { name, problem } = roomNameOf(field.value);
  showProblem(problem);
  if (problem) return field.focus();
  const url = viewerUrl(name);
  const speaks = event.submitter instanceof HTMLButtonElement && event.submitter.value === "speak";
  location.assign(speaks ? `${url.href}/speak` : url);
});
field.addEventListener("input", () => {
  const { name, problem } = roomNameOf(field.value);
  hint.textContent = name && name !== field.value ? `The room will be ${name}.` : usualHint;
  if (!problem) showProblem("");
});

/** @param {string} problem  empty: the name can be used */
function showProblem(problem) {
  problemPlace.textContent = problem;
  field.setAttribute("aria-invalid", String(problem !== ""));
}
