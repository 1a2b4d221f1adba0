"""The simulator: whole conversations, stage by stage and fault by fault; and what it does not put up with."""

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest

from streamsrv.core import effects
from streamsrv.core.effects import Effect, Generate, PrepareModel, RecognizeClip, SendAudio
from streamsrv.errors import Overloaded, Rejected, Unavailable
from streamsrv.protocol.session_object import Audio, AudioInput, AudioOutput, SemanticVad, Session, TurnDetection
from streamsrv.testing.compact import compact
from streamsrv.testing.faults import Fault
from streamsrv.testing.invariants import check
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
)
from streamsrv.testing.shrinking import shrink
from streamsrv.testing.simulated_recognizer import UnexpectedEffect
from streamsrv.testing.simulated_user import (
    Act,
    After,
    AfterReply,
    AtReplyWord,
    Mute,
    Say,
    Send,
    backchannel,
    click,
    cough,
    pause,
    say,
    words,
)
from streamsrv.testing.simulator import Simulator, make_core, simulate

ANSWER = "One two three four five. Six seven eight nine ten."
COUNT = Scenario((say("please count"),), chat=ChatTraits(answers=(ANSWER, "All right.", "Fine.")))


def session(turn_detection: TurnDetection | None) -> Session:
    return Session(id="s", expires_at=0, audio=Audio(input=AudioInput(turn_detection=turn_detection)))


def events(record: Record, event_type: str) -> list[dict[str, Any]]:
    return [event for _, event in record.events(event_type)]


def statuses(record: Record) -> list[str]:
    return [event["response"]["status"] for event in events(record, "response.done")]


def asked(record: Record) -> list[list[str]]:
    """The words of every request to the model, message by message."""
    return [[m.content for m in effect.messages] for _, effect in record.effects() if isinstance(effect, Generate)]


def sound(scenario: Scenario) -> Record:
    """The conversation, in which all invariants hold."""
    record = simulate(scenario)
    check(record)
    return record


# Conversations


def test_a_question_is_answered_and_heard_to_the_end():
    record = sound(COUNT)
    assert asked(record)[-1] == ["please count"]
    assert statuses(record) == ["completed"]
    [played] = record.played.values()
    assert len(played.word_ends) == 10
    assert played.played_ms(record.ended_ms) == played.received_ms


def test_the_same_scenario_is_the_same_conversation():
    shaky = replace(COUNT, network=NetworkTraits(delay_ms=40, jitter_ms=90, loss=0.1), seed=5)
    assert simulate(shaky).describe() == simulate(shaky).describe()
    assert simulate(shaky).describe() != simulate(replace(shaky, seed=6)).describe()


@pytest.mark.parametrize("on_interruption", ["truncate", "truncate_current", "flush", "play_on"])
def test_an_interrupted_client_follows_its_policy(on_interruption: Any):
    script = (say("please count"), say("stop it", AtReplyWord(5)))
    record = sound(replace(COUNT, script=script, client=ClientTraits(on_interruption)))
    truncations = events(record, "conversation.item.truncated")
    assert len(truncations) == on_interruption.startswith("truncate")
    assert len(record.cuts) == (on_interruption != "play_on")
    if truncations:
        [cut] = record.cuts.values()
        assert truncations[0]["audio_end_ms"] == cut.played_ms
        [heard] = [record.played[item_id].words_until(cut.played_ms) for item_id, cut in record.cuts.items()]
        assert asked(record)[-1] == ["please count", " ".join(ANSWER.split()[:heard]), "stop it"]


def test_a_slow_network_delays_the_turn_in_both_directions():
    at_once = sound(COUNT).ended_ms
    assert sound(replace(COUNT, network=NetworkTraits(delay_ms=400))).ended_ms > at_once


def test_lost_packets_are_gaps_in_the_audio():
    said = say("one two three four five six seven eight nine ten")
    record = sound(replace(COUNT, script=(said,), network=NetworkTraits(loss=0.3), seed=3))
    recognized = [word for item in record.recognizable.values() for word in item]
    assert recognized
    assert len(recognized) < len(record.said) == 10


def test_a_muted_microphone_ends_the_turn():
    record = sound(replace(COUNT, script=(say("please count"), Act(After(0), Mute(30_000)))))
    assert statuses(record) == ["completed"]
    assert record.ended_ms < 30_000


LONG = f"{' '.join(40 * ['river'])}. Window."


