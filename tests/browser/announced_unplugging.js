// Chromium on Linux learns from udev that a device was unplugged, not from PulseAudio. The test pulls the virtual microphone
// out, and this tells the page what udev would: `announceUnplugging()`.
const devices = navigator.mediaDevices; // not there on about:blank
const open = devices?.getUserMedia.bind(devices);
const tracks = [];
if (open) {
  devices.getUserMedia = async (constraints) => {
    const stream = await open(constraints);
    tracks.push(...stream.getTracks());
    return stream;
  };
}
window.announceUnplugging = () => {
  for (const track of tracks) {
    track.stop();
    track.dispatchEvent(new Event("ended"));
  }
};
