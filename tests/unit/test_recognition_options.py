"""What a session asks of its recogniser: what reaches it, what is refused, and how the answer is marked."""

from dataclasses import replace
from typing import Any

import pytest

from able_recognizer import ENGLISH, EVERYTHING, GERMAN, LOGPROBS
from harness import Talk, counting_ids, error, event, events, of_type
from streamsrv.core.capabilities import Capabilities
from streamsrv.core.effects import FinishRecognition, OpenRecognition, RecognizeClip, SettleCaption, ShowCaption
from streamsrv.core.inputs import TranscriptReceived
from streamsrv.core.session import SessionCore
from streamsrv.engines.asr.base import Abilities, RecognitionOptions, RecognizerFacts, Transcript, Word
from streamsrv.protocol.session_object import Audio, AudioInput, ServerVad, Session, Transcription

ABLE = RecognizerFacts(EVERYTHING)
PLAIN = RecognizerFacts(Abilities(frozenset({"en"})))
TWO = Capabilities(recognizers={"plain": PLAIN, "able": ABLE}, chains={"": ["plain"]})
INCLUDE = ["item.input_audio_transcription.logprobs"]
PREFIX = "conversation.item.input_audio_transcription"


class TwoTalk(Talk):
    """A transcription session. The default recogniser of its server can do little, and another one everything."""

    def __init__(self, capabilities: Capabilities = TWO) -> None:
        super().__init__()
        audio = Audio(input=AudioInput(transcription=Transcription(), turn_detection=ServerVad()))
        session = Session(id="sess_1", type="transcription", audio=audio)
        self.core = SessionCore(session, new_id=counting_ids(), capabilities=capabilities)
        self.all = self.core.start()

    def ask(self, streamsrv: dict[str, Any] | None = None, include: list[str] | None = None, **transcription: Any):
        session: dict[str, Any] = {"audio": {"input": {"transcription": transcription}}}
        if streamsrv is not None:
            session["streamsrv"] = streamsrv
        if include is not None:
            session["include"] = include
        return self.update(**session)

    def opened(self) -> OpenRecognition:
        self.speech()
        return of_type(self.all, OpenRecognition)[-1]

    def hears(self, transcript: Transcript) -> list[Any]:
        item_id = of_type(self.all, FinishRecognition)[-1].item_id
        return self.give(TranscriptReceived(item_id, transcript))


def held(effects: list[Any]) -> dict[str, Any]:
    return event(effects, "session.updated")["session"]["audio"]["input"]["transcription"]


def test_every_option_reaches_the_recogniser():
    talk = TwoTalk()
    asked = {
        "model": "able",
        "prompt": "Names:\tÁda 🚀\nBob",
        "keywords": ["Ada", "bunte Kühe"],
        "languages": ["de", "fr"],
    }
    assert held(talk.ask(include=INCLUDE, **asked)) == asked
    opened = talk.opened()
    assert opened.model == "able"
    assert opened.options == RecognitionOptions(
        languages=("de", "fr"), prompt=asked["prompt"], keywords=("Ada", "bunte Kühe"), logprobs=True
    )


def test_one_of_several_languages_is_the_language():
    talk = TwoTalk()
    assert held(talk.ask(model="able", languages=["German", "de-AT", "DE"]))["languages"] == ["de"]
    assert talk.opened().options == RecognitionOptions(language="de")


def test_keywords_are_without_repetitions():
    talk = TwoTalk()
    assert held(talk.ask(model="able", keywords=[" Ada", "Ada", "Bob "]))["keywords"] == ["Ada", "Bob"]


def test_languages_choose_a_recogniser_that_knows_them_and_tells_them_apart():
    assert held(TwoTalk().ask(languages=["en"]))["model"] == "plain"
    assert held(TwoTalk().ask(languages=["de"]))["model"] == "able"
    assert held(TwoTalk().ask(languages=["en", "de"]))["model"] == "able"


def test_null_means_the_default():
    talk = TwoTalk()
    talk.ask(model="able", keywords=["Ada"], languages=["de"], prompt="x", include=INCLUDE)
    talk.update(include=None, audio={"input": {"transcription": {"keywords": None, "languages": None, "prompt": None}}})
    assert talk.opened().options == RecognitionOptions()


@pytest.mark.parametrize("asked", [{"prompt": "x"}, {"keywords": ["Ada"]}, {"include": INCLUDE}])
def test_an_option_that_the_recogniser_cannot_use_is_refused_with_those_that_can(asked: dict):
    assert "or one of these recognisers: 'able'." in error(TwoTalk().ask(**asked))["message"]
    lacking = replace(TWO, recognizers={"plain": PLAIN, "able": replace(ABLE, lacks="streamsrv pull able")})
    assert "these recognisers" not in error(TwoTalk(lacking).ask(**asked))["message"]


