// Counts what opens the microphone: `microphoneRequests`, with "microphone" for the page's own use and "recogniser" for the
// browser's speech recognition, which is a double that hears nothing.
window.microphoneRequests = [];
window.microphoneStreams = []; // that the page opened
const devices = navigator.mediaDevices; // not there on about:blank
const open = devices?.getUserMedia.bind(devices);
if (open) {
  devices.getUserMedia = (constraints) => {
    microphoneRequests.push("microphone");
    return open(constraints).then((stream) => {
      microphoneStreams.push(stream);
      return stream;
    });
  };
}
window.SpeechRecognition = window.webkitSpeechRecognition = class extends EventTarget {
  start() {
    microphoneRequests.push("recogniser");
    queueMicrotask(() => this.onstart?.(new Event("start")));
  }
  stop() {}
  abort() {}
};
