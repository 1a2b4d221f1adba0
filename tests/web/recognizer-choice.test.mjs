import assert from "node:assert/strict";
import { test } from "node:test";

import { languageChoices, languageHint, recognizerChoices, recognizerHint, RecognizerWish } from "../../web/lib/recognizer-choice.js";
import { DEFAULT_OPTIONS } from "../../web/lib/session-options.js";

const recognizer = (name, languages, changes = {}) => ({ name, languages, detects_language: false, lacks: null, ...changes });
const SERVER = {
  recognizer: "moonshine-tiny",
  recognizers: [
    recognizer("moonshine-tiny", ["en"]),
    recognizer("whisper-small", ["de", "en", "ko"], { lacks: "streamsrv pull whisper-small (486.2 MB)" }),
    recognizer("whisper-base", ["de", "en", "fr"], { detects_language: true }),
    recognizer("at-home", []),
  ],
  synthesizer: null,
  chat: { default: "a", models: ["a"] },
  transports: ["websocket"],
};

test("the usable recognisers come first, with their languages, and the others say what they lack", () => {
  assert.deepEqual(
    recognizerChoices(SERVER).map(({ value, text, unusable }) => [value, text, unusable]),
    [
      ["", "Default (moonshine-tiny)", false],
      ["moonshine-tiny", "moonshine-tiny (English)", false],
      ["whisper-base", "whisper-base (3 languages)", false],
      ["at-home", "at-home (any language)", false],
      ["whisper-small", "whisper-small: streamsrv pull whisper-small (486.2 MB)", true],
    ],
  );
});

test("the languages are those of the chosen recogniser, by name", () => {
  const shown = (name) => languageChoices(SERVER, name).map(({ value, text }) => `${value} ${text}`);
  assert.deepEqual(shown("whisper-base"), [" Detected from the speech", "en English", "fr French", "de German"]);
  assert.deepEqual(shown("moonshine-tiny"), [" Not set", "en English"]);
  assert.deepEqual(shown(""), [" Not set", "en English", "fr French", "de German"]); // of the usable ones
});

test("the page says what a recogniser is good for, also the default one", () => {
  const stated = { best_for: "live English", not_for: "other languages" };
  const server = { ...SERVER, recognizers: [recognizer("moonshine-tiny", ["en"], stated), recognizer("own", [])] };
  assert.equal(recognizerHint(server, ""), "Best for live English. Not for other languages.");
  assert.equal(recognizerHint(server, "own"), "");
});

test("a server that does not tell its recognisers offers only its choice", () => {
  const { recognizers: _, ...old } = SERVER;
  assert.deepEqual(recognizerChoices(old).map(({ value }) => value), [""]);
  const wish = new RecognizerWish();
  wish.make({ recognizer: "", speechLanguage: "" }, old);
  assert.deepEqual(wish.transcription, { model: null, language: null });
});

test("the page says which languages can be spoken as things are", () => {
  const hint = (recognizer, speechLanguage = "", server = SERVER) => languageHint(server, { recognizer, speechLanguage }, " in Settings");
  assert.equal(hint("moonshine-tiny"), "moonshine-tiny recognises English only.");
  assert.equal(hint("whisper-base"), "English, French and German are recognised.");
  assert.equal(hint("at-home"), "Any language is recognised.");
  assert.equal(hint(""), "English is recognised, unless you choose another language in Settings.");
  assert.equal(hint("", "de"), "German is recognised.");
  assert.equal(hint("", "", { ...SERVER, recognizers: SERVER.recognizers.slice(0, 2) }), "This server recognises English only.");
  const many = recognizer("many", ["de", "en", "fr", "es", "it", "nl", "pl"]);
  assert.equal(hint("many", "", { ...SERVER, recognizers: [many] }), "7 languages are recognised.");
  assert.equal(hint("", "", { ...SERVER, recognizer: null }), "");
});

