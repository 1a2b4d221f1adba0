// Presses the talk button as no user would: browsers do not let a page play sound for it. Reading the page from a test counts
// as a gesture, so what it says is written to the console.
addEventListener("load", () => {
  const notices = document.querySelector("#notices");
  new MutationObserver(() => console.log(notices.textContent)).observe(notices, { childList: true });
  document.querySelector("#talk").click();
});