@pytest.mark.parametrize(
    "client",
    [ClientTraits(), ClientTraits(held_by_transport=True), ClientTraits(reports_ms=200)],
    ids=["stock", "transport", "reports"],
)
def test_a_slow_voice_speaks_a_long_answer_to_its_end(client: ClientTraits):
    slow = Session(id="s", expires_at=0, audio=Audio(output=AudioOutput(speed=0.25)))
    record = sound(replace(COUNT, session=slow, client=client, chat=ChatTraits(answers=(LONG,))))
    assert statuses(record) == ["completed"]
    [played] = record.played.values()
    assert played.received_ms > 55_000, "the second segment waited for longer than a stalled model may take"
    assert len(played.word_ends) == len(LONG.split())


@pytest.mark.parametrize("packet_frames", [2, 31, 63, 94, 156, 312])
def test_appends_of_any_length_at_their_own_pace_give_the_same_turns(packet_frames: int):
    sentences = (*words("lock the front door"), pause(900), *words("is the garage door open"), pause(1500))
    scenario = Scenario((Act(After(500), Say(sentences)), Act(After(9000), Say((click(),)))))
    live, long = (
        sound(replace(scenario, microphone=MicrophoneTraits(packet_frames=frames))) for frames in (1, packet_frames)
    )
    assert turns(long) == turns(live)
    assert len(turns(live)) == 4


def turns(record: Record) -> list[tuple[str, int]]:
    """When speech started and stopped, in the session's audio."""
    return [
        (event["type"], event.get("audio_start_ms", event.get("audio_end_ms")))
        for _, event in record.events()
        if "buffer.speech_" in event["type"]
    ]


def test_clicks_start_no_turn_and_a_cough_gets_no_answer():
    record = sound(replace(COUNT, script=(Act(After(500), Say((click(),))), Act(After(500), Say((cough(),))))))
    assert len(events(record, "input_audio_buffer.committed")) == 1
    assert not statuses(record)


def test_a_backchannel_does_not_stop_a_reply_under_semantic_vad():
    record = sound(
        replace(COUNT, script=(say("please count"), backchannel(when=AtReplyWord(6))), session=session(SemanticVad()))
    )
    assert statuses(record) == ["completed"]


def test_an_understood_echo_reaches_the_recogniser():
    echoing = MicrophoneTraits(echo=0.9, echo_is_understood=True)
    record = simulate(replace(COUNT, session=session(SemanticVad()), microphone=echoing))
    assert "One" in [word for item in record.recognizable.values() for word in item]


def test_push_to_talk_is_a_script_of_events():
    commit, respond = ({"type": name} for name in ("input_audio_buffer.commit", "response.create"))
    script = (say("please count"), Act(After(100), Send(commit)), Act(After(0), Send(respond)))
    record = sound(replace(COUNT, script=script, session=session(None)))
    assert asked(record) == [["please count"]]
    assert statuses(record) == ["completed"]


def test_an_application_answers_function_calls():
    record = sound(replace(COUNT, chat=ChatTraits(answers=(("look_up", '{"a": 1}'), "Found it."))))
    assert statuses(record) == ["completed", "completed"]
    assert asked(record)[-1][-1] == "done"


