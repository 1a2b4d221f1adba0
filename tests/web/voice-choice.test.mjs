import assert from "node:assert/strict";
import { test } from "node:test";

import { voiceChoices } from "../../web/lib/voice-choice.js";

const SERVER = { synthesizer: { name: "hibari", voices: ["hibari", "voice_1"] } };
const voice = (id, languages, changes = {}) => ({
  id,
  name: id,
  ...changes,
  streamsrv: { languages, gender: null, cloned: false, lacks: null, ...changes.streamsrv },
});

test("voices are shown with their gender and languages, those that cannot be used last", () => {
  const voices = [
    voice("hibari", ["en"], { streamsrv: { gender: "female" } }),
    voice("voice_1", ["en"], { name: "Anna", streamsrv: { cloned: true, lacks: "a synthesiser that clones" } }),
    voice("thorsten", ["de"], { streamsrv: { gender: "male" } }),
    voice("ana", ["de", "en", "es", "fr"]),
    voice("espeak", []),
    voice("voice_2", ["de", "en"], { name: "Bert", streamsrv: { cloned: true } }),
  ];
  assert.deepEqual(
    voiceChoices(SERVER, voices).map(({ value, text, unusable }) => [value, text, unusable]),
    [
      ["", "Default (hibari)", false],
      ["hibari", "hibari (female, English)", false],
      ["thorsten", "thorsten (male, German)", false],
      ["ana", "ana (4 languages)", false],
      ["espeak", "espeak (any language)", false],
      ["voice_2", "Bert (your own, German, English)", false],
      ["voice_1", "Anna: needs a synthesiser that clones", true],
    ],
  );
});

test("a server that lists no voices shows their names, and one without a voice says so", () => {
  assert.deepEqual(
    voiceChoices(SERVER).map(({ value, text }) => `${value} ${text}`),
    [" Default (hibari)", "hibari hibari", "voice_1 voice_1"],
  );
  assert.deepEqual(
    voiceChoices({ synthesizer: null }).map(({ text }) => text),
    ["The server has none"],
  );
});
