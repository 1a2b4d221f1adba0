// Calls a server from a page, sends a click every half second, and returns the ms after which each came back.
//
// One AudioContext sends and receives, so one clock measures both. The path includes the browser's encoder and jitter buffer.

const PERIOD_S = 0.5;

const PROCESSOR = `
  class Clicks extends AudioWorkletProcessor {
    #quiet = 0;

    process([[heard]], [[sent]]) {
      for (let i = 0; i < sent.length; i++) {
        const time = currentTime + i / sampleRate;
        const phase = time % ${PERIOD_S};
        sent[i] = phase < 0.01 ? 0.5 * Math.sin(2 * Math.PI * 1000 * time) : 0;
        const loud = heard !== undefined && Math.abs(heard[i]) > 0.1;
        if (loud && this.#quiet > sampleRate / 10) this.port.postMessage(phase * 1000);
        this.#quiet = loud ? 0 : this.#quiet + 1;
      }
      return true;
    }
  }
  registerProcessor("clicks", Clicks);
`;

async function measure(seconds) {
  const context = new AudioContext({ latencyHint: "interactive" });
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([PROCESSOR], { type: "text/javascript" })));
  const clicks = new AudioWorkletNode(context, "clicks", { outputChannelCount: [1] });
  const microphone = context.createMediaStreamDestination();
  clicks.connect(microphone);
  const connection = new RTCPeerConnection();
  connection.createDataChannel("oai-events");
  connection.addTrack(microphone.stream.getAudioTracks()[0], microphone.stream);
  connection.addEventListener("track", ({ track }) => {
    const stream = new MediaStream([track]);
    // Chromium gives a remote stream to Web Audio only while an element plays it.
    Object.assign(new Audio(), { srcObject: stream, muted: true, autoplay: true });
    context.createMediaStreamSource(stream).connect(clicks);
  });
  await connection.setLocalDescription();
  while (connection.iceGatheringState !== "complete") {
    await new Promise((resolve) => connection.addEventListener("icegatheringstatechange", resolve, { once: true }));
  }
  const offer = { method: "POST", headers: { "Content-Type": "application/sdp" }, body: connection.localDescription.sdp };
  const answer = await fetch("/v1/realtime/calls", offer);
  await connection.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  const delays = [];
  clicks.port.onmessage = ({ data }) => delays.push(data);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  connection.close();
  return delays;
}
