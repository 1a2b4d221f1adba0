// Not a module, so that it runs before the page is drawn: what the user presses or sends before the modules of the page
// have run is shown as accepted, and done as soon as they have.
{
  const MAX_PRESSES = 8;
  const MAX_TALK_MS = 4000; // after a longer wait nobody expects the microphone to open
  const PRESSED = 'button[type="button"]:not([popovertarget]), input[type="radio"]';

  /** @type {Map<HTMLElement, number>} what was pressed, and when */
  const presses = new Map();
  /** @type {Map<HTMLFormElement, HTMLElement | null>} what was sent, and by which button */
  const sent = new Map();
  const talk = () => document.getElementById("talk");
  const activity = () => document.getElementById("activity");
  let idle = "";

  /** @param {MouseEvent} event */
  const clicked = (event) => {
    const control = event.target instanceof Element ? event.target.closest(PRESSED) : null;
    if (!(control instanceof HTMLElement) || presses.size === MAX_PRESSES) return;
    presses.set(control, event.timeStamp);
    control.setAttribute("aria-busy", "true");
    if (control === talk()) showTalk("connecting", "Connecting…");
  };

  /** @param {KeyboardEvent} event  Enter sends what is in a field of several lines, too */
  const keyed = (event) => {
    const field = event.target;
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || !(field instanceof HTMLTextAreaElement)) return;
    if (field.enterKeyHint !== "send" || !field.form) return;
    event.preventDefault();
    field.form.requestSubmit();
  };

  /** @param {SubmitEvent} event */
  const submitted = (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || form.method === "dialog") return;
    event.preventDefault(); // the page sends it, not the browser
    sent.set(form, event.submitter);
    form.setAttribute("aria-busy", "true");
  };

  /**
   * @param {string} state  of the talk button
   * @param {string} text  below it
   */
  const showTalk = (state, text) => {
    const button = talk();
    const line = activity();
    if (!button || !line) return;
    idle ||= line.textContent;
    button.dataset.activity = state;
    line.textContent = text;
  };

  /** @param {number} at  whether a press at that time may still open a microphone */
  const isFresh = (at) => performance.now() - at < MAX_TALK_MS && navigator.userActivation?.isActive !== false;

  document.addEventListener("click", clicked, true);
  document.addEventListener("keydown", keyed, true);
  document.addEventListener("submit", submitted, true);
  // Browsers run the modules of a document before this event.
  document.addEventListener("DOMContentLoaded", () => {
    document.removeEventListener("click", clicked, true);
    document.removeEventListener("keydown", keyed, true);
    document.removeEventListener("submit", submitted, true);
    // Without its modules, the page does not connect.
    if (idle && talk()?.getAttribute("aria-busy") === "true") showTalk("idle", idle);
    for (const [control, at] of presses) {
      control.removeAttribute("aria-busy");
      if (control !== talk() || isFresh(at)) control.click();
    }
    for (const [form, submitter] of sent) {
      form.removeAttribute("aria-busy");
      form.requestSubmit(submitter);
    }
  });
}
