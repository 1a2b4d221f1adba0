"""A fake recogniser that can use every option, and says what it was given."""

from streamsrv.engines.asr.base import Abilities, RecognitionOptions, TokenLogprob, Transcript, Word
from streamsrv.testing.fakes import ScriptedRecognizer

EVERYTHING = Abilities(
    languages=frozenset({"de", "en", "fr"}),
    detects_language=True,
    prompt=True,
    keywords=True,
    logprobs=True,
    translates=True,
)
GERMAN, ENGLISH = "Guten Tag.", "Good day."
LOGPROBS = (TokenLogprob("Guten", -0.25), TokenLogprob(" Tag", -0.5), TokenLogprob(".", -0.75))


class FakeAbleRecognizer(ScriptedRecognizer):
    """Hears "Guten Tag." in any audio, or "Good day." if it is to translate; `asked` holds the options it was given."""

    name = "fake-able"
    abilities = EVERYTHING

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[RecognitionOptions] = []

    def open(self, options: RecognitionOptions):
        self.asked.append(options)
        text = ENGLISH if options.task == "translate" else GERMAN
        self.partials = [(300, Transcript(text.split()[0]))]
        stream = super().open(options)
        logprobs = LOGPROBS if options.logprobs else ()
        words = (Word(text.split()[0], 320, 700, 0.5), Word(text.split()[1], 700, 1100, 1.0))
        stream._final = Transcript(text, language="de", is_final=True, logprobs=logprobs, words=words)
        return stream
