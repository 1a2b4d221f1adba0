"""Makes random scenarios, from ordinary to extreme. Simple choices come first, so that hypothesis shrinks to them."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any, TypeVar

from msgspec import structs

from streamsrv.core.answers.spoken_message import VOICE_EVENTS
from streamsrv.core.call_rules import CallRules
from streamsrv.core.playback.output_buffer import HOLD_EVENTS
from streamsrv.core.transcription import PARTIAL_EVENTS
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable
from streamsrv.protocol.session_object import (
    Audio,
    AudioInput,
    AudioOutput,
    SemanticVad,
    ServerVad,
    Session,
    StreamsrvOptions,
    Transcription,
    TurnDetection,
)
from streamsrv.protocol.tools import FunctionTool
from streamsrv.testing.faults import Fault
from streamsrv.testing.scenario import (
    CallTraits,
    ChatTraits,
    ClientTraits,
    MicrophoneTraits,
    NetworkTraits,
    OnInterruption,
    RecognizerTraits,
    Scenario,
    SynthesizerTraits,
    TurnModelTraits,
)
from streamsrv.testing.simulated_user import (
    Act,
    After,
    AfterReply,
    AtReplyWord,
    Cue,
    LineDrops,
    Mute,
    Press,
    Say,
    Send,
    Sound,
    click,
    cough,
    hesitation,
    noise,
    pause,
    words,
)

Choice = TypeVar("Choice")

_SAYINGS = ("hello", "what is the time", "tell me a story", "no wait", "I want to go to", "mhm", "one two three four")
_PAUSES_MS = (200, 400, 600, 900, 1500)
_LEAVING = (("hang_up", "{}"), ("transfer_call", '{"destination": "sales"}'), ("transfer_call", "{}"))
_DELAYS_MS = (0, 30, 120, 400)
_POLICIES: tuple[OnInterruption, ...] = ("truncate", "truncate_current", "flush", "play_on")


def random_scenario(random: Random) -> Scenario:
    """Return a scenario of up to five acts with random traits and faults."""
    pick = _Pick(random)
    client = _client(pick)
    session = _session(pick, client)
    acts: list[Act] = []
    for _ in range(pick.of((1, 2, 3, 4, 5))):
        acts += _acts(pick, session)
    return Scenario(
        script=tuple(acts),
        session=session,
        microphone=MicrophoneTraits(
            packet_frames=pick.of((1, 2, 5, 32, 64)),
            echo=pick.rarely(0.0, (0.3, 0.7)),  # without its words: a server that answers them never stops
        ),
        network=NetworkTraits(
            delay_ms=pick.of(_DELAYS_MS),
            jitter_ms=pick.of((0, 20, 100)),
            loss=pick.rarely(0.0, (0.02, 0.2)),
        ),
        client=client,
        recognizer=RecognizerTraits(
            final_ms=pick.of((120, 20, 900)),
            tentative_words=pick.of((1, 2)),
            mishears=pick.rarely(False, (True,)),
            faults=_faults(pick),
        ),
        chat=ChatTraits(
            answers=pick.rarely((), ((("look_up", '{"word": 1}'),),)),
            first_ms=pick.of((150, 600)),
            token_ms=pick.of((20, 100)),
            answer_words=pick.of((8, 30, 150)),
            mark_words=pick.rarely(5, (1000,)),
            faults=_faults(pick),
        ),
        synthesizer=SynthesizerTraits(
            first_ms=pick.of((40, 300)),
            real_time_factor=pick.of((0.1, 0.6, 1.3)),
            piece_ms=pick.of((400, 100)),
            character_ms=pick.of((60, 45, 80)),
            times_words=pick.of((True, False)),
            faults=_faults(pick),
        ),
        turn_model=pick.of((None, TurnModelTraits(), TurnModelTraits(delay_ms=700, errors=0.5))),
        straggling_ms=pick.rarely(0, (50, 500)),
        seed=random.randint(0, 2**32 - 1),
    )


def random_call(random: Random) -> Scenario:
    """Return a scenario of a telephone call, with random rules, keys, and a model that may hang up or transfer."""
    scenario = random_scenario(random)
    pick = _Pick(random)
    rules = CallRules(
        greeting=pick.of(("", "welcome garden yellow paper mountain")),
        transfers=pick.of(({}, {"sales": "+4930123456"})),
        silence_ms=pick.of((10_000, 0, 3_000)),
        silence_prompts=pick.of((("still there",), (), ("candle dinner", "is anybody there"))),
        goodbye=pick.of(("goodbye then caller", "")),
        digits_pause_ms=pick.of((2_000, 500)),
        waiting_after_ms=pick.of((1_000, 1_000, 400, 0)),
    )
    script = list(scenario.script)
    for _ in range(pick.of((0, 1, 2))):
        cue: Cue = pick.of((AfterReply(500), AtReplyWord(3), After(300), After(2500)))
        script.insert(random.randint(0, len(script)), Act(cue, Press(pick.of(("1", "12#", "#", "*77")))))
    if pick.of((False, False, True)):
        script.append(Act(pick.of((After(0), After(300), AtReplyWord(1), AtReplyWord(3))), LineDrops()))
    answers = [pick.of(("silver morning letter. apple winter", *_LEAVING)) for _ in range(3)]
    return replace(
        scenario,
        script=tuple(script),
        microphone=replace(scenario.microphone, packet_frames=1),
        client=ClientTraits(held_by_transport=True),
        session=structs.replace(scenario.session, output_modalities=["audio"]),
        chat=replace(scenario.chat, answers=tuple(answers)) if pick.of((False, True)) else scenario.chat,
        call=CallTraits(rules, max_ms=pick.of((0, 30_000, 12_000)), transfer_ms=pick.of((500, 5_000, 90_000, None))),
    )


class _Pick:
    """Draws from a `Random`, which may be one of hypothesis."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def of(self, choices: Sequence[Choice]) -> Choice:
        return choices[self._random.randint(0, len(choices) - 1)]

    def rarely(self, usual: Choice, others: Sequence[Choice]) -> Choice:
        """Return `usual`, or one of `others` in one of six cases."""
        return self.of(others) if self._random.randint(0, 5) == 5 else usual