def test_an_audio_clip_is_recognised():
    clip = {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": "AAAA" * 1600}]}
    item = Act(After(0), Send({"type": "conversation.item.create", "item": clip}))
    record = sound(replace(COUNT, script=(item, Act(After(0), Send({"type": "response.create"})))))
    assert any(isinstance(effect, RecognizeClip) for _, effect in record.effects())
    assert asked(record)[-1] == ["a clip"]


def test_a_malformed_event_is_refused():
    record = sound(replace(COUNT, script=(Act(After(0), Send({"type": "nonsense", "event_id": "e1"})),)))
    assert [event["error"]["event_id"] for event in events(record, "error")] == ["e1"]


@pytest.mark.parametrize("error", [Unavailable("down"), Rejected("no"), Overloaded("full")])
@pytest.mark.parametrize("after", [0, 1, 5])
def test_a_failing_language_model_ends_the_response_with_its_reason(error: Any, after: int):
    record = simulate(replace(COUNT, chat=replace(COUNT.chat, faults=(Fault(after=after, error=error),) * 4)))
    assert statuses(record) == ["failed"]
    assert str(error) in str(events(record, "response.done")[0])


def test_a_failing_recogniser_is_reported():
    record = sound(replace(COUNT, recognizer=RecognizerTraits(faults=(Fault(error=Unavailable("down")),))))
    assert len(events(record, "conversation.item.input_audio_transcription.failed")) == 1


@pytest.mark.parametrize("stage", ["recognizer", "chat", "synthesizer"])
def test_a_stage_that_never_answers_times_out(stage: str):
    traits = {"recognizer": RecognizerTraits, "chat": ChatTraits, "synthesizer": SynthesizerTraits}[stage]
    record = sound(replace(COUNT, **{stage: traits(faults=(Fault(stuck=True), Fault(stuck=True)))}))
    told = f"{record.describe()} {events(record, 'response.done')}"
    assert "no progress" in told or "did not answer" in told


def test_late_results_of_dropped_work_change_nothing():
    script = (say("please count"), say("stop it", AtReplyWord(2)))
    record = sound(replace(COUNT, script=script, straggling_ms=3000, chat=replace(COUNT.chat, token_ms=400)))
    assert statuses(record) == ["cancelled", "completed"]


def test_playback_is_reported_as_it_was():
    record = sound(replace(COUNT, client=ClientTraits(reports_ms=100)))
    [played] = record.played.values()
    assert f"audio_ms={played.received_ms})" in record.describe()


def test_an_end_of_turn_model_knows_whether_more_is_coming():
    sounds = (*words("please"), pause(400), *words("count"))
    scenario = replace(COUNT, script=(Act(After(0), Say(sounds)),), session=session(SemanticVad()))
    told = sound(replace(scenario, turn_model=TurnModelTraits(certainty=0.75))).describe()
    assert told.index("voice=0.25") < told.index("voice=0.75")
    assert "EndOfTurnPredicted" not in sound(scenario).describe()


def test_the_audio_encodes_its_words():
    pcm = np.concatenate([e.pcm for _, e in sound(COUNT).effects() if isinstance(e, SendAudio)])
    assert list(pcm[pcm > 0]) == list(range(1, 11))


# Effects


def test_the_simulator_supports_every_effect():
    assert set(get_args(Effect)) == set(Simulator(COUNT, make_core)._actions)


def test_an_unknown_effect_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch):
    class HoldBreath: ...

    def make(scenario: Scenario, new_id: Any) -> Any:
        core = make_core(scenario, new_id)
        monkeypatch.setattr(core, "handle", lambda happened, now_ms: [HoldBreath()])
        return core

    with pytest.raises(UnexpectedEffect, match="does not support the effect HoldBreath"):
        simulate(COUNT, make)


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        (effects.FeedRecognition("item_9", speech=True), "item_9 is not being recognised"),
        (effects.FinishRecognition("item_9"), "item_9 is not being recognised"),
    ],
)
def test_an_effect_without_the_one_that_must_come_first_is_refused(wanted: Any, complaint: str):
    simulator = Simulator(COUNT, make_core)
    with pytest.raises(UnexpectedEffect, match=complaint):
        simulator._act(None, [wanted])


def test_a_generation_that_was_stopped_cannot_speak():
    simulator = Simulator(COUNT, make_core)
    simulator._act(None, [effects.Generate(9, (), (), effects.ChatOptions()), effects.StopGeneration(9)])
    with pytest.raises(UnexpectedEffect, match="generation 9 was stopped"):
        simulator._act(None, [effects.Synthesize(9, "hello", effects.SpeechOptions())])


def test_starting_something_twice_is_refused():
    simulator = Simulator(COUNT, make_core)
    opened = effects.OpenRecognition("item_1", 0, effects.RecognitionOptions())
    generated = effects.Generate(1, (), (), effects.ChatOptions())
    spoken = effects.Synthesize(1, "hello", effects.SpeechOptions())
    for twice in (opened, generated, spoken):
        simulator._act(None, [twice])
        with pytest.raises(UnexpectedEffect):
            simulator._act(None, [twice])
    simulator._act(None, [PrepareModel(())])


# Looking for causes


def test_a_conversation_shrinks_to_what_is_needed():
    script = (say("hello"), say("tell me a story", AfterReply(500)), backchannel(), say("thanks"))
    whole = replace(COUNT, script=script, network=NetworkTraits(delay_ms=30, jitter_ms=20), straggling_ms=50)
    smallest = shrink(whole, lambda s: "story" in str(s.script) and s.network.delay_ms == 30)
    assert smallest == Scenario(
        (Act(AfterReply(500), Say(words("story"))),),
        network=NetworkTraits(delay_ms=30),
    )


def test_a_scenario_is_shown_without_its_defaults():
    assert compact(Scenario((say("hi"),), network=NetworkTraits(delay_ms=30))) == (
        "Scenario(script=(Act(when=After(delay_ms=0), what=Say(sounds=(Sound(duration_ms=256, text='hi'),))),), "
        "network=NetworkTraits(delay_ms=30))"
    )