@pytest.mark.parametrize(
    ("asked", "param", "said"),
    [
        ({"prompt": "x"}, "prompt", "'plain' takes no prompt"),
        ({"keywords": ["Ada"]}, "keywords", "'plain' takes no keywords; accepted is []"),
        ({"model": "plain", "languages": ["en", "de"]}, "languages", "'plain' knows 'en'"),
        ({"model": "able", "prompt": "p" * 10_001}, "prompt", "10000"),
        ({"model": "able", "prompt": "a\x00b"}, "prompt", "control character"),
        ({"model": "able", "keywords": ["x"] * 1000}, "keywords", "at most 100"),
        ({"model": "able", "keywords": ["k" * 51]}, "keywords[0]", "51 characters; at most 50"),
        ({"model": "able", "keywords": ["ok", ""]}, "keywords[1]", "blank"),
        ({"model": "able", "keywords": ["a\nb"]}, "keywords[0]", "control character"),
        ({"model": "able", "keywords": [7]}, "keywords[0]", "str"),
        ({"model": "able", "keywords": "Ada"}, "keywords", "array"),
        ({"model": "able", "languages": ["de", "nonsense"]}, "languages[1]", "names no language"),
        ({"model": "able", "languages": ["de", "ko"]}, "languages", "'able' knows"),
        ({"model": "able", "languages": ["de"] * 21}, "languages", "at most 20"),
        ({"model": "able", "language": "de", "languages": ["fr"]}, "languages", "only one of the two"),
    ],
)
def test_what_the_recogniser_cannot_use_is_refused_and_changes_nothing(asked: dict, param: str, said: str):
    talk = TwoTalk()
    before = talk.core.session
    refused = error(talk.ask(**asked))
    assert (refused["code"], refused["param"]) == ("invalid_value", f"session.audio.input.transcription.{param}")
    assert said in refused["message"]
    assert len(refused["message"]) < 400
    assert talk.core.session == before


def test_a_prompt_of_the_greatest_length_and_as_many_keywords_are_accepted():
    keywords = [f"{number:050}" for number in range(100)]
    assert held(TwoTalk().ask(model="able", prompt="p" * 10_000, keywords=keywords))["keywords"] == keywords


def test_one_language_of_a_recogniser_that_detects_none_is_accepted_and_two_are_not():
    single = Capabilities(
        recognizers={"two": RecognizerFacts(Abilities(frozenset({"de", "en"})))}, chains={"": ["two"]}
    )
    talk = TwoTalk(single)
    talk.ask(languages=["de"])
    refused = error(talk.ask(languages=["de", "en"]))
    assert "does not find out which language is spoken" in refused["message"]
    assert talk.opened().options.language == "de"


def test_options_are_checked_again_when_the_model_changes():
    talk = TwoTalk()
    talk.ask(model="able", keywords=["Ada"])
    assert error(talk.ask(model="plain"))["param"].endswith("keywords")
    talk.ask(model="plain", keywords=[])
    assert talk.opened().model == "plain"


def test_a_change_is_for_what_is_said_later():
    talk = TwoTalk()
    talk.ask(model="able", keywords=["Ada"])
    opened = talk.opened()
    talk.ask(keywords=["Bob"], streamsrv={"captions": {"room": "main", "translate": "en"}})
    talk.silence()
    heard = talk.hears(Transcript(GERMAN, language="de", is_final=True))
    assert "streamsrv" not in event(heard, f"{PREFIX}.completed")
    assert opened.options.keywords == ("Ada",)
    assert talk.opened().options == RecognitionOptions(keywords=("Bob",), task="translate")


def test_log_probabilities_are_given_where_they_were_asked_for():
    talk = TwoTalk()
    talk.ask(model="able", include=INCLUDE)
    talk.opened()
    talk.silence()
    heard = talk.hears(Transcript("Tag.", is_final=True, logprobs=LOGPROBS[1:]))
    assert event(heard, f"{PREFIX}.completed")["logprobs"] == [
        {"token": " Tag", "logprob": -0.5, "bytes": [32, 84, 97, 103]},
        {"token": ".", "logprob": -0.75, "bytes": [46]},
    ]
    talk.update(include=[])
    talk.opened()
    talk.silence()
    assert "logprobs" not in event(talk.hears(Transcript("Tag.", is_final=True)), f"{PREFIX}.completed")