test("a voice is asked only for a pace that it has", () => {
  const wish = new RecognizerWish();
  const path = { recognition: "server", voice: "server" };
  const asked = (speed) => wish.sessionObject({ ...DEFAULT_OPTIONS, speed }, path).audio.output.speed;
  assert.equal(asked(1.5), 1.5, "nothing is known yet");
  wish.make({ recognizer: "", speechLanguage: "" }, { ...SERVER, synthesizer: { name: "x", voices: [], min_speed: 0.9, max_speed: 1.1 } });
  assert.deepEqual([0.5, 1, 1.5].map(asked), [0.9, 1, 1.1]);
});

test("what the user chose goes into the session", () => {
  const wish = new RecognizerWish();
  assert.deepEqual(wish.make({ recognizer: "whisper-base", speechLanguage: "fr" }, SERVER), []);
  const session = wish.sessionObject(DEFAULT_OPTIONS, { recognition: "server", voice: "server" });
  assert.deepEqual(session.audio.input.transcription, { model: "whisper-base", language: "fr" });
});

test("a language alone is the server's to find a recogniser for", () => {
  const wish = new RecognizerWish();
  assert.deepEqual(wish.make({ recognizer: "", speechLanguage: "de" }, SERVER), []);
  assert.deepEqual(wish.transcription, { model: null, language: "de" });
});

test("a recogniser that cannot be used is named with the reason, and the server chooses", () => {
  const wish = new RecognizerWish();
  const said = (chosen) => wish.make({ recognizer: chosen, speechLanguage: "" }, SERVER).map(({ code, message, advice }) => [code, message, advice]);
  assert.deepEqual(said("whisper-small"), [
    [
      "recogniser_unavailable",
      "The speech recogniser whisper-small can't be used: streamsrv pull whisper-small (486.2 MB).",
      "moonshine-tiny is used instead. You can choose another one in the settings.",
    ],
  ]);
  assert.match(said("gone")[0][1], /this server does not have it/);
  assert.deepEqual(wish.transcription, { model: null, language: null });
});

test("a language that nothing knows is named", () => {
  const wish = new RecognizerWish();
  const [problem] = wish.make({ recognizer: "whisper-base", speechLanguage: "ko" }, SERVER);
  assert.equal(problem.message, "The speech recogniser whisper-base doesn't know Korean.");
  assert.deepEqual(wish.transcription, { model: "whisper-base", language: null });
  assert.deepEqual(wish.make({ recognizer: "at-home", speechLanguage: "ko" }, SERVER), []);
});

test("nothing is wrong before it is known what the server has", () => {
  assert.deepEqual(new RecognizerWish().make({ recognizer: "x", speechLanguage: "de" }, null), []);
});

test("a choice that the server refuses is dropped once, and the session goes on without it", () => {
  const wish = new RecognizerWish();
  wish.make({ recognizer: "whisper-base", speechLanguage: "" }, SERVER);
  assert.equal(wish.refusedBy({ param: "session.audio.output.voice" }), false);
  assert.equal(wish.refusedBy({ param: "session.audio.input.transcription.model" }), true);
  assert.deepEqual(wish.transcription, { model: null, language: null });
  assert.equal(wish.refusedBy({ param: "session.audio.input.transcription.model" }), false);
});

test("a voice that the server refuses is asked for no more", () => {
  const told = [];
  const wish = new RecognizerWish((problem) => told.push(problem.message));
  const path = { recognition: "server", voice: "server" };
  const asked = (voice) => wish.sessionObject({ ...DEFAULT_OPTIONS, voice }, path).audio.output?.voice;
  const refused = { param: "session.audio.output.voice" };
  assert.equal(asked(""), undefined);
  assert.equal(wish.refusedBy(refused), false); // nothing could be left out
  assert.equal(asked("gone"), "gone");
  assert.equal(wish.refusedBy(refused), true);
  assert.equal(asked("gone"), undefined);
  assert.equal(wish.refusedBy(refused), false);
  assert.equal(asked("anna"), "anna");
  assert.deepEqual(told, ["The server has no voice gone."]);
});
