// The virtual sound card has no echo, and a canceller that never hears one takes talking over a reply for it.
const devices = navigator.mediaDevices; // not there on about:blank
const open = devices?.getUserMedia.bind(devices);
const unprocessed = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
if (open) devices.getUserMedia = ({ audio }) => open({ audio: { ...audio, ...unprocessed } });
