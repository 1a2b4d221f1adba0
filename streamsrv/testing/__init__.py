"""Fakes of every stage and a simulator of whole conversations, for tests. See `docs/testing.md`."""

from streamsrv.testing.answer_invariant import every_turn_is_answered
from streamsrv.testing.clocks import ManualClock, WallClock
from streamsrv.testing.context_invariant import context_is_what_was_heard
from streamsrv.testing.early_end_invariants import no_turn_is_answered_twice
from streamsrv.testing.fakes import (
    LoudnessVad,
    ScriptedChatModel,
    ScriptedRecognizer,
    ToneSynthesizer,
    fake_engines,
    open_streams,
)
from streamsrv.testing.faults import Fault
from streamsrv.testing.faulty import FaultyChatModel, FaultyRecognizer, FaultySynthesizer
from streamsrv.testing.invariants import InvariantBroken, Violation, check, find_violations, no_spoken_word_is_lost
from streamsrv.testing.mortal_recognizer import Death, MortalRecognizer, spoken
from streamsrv.testing.random_scenarios import random_scenario
from streamsrv.testing.record import Record
from streamsrv.testing.scenario import (
    ChatTraits,
    ClientTraits,
    MicrophoneTraits,
    NetworkTraits,
    RecognizerTraits,
    Scenario,
    SynthesizerTraits,
    TurnModelTraits,
    simulated_session,
)
from streamsrv.testing.shrinking import shrink
from streamsrv.testing.simulated_user import (
    Act,
    After,
    AfterReply,
    AtReplyWord,
    Mute,
    Say,
    Send,
    Sound,
    backchannel,
    click,
    cough,
    hesitation,
    noise,
    pause,
    say,
    words,
)
from streamsrv.testing.simulator import Simulator, UnexpectedEffect, simulate
from streamsrv.testing.speech_invariants import audio_is_whole, look_ahead_is_bounded, no_answer_is_lost
from streamsrv.testing.virtual_loop import run_in_virtual_time

__all__ = [
    "Act",
    "After",
    "AfterReply",
    "AtReplyWord",
    "ChatTraits",
    "ClientTraits",
    "Death",
    "Fault",
    "FaultyChatModel",
    "FaultyRecognizer",
    "FaultySynthesizer",
    "InvariantBroken",
    "LoudnessVad",
    "ManualClock",
    "MicrophoneTraits",
    "MortalRecognizer",
    "Mute",
    "NetworkTraits",
    "RecognizerTraits",
    "Record",
    "Say",
    "Scenario",
    "ScriptedChatModel",
    "ScriptedRecognizer",
    "Send",
    "Simulator",
    "Sound",
    "SynthesizerTraits",
    "ToneSynthesizer",
    "TurnModelTraits",
    "UnexpectedEffect",
    "Violation",
    "WallClock",
    "audio_is_whole",
    "backchannel",
    "check",
    "click",
    "context_is_what_was_heard",
    "cough",
    "every_turn_is_answered",
    "fake_engines",
    "find_violations",
    "hesitation",
    "look_ahead_is_bounded",
    "no_answer_is_lost",
    "no_spoken_word_is_lost",
    "no_turn_is_answered_twice",
    "noise",
    "open_streams",
    "pause",
    "random_scenario",
    "run_in_virtual_time",
    "say",
    "shrink",
    "simulate",
    "simulated_session",
    "spoken",
    "words",
]
