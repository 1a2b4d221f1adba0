/** @param {HTMLButtonElement} button  shown if the browser can show a page alone on the screen */
export function controlFullscreen(button) {
  button.hidden = !document.fullscreenEnabled;
  button.addEventListener("click", () => {
    void (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen());
  });
}
