// Runs before the scripts of a page. As soon as all of them have run it presses a button until the page reacts.
// `pageLoad` resolves with ms since the navigation began, and with what came over the network until the page was usable.
window.pageLoad = new Promise((resolve) => {
  const ATTEMPT_MS = 5;
  const found = { painted: 0, usable: 0, requests: 0, bytes: 0 };
  const tell = () => found.painted && found.usable && resolve(found);

  new PerformanceObserver((list) => {
    for (const { name, startTime } of list.getEntries()) if (name === "first-contentful-paint") found.painted = startTime;
    tell();
  }).observe({ type: "paint", buffered: true });

  const state = () => `${document.querySelector("#talk")?.dataset.activity} ${document.documentElement.style.cssText}`;

  const press = () => {
    const before = state();
    document.querySelector(window.buttonToPress).click();
    if (state() === before) setTimeout(press, ATTEMPT_MS);
    else note();
  };

  const note = () => {
    const loaded = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
    const sent = loaded.filter(({ name, transferSize }) => transferSize > 0 && !name.includes("/v1/"));
    found.requests = sent.length;
    found.bytes = sent.reduce((sum, { transferSize }) => sum + transferSize, 0);
    found.usable = performance.now();
    tell();
  };

  // On the window, so that listeners of the page's document come first.
  addEventListener("DOMContentLoaded", press);
});
