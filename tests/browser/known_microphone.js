// Tells the test when the browser has opened the microphone: `microphoneOpen`. And without processing of its sound: the
// canceller of echoes takes the recording's first words for noise while it adapts to a sound card without any.
const devices = navigator.mediaDevices; // not there on about:blank
const open = devices?.getUserMedia.bind(devices);
window.microphoneOpen = false;
if (open) {
  devices.getUserMedia = async (constraints) => {
    const stream = await open(constraints);
    setTimeout(() => (window.microphoneOpen = true));
    return stream;
  };
}
