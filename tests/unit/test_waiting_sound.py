"""When a caller who waits hears a sound."""

from streamsrv.core.calls.waiting_sound import MAX_QUIET_MS, MIN_WAIT_MS, WaitingSound
from streamsrv.core.conversation import Conversation
from streamsrv.core.effects import SetTimer, SoundWaiting
from streamsrv.core.playback.output_buffer import OutputBuffer


def begins_ms(speech_ended_ms: int, turn_ended_ms: int, after_ms: int = 1_000) -> int:
    """When the sound begins, for a turn that ends so long after its speech."""
    sound = WaitingSound(after_ms, OutputBuffer(Conversation("conv")))
    sound.end_turn(speech_ended_ms, turn_ended_ms)
    now_ms = turn_ended_ms
    effects = sound.watch(now_ms, is_waited_for=True)
    while SoundWaiting(True) not in effects:
        now_ms += next(effect.delay_ms for effect in effects if isinstance(effect, SetTimer))
        sound.fire()
        effects = sound.watch(now_ms, is_waited_for=True)
    return now_ms


def test_the_wait_is_counted_from_the_last_speech():
    assert begins_ms(5_000, 5_250) == 6_000


def test_an_answer_has_a_moment_after_the_end_of_the_turn():
    assert begins_ms(5_000, 5_800) == 5_800 + MIN_WAIT_MS


def test_after_a_long_pause_the_sound_does_not_wait_any_longer():
    assert begins_ms(5_000, 6_100) == 5_000 + MAX_QUIET_MS
    assert begins_ms(5_000, 6_500) == 6_500


def test_the_operator_may_have_it_later():
    assert begins_ms(5_000, 5_500, after_ms=4_000) == 9_000
