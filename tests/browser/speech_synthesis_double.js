// A double of the browser's own voice: it "speaks" 20 ms a character without sound, or without an end, and notes what it was given.
window.spokenByTheBrowser = [];
window.browserVoiceEnds = true;
let running = null;
const double = {
  speak(utterance) {
    window.spokenByTheBrowser.push(utterance.text);
    setTimeout(() => utterance.onstart?.());
    if (window.browserVoiceEnds) running = setTimeout(() => utterance.onend?.(), 20 * utterance.text.length);
  },
  cancel() {
    clearTimeout(running);
    window.spokenByTheBrowser.push("(stopped)");
  },
};
Object.defineProperty(window, "speechSynthesis", { value: double });
