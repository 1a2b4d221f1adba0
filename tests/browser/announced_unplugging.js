// Chromium on Linux learns from udev that a device was unplugged, not from PulseAudio. The test pulls the virtual microphone
// out, and this tells the page what udev would: `announceUnplugging()`. `announceUnpluggedHeadset()` does so without a pull,
// because Chromium remembers the loudspeakers that there were.
const devices = navigator.mediaDevices; // not there on about:blank
const open = devices?.getUserMedia.bind(devices);
const tracks = [];
let headsetIsGone = false;
if (open) {
  devices.getUserMedia = async (constraints) => {
    const stream = await open(constraints);
    tracks.push(...stream.getTracks());
    return stream;
  };
  const list = devices.enumerateDevices.bind(devices);
  const isThere = ({ kind, label }) => !headsetIsGone || kind !== "audiooutput" || label !== "headset";
  devices.enumerateDevices = async () => (await list()).filter(isThere);
}
window.announceUnplugging = () => {
  for (const track of tracks) {
    track.stop();
    track.dispatchEvent(new Event("ended"));
  }
};
window.announceUnpluggedHeadset = () => {
  headsetIsGone = true;
  devices.dispatchEvent(new Event("devicechange"));
};