def test_log_probabilities_of_a_recogniser_without_are_refused():
    refused = error(TwoTalk().ask(include=INCLUDE))
    assert refused["param"] == "session.include"
    assert "'plain' gives no log probabilities; accepted is []" in refused["message"]


def translated(**captions: Any) -> dict[str, Any]:
    return {"captions": {"room": "main", "translate": "en", **captions}, "events": ["transcription.partial"]}


def test_a_translation_is_marked_wherever_it_is_shown():
    talk = TwoTalk()
    assert held(talk.ask(streamsrv=translated()))["model"] == "able", "the default one cannot translate"
    opened = talk.opened()
    assert (opened.model, opened.options.task) == ("able", "translate")
    shown = talk.partial("Good", "day")
    assert event(shown, "streamsrv.transcription.partial")["translated_to"] == "en"
    assert of_type(shown, ShowCaption)[0].translated_to == "en"
    talk.silence()
    words = (Word("Good", 0, 200), Word("day.", 200, 400))
    heard = talk.hears(Transcript(ENGLISH, words=words, language="de", is_final=True))
    assert of_type(heard, SettleCaption)[0].utterance.translated_to == "en"
    completed = event(heard, f"{PREFIX}.completed")
    assert completed["languages"] == [{"code": "de"}], "what was spoken"
    assert completed["streamsrv"]["translated_to"] == "en"
    assert [word["word"] for word in completed["streamsrv"]["words"]] == ["Good", "day."]
    marked = [sent for sent in events(talk.all) if sent["type"] in (f"{PREFIX}.delta", f"{PREFIX}.segment")]
    assert len(marked) >= 2
    assert all(sent["streamsrv"] == {"translated_to": "en"} for sent in marked)


def test_a_session_is_translated_in_the_language_that_it_names():
    talk = TwoTalk()
    talk.ask(streamsrv=translated(), language="fr")
    assert talk.opened().options == RecognitionOptions(language="fr", task="translate")


def test_the_end_of_translation_gives_the_servers_choice_back():
    talk = TwoTalk()
    talk.ask(streamsrv=translated())
    assert held(talk.update(streamsrv={"captions": {"room": "main"}}))["model"] == "plain"
    opened = talk.opened()
    assert (opened.model, opened.options.task) == ("plain", "transcribe")


@pytest.mark.parametrize(
    ("capabilities", "asked", "said"),
    [
        (TWO, {"model": "plain"}, "'plain' does not translate; these do: 'able'"),
        (TWO, {"language": "ko"}, "no recogniser here translates this speech"),
        (
            replace(TWO, recognizers={"plain": PLAIN, "able": replace(ABLE, lacks="streamsrv pull able")}),
            {},
            "these would on this server: 'able' (streamsrv pull able)",
        ),
    ],
)
def test_a_translation_that_nobody_can_give_is_refused(capabilities: Capabilities, asked: dict[str, Any], said: str):
    refused = error(TwoTalk(capabilities).ask(streamsrv=translated(), **asked))
    assert (refused["code"], refused["param"]) == ("invalid_value", "session.streamsrv.captions.translate")
    assert said in refused["message"]


def test_a_translation_into_another_language_is_refused():
    refused = error(TwoTalk().ask(streamsrv=translated(translate="fr")))
    assert refused["param"] == "session.streamsrv.captions.translate"


def test_a_session_without_transcription_has_no_captions_to_translate():
    talk = Talk()
    refused = error(talk.update(streamsrv=translated()))
    assert refused["param"] == "session.streamsrv.captions.translate"
    talk.update(streamsrv=translated(), audio={"input": {"transcription": {}}})
    assert error(talk.update(audio={"input": {"transcription": None}}))["param"] == refused["param"]


def test_a_recorded_item_is_recognised_with_the_same_options():
    talk = TwoTalk()
    talk.ask(model="able", include=INCLUDE, keywords=["Ada"], streamsrv=translated())
    clip = "AAAA" * 4000
    content = [{"type": "input_audio", "audio": clip}]
    talk.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
    (recognize,) = of_type(talk.all, RecognizeClip)
    assert recognize.options == RecognitionOptions(keywords=("Ada",), task="translate", logprobs=True)
    final = Transcript(ENGLISH, is_final=True, logprobs=LOGPROBS[:1])
    completed = event(talk.give(TranscriptReceived(recognize.item_id, final)), f"{PREFIX}.completed")
    assert completed["streamsrv"] == {"translated_to": "en"}
    assert completed["logprobs"][0]["token"] == "Guten"