def _client(pick: _Pick) -> ClientTraits:
    buffer_ms = pick.of((0, 100))
    match pick.of(("stock", "stock", "reports", "holds", "transport")):
        case "holds":
            return ClientTraits(buffer_ms=buffer_ms, holds_playback=True)
        case "transport":
            return ClientTraits(buffer_ms=buffer_ms, held_by_transport=True)
        case kind:
            policy = pick.of(_POLICIES)
            return ClientTraits(policy, buffer_ms, reports_ms=100 if kind == "reports" else None)


def _session(pick: _Pick, client: ClientTraits) -> Session:
    detection: TurnDetection | None = pick.of(
        (
            ServerVad(),
            SemanticVad(),
            ServerVad(silence_duration_ms=200, prefix_padding_ms=0),
            ServerVad(idle_timeout_ms=5000),
            SemanticVad(eagerness="high"),
            ServerVad(interrupt_response=False),
            None,
        )
    )
    transcription = pick.of((Transcription(), None))
    return Session(
        id="sess_1",
        expires_at=0,
        model="simulated",
        output_modalities=[pick.rarely("audio", ("text",))],
        instructions=pick.of(("", "Be brief.")),
        tools=[FunctionTool("look_up")],
        audio=Audio(
            input=AudioInput(transcription=transcription, turn_detection=detection),
            output=AudioOutput(speed=pick.rarely(1.0, (0.25, 0.5, 1.5))),
        ),
        streamsrv=StreamsrvOptions(
            events=[PARTIAL_EVENTS, VOICE_EVENTS, *([HOLD_EVENTS] if client.holds_playback else ())]
        ),
    )


def _acts(pick: _Pick, session: Session) -> list[Act]:
    """Return an act of the user, and the acts of the application that follow it."""
    cue: Cue = pick.of((AfterReply(500), AtReplyWord(3), After(300), After(1200), AtReplyWord(1), After(7000)))
    what = pick.of(("say", "say", "say", "sound", "event", "mute"))
    if what == "event":
        first, *rest = pick.of(_EVENTS if session.audio.input.turn_detection is None else _EVENTS + _DETECTION_EVENTS)
        return [Act(cue, Send(first)), *(Act(After(0), Send(event)) for event in rest)]
    if what == "mute":
        return [Act(After(0), Mute(pick.of((300, 1500, 6000))))]
    sounds = _utterance(pick) if what == "say" else (pick.of((cough(), click(), hesitation(), noise(3000))),)
    said = Act(cue, Say(sounds))
    if session.audio.input.turn_detection is not None:
        return [said]
    return [said, Act(After(100), Send({"type": "input_audio_buffer.commit"})), Act(After(0), Send(_RESPOND))]


def _utterance(pick: _Pick) -> tuple[Sound, ...]:
    sounds: list[Sound] = list(words(pick.of(_SAYINGS), pick.of((256, 224))))
    if pick.of((False, True)):
        middle = len(sounds) // 2
        sounds[middle:middle] = [pick.rarely(hesitation(), (cough(),)), pause(pick.of(_PAUSES_MS))]
    return tuple(sounds)


_RESPOND: dict[str, Any] = {"type": "response.create"}
_TYPED: dict[str, Any] = {
    "type": "conversation.item.create",
    "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "something typed"}]},
}
_CLIP: dict[str, Any] = {
    "type": "conversation.item.create",
    "item": {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": "AAAA" * 1600}]},
}

_EVENTS: tuple[tuple[dict[str, Any], ...], ...] = (
    ({"type": "response.cancel"},),
    (_TYPED, _RESPOND),
    (_CLIP, _RESPOND),
    ({"type": "response.create", "response": {"conversation": "none", "output_modalities": ["text"]}},),
    ({"type": "response.create", "response": {"conversation": "none", "output_modalities": ["audio"]}},),
    ({"type": "input_audio_buffer.clear"},),
    ({"type": "session.update", "session": {"instructions": "Be kind."}},),
    ({"type": "conversation.item.delete", "item_id": "item_1"},),
    ({"type": "conversation.item.delete", "item_id": "item_2"},),
    ({"type": "no such event"},),
)


def _detect(turn_detection: dict[str, Any] | None) -> dict[str, Any]:
    return {"type": "session.update", "session": {"audio": {"input": {"turn_detection": turn_detection}}}}


_DETECTION_EVENTS = tuple(
    (_detect(detection),)
    for detection in (None, {"type": "semantic_vad"}, {"type": "server_vad", "create_response": False})
)


def _faults(pick: _Pick) -> tuple[Fault, ...]:
    """Return a fault of one of the first calls in one of six cases."""
    if not pick.rarely(False, (True,)):
        return ()
    error: EngineError | None = pick.of((Unavailable("down"), Overloaded("full"), Rejected("no"), None))
    fault = Fault(
        first_ms=pick.of((0, 2_000, 40_000)),
        each_ms=pick.of((0, 500)),
        after=pick.of((0, 1, 4, 2, 7)),
        error=error,
        stuck=pick.of((False, True)) and error is None,
    )
    return (Fault(),) * pick.of((0, 1, 2)) + (fault,)
