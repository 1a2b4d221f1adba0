/** What each event of the server changes in a transcript. Pure. */

/** @typedef {import("./transcript.js").Transcript} Transcript */
/** @typedef {import("./transcript.js").ServerEvent} ServerEvent */
/** @typedef {import("./transcript.js").Answer} Answer */
/** @typedef {import("./transcript.js").Cost} Cost */

/** @type {Record<string, (transcript: Transcript, event: ServerEvent) => void>} */
export const HANDLERS = {
  "input_audio_buffer.speech_started"(transcript, event) {
    transcript.entry(event.item_id, "user", true).status = "hearing";
  },
  "input_audio_buffer.committed"(transcript, event) {
    const entry = transcript.entry(event.item_id, "user", true);
    if (entry.status === "hearing") entry.status = "recognising";
  },
  "streamsrv.transcription.partial"(transcript, event) {
    const entry = transcript.entry(event.item_id, "user", true);
    entry.text = event.stable;
    entry.tentative = event.unstable;
  },
  "conversation.item.input_audio_transcription.completed"(transcript, event) {
    if (!event.transcript.trim()) return transcript.remove(event.item_id);
    const entry = transcript.entry(event.item_id, "user", true);
    Object.assign(entry, { text: event.transcript.trim(), tentative: "", status: "done" });
    const { model, fallback } = event.streamsrv ?? {};
    if (fallback) entry.fallback = { model, ...fallback };
  },
  "conversation.item.input_audio_transcription.failed"(transcript, event) {
    const entry = transcript.entry(event.item_id, "user", true);
    const failed = { status: "failed", error: "This couldn't be recognised.", detail: event.error?.message };
    Object.assign(entry, { text: `${entry.text} ${entry.tentative}`.trim(), tentative: "", ...failed });
  },
  "conversation.item.deleted"(transcript, event) {
    transcript.remove(event.item_id);
  },
  "conversation.item.truncated"(transcript, event) {
    transcript.truncate(event.item_id, event.audio_end_ms);
  },
  "conversation.item.added"(transcript, { item }) {
    if (item.type !== "message") Object.assign(transcript.entry(item.id, "assistant", false), { status: "done", hidden: true });
  },
  "response.output_item.added"(transcript, event) {
    if (event.item.type !== "message") return;
    transcript.entry(event.item.id, "assistant", false).responseId = event.response_id;
  },
  "response.output_audio_transcript.delta"(transcript, event) {
    const entry = transcript.entry(event.item_id, "assistant", true);
    entry.spoken = true;
    entry.text += event.delta;
  },
  "response.output_text.delta"(transcript, event) {
    transcript.entry(event.item_id, "assistant", false).text += event.delta;
  },
  "streamsrv.words.timed"(transcript, event) {
    const entry = transcript.entry(event.item_id, "assistant", true);
    entry.words.place(entry.text, event.words);
  },
  "streamsrv.voice.failed"(transcript, event) {
    const entry = transcript.entry(event.item_id, "assistant", true);
    entry.voiced = entry.text.length - event.unspoken.length;
  },
  "response.done"(transcript, event) {
    const { id, status, status_details: details, output, streamsrv } = event.response;
    for (const item of output) {
      if (item.type !== "message") continue;
      const entry = transcript.entry(item.id, "assistant", false);
      if (entry.status === "in_progress") entry.status = status === "completed" ? "done" : "cut";
      if (streamsrv?.fallback) entry.fallback = { model: streamsrv.model, ...streamsrv.fallback };
      if (streamsrv?.model) entry.answer = answerOf(streamsrv);
    }
    if (status !== "failed") return;
    const said = output.find((/** @type {any} */ item) => item.type === "message");
    const entry = transcript.entry(said?.id ?? id, "assistant", false);
    const failed = { status: "failed", error: "The reply failed.", detail: details?.error?.message };
    Object.assign(entry, { ...failed, responseId: id });
  },
};

/**
 * @param {{model: string, routing?: {reason: string}, cost?: Cost}} told  what `response.done` says
 * @returns {Answer}
 */
function answerOf({ model, routing, cost }) {
  return { model, ...(routing ? { why: routing.reason } : {}), ...(cost ? { cost } : {}) };
}
