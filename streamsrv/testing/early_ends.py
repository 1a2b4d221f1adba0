"""Makes random conversations whose turns are ended too early: users pause longer than the limit, and go on."""

from dataclasses import replace
from random import Random
from typing import Any

from streamsrv.core.answers.spoken_message import VOICE_EVENTS
from streamsrv.core.call_rules import CallRules
from streamsrv.core.playback.output_buffer import HOLD_EVENTS
from streamsrv.core.transcription import PARTIAL_EVENTS
from streamsrv.engines.vad.base import FRAME_MS
from streamsrv.protocol.session_object import (
    Audio,
    AudioInput,
    SemanticVad,
    Session,
    StreamsrvOptions,
    Transcription,
)
from streamsrv.protocol.tools import FunctionTool
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
    Say,
    Sound,
    cough,
    hesitation,
    pause,
    words,
)

SAID = (
    "tiger camel eagle zebra monkey rabbit horse donkey falcon salmon beaver badger ferret turtle lizard spider "
    "hornet beetle walrus jaguar panther giraffe buffalo sparrow pigeon penguin hamster leopard octopus lobster"
).split()
"""Words of the user, each said once in a conversation. None is a word of a reply, a backchannel or a stop."""
MAX_TURNS = 3
PAUSES_MS = (480, 2600)
"""Shortest and longest pause inside a turn: from just longer than the shortest limit to a second after the longest."""
_POLICIES: tuple[OnInterruption, ...] = ("truncate", "truncate_current", "flush")
_LOOK_UP = ("look_up", '{"word": 1}')


def early_end_scenario(random: Random) -> Scenario:
    """Return a conversation of up to `MAX_TURNS` turns, most of them with pauses in which they may be ended."""
    client = _client(random)
    holds = client.held_by_transport or client.holds_playback
    is_call = client.held_by_transport and random.random() < 0.4
    echo = random.choice((0.0, 0.0, 0.0, 0.3, 0.7)) if holds and not is_call else 0.0
    scenario = Scenario(
        script=_script(random, 3 if echo else 1),  # one or two words over a loud echo may be taken for it
        session=_session(random, client),
        microphone=MicrophoneTraits(
            packet_frames=1 if is_call else random.choice((1, 1, 2, 5)),
            echo=echo,
        ),
        network=NetworkTraits(delay_ms=random.choice((0, 30, 120)), jitter_ms=random.choice((0, 0, 20))),
        client=client,
        recognizer=RecognizerTraits(
            delay_ms=random.choice((80, 200, 400)), final_ms=random.choice((120, 20, 900)), tentative_words=1
        ),
        chat=ChatTraits(
            answers=random.choice(((), (), (_LOOK_UP,), ("silver morning letter.", _LOOK_UP))),
            first_ms=random.choice((20, 150, 600, 2000)),
            token_ms=random.choice((20, 100)),
            answer_words=random.choice((3, 8, 30)),
        ),
        synthesizer=SynthesizerTraits(
            first_ms=random.choice((40, 300)),
            real_time_factor=random.choice((0.1, 0.6)),
            piece_ms=random.choice((400, 100)),
        ),
        turn_model=_turn_model(random),
        straggling_ms=random.choice((0, 0, 200)),
        seed=random.randint(0, 2**32 - 1),
    )
    if not is_call:
        return scenario
    rules = CallRules(greeting=random.choice(("", "welcome")), waiting_after_ms=random.choice((1000, 0)))
    first, *rest = scenario.script
    greeted = replace(first, when=AfterReply(300)) if rules.greeting else first
    return replace(scenario, script=(greeted, *rest), call=CallTraits(rules))


def _script(random: Random, min_words: int) -> tuple[Act, ...]:
    left: list[str] = list(SAID)
    acts: list[Act] = []
    for number in range(random.randint(1, MAX_TURNS)):
        cue: Cue = random.choice((AfterReply(500), AfterReply(500), AtReplyWord(2))) if number else After(0)
        acts.append(Act(cue, Say(_turn(random, left, min_words))))
        if random.random() < 0.25:
            acts.append(Act(After(random.randint(450, 1800)), Say(_interjection(random))))
    return tuple(acts)


def _turn(random: Random, left: list[str], min_words: int) -> tuple[Sound, ...]:
    """Return a turn of one to three parts, each of up to three words; the words are taken from `left`."""
    sounds: list[Sound] = []
    for part in range(random.choice((1, 2, 2, 2, 3))):
        if part:
            sounds.append(pause(random.randrange(*PAUSES_MS, FRAME_MS)))
            sounds += [hesitation()] if random.random() < 0.15 else []
        count = random.randint(min_words, 3)
        said, left[:] = left[:count], left[count:]
        sounds += words(" ".join(said), random.choice((256, 320)))
    return tuple(sounds)


def _interjection(random: Random) -> tuple[Sound, ...]:
    """Return what is no turn, and may come right after the end of one."""
    return random.choice((words("mhm", 288), words("okay", 288), (cough(),), (hesitation(),)))


def _client(random: Random) -> ClientTraits:
    match random.choice(("stock", "reports", "holds", "transport", "transport")):
        case "holds":
            return ClientTraits(holds_playback=True)
        case "transport":
            return ClientTraits(held_by_transport=True)
        case kind:
            return ClientTraits(random.choice(_POLICIES), reports_ms=100 if kind == "reports" else None)


def _session(random: Random, client: ClientTraits) -> Session:
    detection: Any = SemanticVad(eagerness=random.choice(("auto", "auto", "high", "low")))
    return Session(
        id="sess_1",
        expires_at=0,
        model="simulated",
        tools=[FunctionTool("look_up")],
        audio=Audio(input=AudioInput(transcription=Transcription(), turn_detection=detection)),
        streamsrv=StreamsrvOptions(
            events=[PARTIAL_EVENTS, VOICE_EVENTS, *([HOLD_EVENTS] if client.holds_playback else ())]
        ),
    )


def _turn_model(random: Random) -> TurnModelTraits | None:
    """Return a model that is right, wrong, or both; None: there is none."""
    return random.choice(
        (
            None,
            TurnModelTraits(),
            TurnModelTraits(errors=1.0),
            TurnModelTraits(errors=0.5),
            TurnModelTraits(delay_ms=400, errors=0.5),
        )
    )
