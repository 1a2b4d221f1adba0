"""What a simulated caller does, step by step, without a clock."""

import numpy as np

from streamsrv.calling.script import Manners, Script, Turn

STEP_MS, RATE = 20, 8000
MANNERS = Manners(pause_ms=100, greeting_ms=200, patience_ms=1000, key_ms=40)
SPEECH, WAITING_SOUND, SILENCE = -15.0, -33.0, -90.0


def voice(duration_ms: int) -> np.ndarray:
    return np.full(duration_ms * RATE // 1000, 5000, np.int16)


class Conversation:
    """Gives the caller what the agent says, and notes when the caller speaks and presses keys."""

    def __init__(self, *turns: Turn) -> None:
        self.script = Script(turns, RATE, STEP_MS, MANNERS)
        self.now_ms = 0
        self.spoke: list[int] = []
        self.keys: list[tuple[int, str]] = []

    def hears(self, level: float, duration_ms: int, *, audio_waits: bool = False) -> None:
        for _ in range(duration_ms // STEP_MS):
            pcm, key = self.script.step(self.now_ms, level, audio_waits)
            if pcm.any():
                self.spoke.append(self.now_ms)
            if key:
                self.keys.append((self.now_ms, key))
            self.now_ms += STEP_MS


def test_the_caller_speaks_first_where_nobody_greets():
    call = Conversation(Turn(voice(60)))
    call.hears(SILENCE, 400)
    assert call.spoke == [200, 220, 240]


def test_the_caller_lets_the_greeting_end():
    call = Conversation(Turn(voice(40)))
    call.hears(SILENCE, 100)
    call.hears(SPEECH, 300)
    call.hears(SILENCE, 200)
    assert call.spoke[0] == 480
    assert not call.script.is_over


def test_the_caller_does_not_speak_while_audio_waits_to_be_played():
    call = Conversation(Turn(voice(40)))
    call.hears(SPEECH, 300)
    call.hears(SILENCE, 400, audio_waits=True)
    assert call.spoke == []


def test_the_caller_interrupts_when_he_was_told_to():
    call = Conversation(Turn(voice(40), barge_in_after_ms=100))
    call.hears(SILENCE, 20)
    call.hears(SPEECH, 300)
    call.hears(SILENCE, 440)
    assert call.spoke[0] == 100
    turn = call.script.spoken[0]
    assert turn.interrupts
    assert turn.silenced_ms == 300


def test_a_pause_within_what_the_agent_says_is_not_the_end_of_it():
    call = Conversation(Turn(voice(40), barge_in_after_ms=100))
    call.hears(SPEECH, 100)
    call.hears(SILENCE, 100, audio_waits=True)
    call.hears(SPEECH, 100)
    call.hears(SILENCE, 440)
    turn = call.script.spoken[0]
    assert turn.interrupts
    assert turn.silenced_ms == 280


def test_sound_speech_and_silence_after_a_turn_are_measured():
    call = Conversation(Turn(voice(100)))
    call.hears(SILENCE, 300)
    call.hears(SILENCE, 200)
    call.hears(WAITING_SOUND, 100)
    call.hears(SILENCE, 60)
    call.hears(SPEECH, 200)
    turn = call.script.spoken[0]
    assert turn.ended_ms == 300
    assert 180 <= turn.longest_silence_ms <= 200
    assert turn.first_sound_ms is not None
    assert turn.first_speech_ms is not None
    assert turn.first_speech_ms - turn.first_sound_ms == 160


def test_a_sound_that_tells_the_caller_to_wait_is_no_answer():
    call = Conversation(Turn(voice(40)), Turn(voice(40)))
    call.hears(SILENCE, 260)
    call.hears(WAITING_SOUND, 500)
    assert len(call.script.spoken) == 1
    call.hears(SPEECH, 100)
    call.hears(SILENCE, 120)
    assert len(call.script.spoken) == 2


def test_the_caller_goes_on_without_an_answer_and_hangs_up_at_last():
    call = Conversation(Turn(voice(40)), Turn(voice(40)))
    call.hears(SILENCE, 240 + 1040)
    assert len(call.script.spoken) == 2
    call.hears(SILENCE, 1040)
    assert call.script.is_over


def test_keys_are_pressed_one_after_the_other_after_what_is_said():
    call = Conversation(Turn(voice(40), digits="12#"))
    call.hears(SILENCE, 500)
    assert [key for _, key in call.keys] == ["1", "2", "#"]
    times = [time for time, _ in call.keys]
    assert times[0] > call.spoke[-1]
    assert times[1] - times[0] == times[2] - times[1] == 40
    assert call.script.spoken[0].ended_ms == times[-1]


def test_silence_at_the_end_of_a_recording_is_not_part_of_the_turn():
    call = Conversation(Turn(np.concatenate([voice(100), np.zeros(RATE // 5, np.int16)])))
    call.hears(SILENCE, 600)
    assert call.script.spoken[0].ended_ms == 300


def test_a_caller_without_turns_listens_to_the_greeting_and_hangs_up():
    call = Conversation()
    call.hears(SPEECH, 200)
    call.hears(SILENCE, 120)
    assert call.script.is_over
