"""A language model that is late, silent or broken off, with others behind it, in virtual time."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest

from streamsrv.engines.breaker import Breakers
from streamsrv.engines.llm.base import (
    AnsweredBy,
    ChatAbilities,
    ChatOptions,
    Delta,
    Fallback,
    Finished,
    Message,
    Reasoning,
    Text,
    Tool,
    ToolCallDelta,
    Usage,
)
from streamsrv.engines.llm.failover.attempt import MAX_THINKING_S
from streamsrv.engines.llm.failover.chat_model import FallbackChatModel
from streamsrv.engines.llm.failover.continuation import GO_ON
from streamsrv.engines.llm.failover.relay import MAX_WAITING
from streamsrv.engines.metering.base import Consumption, Request
from streamsrv.engines.observer import IGNORED
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable
from streamsrv.testing.virtual_loop import run_in_virtual_time

HELLO = [Message("user", "Where is the station?")]
ANSWER = "The station is behind the old town hall."
PATIENCE_S = 1.5
TOKEN_S = 0.02
FIRST_S = 0.3

Step = Delta | EngineError | float
"""What a timed model does: gives a delta, fails, or is silent for so many seconds."""


class TimedChatModel:
    """A fake that goes through its next script at each request, and then through its last one again and again."""

    def __init__(self, name: str, *scripts: Sequence[Step]) -> None:
        self.name = name
        self.abilities = ChatAbilities()
        self.occupancy = None
        self.scripts = list(scripts)
        self.asked: list[Sequence[Message]] = []
        self.given = 0
        self.cancelled = 0
        self.ended = 0

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        self.asked.append(messages)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        try:
            for step in script:
                if isinstance(step, float):
                    await asyncio.sleep(step)
                elif isinstance(step, EngineError):
                    raise step
                else:
                    self.given += 1
                    yield step
            self.ended += 1
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise

    async def warm_up(self, messages: Sequence[Message] = ()) -> None: ...

    async def prepare(self, messages: Sequence[Message]) -> None: ...

    async def aclose(self) -> None: ...


def saying(text: str, *after: Step, first_s: float = FIRST_S) -> list[Step]:
    """A script that says the text word by word, then what follows; without it, it finishes."""
    words: list[Step] = [first_s]
    for index, word in enumerate(text.split(" ")):
        words += [Text(f" {word}" if index else word), TOKEN_S]
    return [*words, *(after or [Usage(10, 10), Finished("stop")])]


class Heard:
    """What came of one answer, and when."""

    def __init__(self) -> None:
        self.deltas: list[Delta] = []
        self.times_s: list[float] = []
        self.error: EngineError | None = None

    @property
    def text(self) -> str:
        return "".join(delta.text for delta in self.deltas if isinstance(delta, Text))

    @property
    def named(self) -> list[AnsweredBy]:
        return [delta for delta in self.deltas if isinstance(delta, AnsweredBy)]

    @property
    def first_s(self) -> float:
        """When the first words came."""
        return next(at for at, delta in zip(self.times_s, self.deltas, strict=True) if isinstance(delta, Text))

    @property
    def longest_silence_s(self) -> float:
        """The longest time without words from the start to the end."""
        told = [at for at, delta in zip(self.times_s, self.deltas, strict=True) if isinstance(delta, Text | Finished)]
        return max(after - before for before, after in zip([0.0, *told], told, strict=False))


def chain(*models: TimedChatModel, patience_s: float = PATIENCE_S, **others: float) -> FallbackChatModel:
    return FallbackChatModel(models, Breakers(lambda: 0.0), patience_s={"": patience_s, **others})


async def hear(chat: FallbackChatModel, options: ChatOptions | None = None) -> Heard:
    heard = Heard()
    clock = asyncio.get_running_loop().time
    begun_s = clock()
    try:
        async with aclosing(chat.stream(HELLO, (), options or ChatOptions())) as deltas:
            async for delta in deltas:
                heard.deltas.append(delta)
                heard.times_s.append(clock() - begun_s)
    except EngineError as error:
        heard.error = error
    return heard


def answer(*models: TimedChatModel, patience_s: float = PATIENCE_S, **others: float) -> Heard:
    return run_in_virtual_time(hear(chain(*models, patience_s=patience_s, **others)))


def words_before(count: int) -> str:
    return " ".join(ANSWER.split(" ")[:count])


def words_after(count: int) -> str:
    return " ".join(ANSWER.split(" ")[count:])


def test_a_model_that_is_late_is_overtaken_by_the_next_one_and_cancelled():
    late, next_one = TimedChatModel("late", saying("Too late.", first_s=9.0)), TimedChatModel("next", saying(ANSWER))
    heard = answer(late, next_one)
    assert heard.text == ANSWER
    assert heard.named == [AnsweredBy("next", Fallback("late", "late gave no token for 1.5 s."))]
    assert heard.first_s == pytest.approx(PATIENCE_S + FIRST_S)
    assert (late.cancelled, next_one.cancelled, next_one.ended) == (1, 0, 1)


def test_a_late_model_that_is_still_the_first_to_answer_wins():
    late, next_one = TimedChatModel("late", saying(ANSWER, first_s=1.7)), TimedChatModel("next", saying("No."))
    heard = answer(late, next_one)
    assert (heard.text, heard.named) == (ANSWER, [AnsweredBy("late")])
    assert (late.cancelled, next_one.cancelled) == (0, 1)


def test_a_model_that_is_in_time_is_asked_alone():
    first, next_one = TimedChatModel("first", saying(ANSWER, first_s=1.4)), TimedChatModel("next", saying("No."))
    assert answer(first, next_one).text == ANSWER
    assert next_one.asked == []


def test_each_late_model_brings_in_one_more():
    models = [TimedChatModel(name, [9.0]) for name in "abc"] + [TimedChatModel("d", saying(ANSWER))]
    heard = answer(*models)
    assert heard.first_s == pytest.approx(3 * PATIENCE_S + FIRST_S)
    assert [model.cancelled for model in models] == [1, 1, 1, 0]


def test_thinking_shows_life():
    thinks: list[Step] = [1.0, Reasoning("hm"), 1.0, Reasoning("hm"), 1.0, *saying(ANSWER)]
    thinker, next_one = TimedChatModel("thinker", thinks), TimedChatModel("next", saying("No."))
    assert answer(thinker, next_one).text == ANSWER
    assert next_one.asked == []


def test_a_model_that_thinks_without_end_is_followed_by_the_next_one():
    thinks = TimedChatModel("thinks", [Reasoning("hmm"), 1.0] * 300)
    heard = answer(thinks, TimedChatModel("next", saying(ANSWER)))
    assert heard.text == ANSWER
    assert MAX_THINKING_S < heard.first_s < MAX_THINKING_S + 3
    assert thinks.cancelled == 1


def test_a_lone_model_that_thinks_without_end_fails():
    heard = answer(TimedChatModel("thinks", [Reasoning("hmm"), 1.0] * 300))
    assert str(heard.error) == "thinks thinks without end."


def test_a_model_may_have_its_own_patience_or_none():
    slow, next_one = TimedChatModel("slow", saying(ANSWER, first_s=8.0)), TimedChatModel("next", saying("No."))
    assert answer(slow, next_one, slow=10.0).text == ANSWER
    assert answer(slow, next_one, slow=0.0).text == ANSWER
    assert answer(slow, next_one, patience_s=0.0).text == ANSWER
    assert next_one.asked == []


def test_the_patience_is_that_of_the_model_that_was_asked_last():
    down, late = TimedChatModel("down", [0.1, Unavailable("down")]), TimedChatModel("late", [9.0])
    heard = answer(down, late, TimedChatModel("next", saying(ANSWER)), down=30.0)
    assert heard.first_s == pytest.approx(0.1 + PATIENCE_S + FIRST_S)


def test_a_model_that_is_late_twice_in_a_row_rests():
    late, next_one = TimedChatModel("late", [9.0]), TimedChatModel("next", saying(ANSWER))
    chat = chain(late, next_one)

    async def ask_thrice() -> list[float]:
        return [(await hear(chat)).first_s for _ in range(3)]

    waited_s = run_in_virtual_time(ask_thrice())
    assert waited_s == pytest.approx([PATIENCE_S + FIRST_S, PATIENCE_S + FIRST_S, FIRST_S])
    assert chat.problems == ["late does not answer."]


def test_a_model_that_falls_silent_twice_in_a_row_rests():
    stalls, next_one = TimedChatModel("stalls", saying(words_before(4), 99.0)), TimedChatModel("next", saying(ANSWER))
    chat = chain(stalls, next_one)

    async def ask_thrice() -> list[str]:
        return [(await hear(chat)).text for _ in range(3)]

    assert run_in_virtual_time(ask_thrice()) == [ANSWER] * 3
    assert len(stalls.asked) == 2


def test_a_model_that_is_late_once_does_not_rest():
    late, next_one = TimedChatModel("late", [9.0], saying(ANSWER)), TimedChatModel("next", saying("No."))
    chat = chain(late, next_one)

    async def ask_twice() -> str:
        await hear(chat)
        return (await hear(chat)).text

    assert run_in_virtual_time(ask_twice()) == ANSWER


@pytest.mark.parametrize("count", range(1, 8))
@pytest.mark.parametrize("error", [Unavailable("gone"), Overloaded("full"), None])
def test_an_answer_that_breaks_off_goes_on_from_its_words(count: int, error: EngineError | None):
    broken = TimedChatModel("broken", saying(words_before(count), *([error] if error else [99.0])))
    next_one = TimedChatModel("next", saying(words_after(count)))
    heard = answer(broken, next_one)
    assert heard.text == ANSWER
    assert [named.model for named in heard.named] == ["broken", "next"]
    assert heard.named[1].fallback == Fallback("broken", str(error) if error else "broken gave no token for 1.5 s.")
    assert heard.longest_silence_s < 2
    assert [message.content for message in next_one.asked[0][-2:]] == [words_before(count), GO_ON]


def test_what_the_next_model_repeats_is_left_out():
    broken = TimedChatModel("broken", saying(words_before(4), Unavailable("gone")))
    assert answer(broken, TimedChatModel("next", saying(ANSWER))).text == ANSWER


def test_a_model_that_falls_silent_and_comes_back_first_goes_on_alone():
    broken = TimedChatModel("hesitant", saying(words_before(4), 1.6, *saying(" " + words_after(4), first_s=0.0)))
    next_one = TimedChatModel("next", saying("No."))
    heard = answer(broken, next_one)
    assert (heard.text, heard.named) == (ANSWER, [AnsweredBy("hesitant")])
    assert (len(next_one.asked), next_one.cancelled) == (1, 1)


def test_a_lone_model_that_breaks_off_is_asked_once_more():
    lone = TimedChatModel("lone", saying(words_before(4), Unavailable("gone")), saying(words_after(4)))
    assert answer(lone).text == ANSWER
    always = TimedChatModel("always", saying(words_before(4), Unavailable("gone")))
    heard = answer(always)
    assert heard.error is not None
    assert str(heard.error) == "gone"
    assert len(always.asked) == 2


def test_when_nobody_can_go_on_all_are_named():
    broken = TimedChatModel("broken", saying(words_before(4), Unavailable("gone.")), [Unavailable("down.")])
    heard = answer(broken, TimedChatModel("next", [Overloaded("full.")]))
    assert heard.text == words_before(4)
    assert str(heard.error) == "No language model can answer. down. full."


def call(*arguments: Step) -> list[Step]:
    return [FIRST_S, ToolCallDelta(0, call_id="call_1", name="weather"), *arguments]


def test_a_function_call_is_given_whole_or_not_at_all():
    whole = [ToolCallDelta(0, '{"place": '), ToolCallDelta(0, '"Bern"}'), Usage(1, 2), Finished("tool_calls")]
    for rest in ([Unavailable("gone")], [ToolCallDelta(0, '{"place": '), Unavailable("gone")], [99.0]):
        heard = answer(TimedChatModel("broken", call(*rest)), TimedChatModel("next", call(*whole)))
        calls = [delta for delta in heard.deltas if isinstance(delta, ToolCallDelta)]
        assert [delta.name for delta in calls] == ["weather", "", ""]
        assert "".join(delta.arguments for delta in calls) == '{"place": "Bern"}'
        assert heard.deltas[-1] == Finished("tool_calls")


def test_words_before_a_call_are_given_at_once_and_are_not_repeated():
    preface = saying("One moment.", *call(Unavailable("gone"))[1:])
    again = saying("One moment.", *call(ToolCallDelta(0, "{}"), Finished("tool_calls"))[1:])
    heard = answer(TimedChatModel("broken", preface), TimedChatModel("next", again))
    assert heard.text == "One moment."
    assert [delta.name for delta in heard.deltas if isinstance(delta, ToolCallDelta)] == ["weather", ""]


def test_a_stream_without_an_end_is_broken_off():
    heard = answer(TimedChatModel("short", saying(ANSWER, TOKEN_S)), TimedChatModel("next", [0.1, Finished("stop")]))
    assert heard.text == ANSWER
    assert heard.named[1].fallback == Fallback("short", "short broke off its answer.")


def test_a_refusal_of_the_preferred_model_ends_the_race():
    refusal = Rejected("too long")
    picky, next_one = TimedChatModel("picky", [1.7, refusal]), TimedChatModel("next", saying(ANSWER))
    heard = answer(picky, next_one)
    assert heard.error is refusal
    assert next_one.cancelled == 1


def test_a_refusal_to_go_on_is_not_the_callers_fault():
    models = [
        TimedChatModel("broken", saying(words_before(4), Unavailable("gone.")), [Rejected("odd roles.")]),
        TimedChatModel("next", [Unavailable("down.")]),
    ]
    assert isinstance(answer(*models).error, Unavailable)


class Bill:
    """A fake account: what each request has consumed, by model, in the order in which the requests ended."""

    def __init__(self) -> None:
        self.paid: list[tuple[str, dict[str, float]]] = []
        self._ended: list[Request] = []

    def charge(self, consumption: Consumption) -> None: ...

    def begin(self, request: Request) -> None: ...

    def end(self, request: Request) -> None:
        if request not in self._ended:
            self._ended.append(request)
            consumed = request.consumption
            self.paid += [(consumed.model, dict(consumed.amounts))] if consumed is not None else []


def test_all_who_were_asked_are_paid_for_before_the_answer_has_ended():
    late, next_one = TimedChatModel("late", [9.0]), TimedChatModel("next", saying(ANSWER))
    bill = Bill()
    options = ChatOptions(account=bill)
    heard = run_in_virtual_time(hear(chain(late, next_one).observed(IGNORED), options))
    assert heard.text == ANSWER
    assert [model for model, _ in bill.paid] == ["late", "next"]
    assert bill.paid[0][1]["input_tokens"] > 0
    assert bill.paid[1][1]["output_tokens"] == 10


def test_what_is_no_longer_wanted_is_stopped_everywhere():
    late, next_one = TimedChatModel("late", [99.0]), TimedChatModel("next", [99.0])

    async def leave() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await hear(chain(late, next_one))

    run_in_virtual_time(leave())
    assert (late.cancelled, next_one.cancelled) == (1, 1)


def test_a_model_that_is_faster_than_who_listens_waits():
    fast = TimedChatModel("fast", [Text("word ")] * 500 + [Finished("stop")])

    async def read_one() -> None:
        async with aclosing(chain(fast).stream(HELLO, (), ChatOptions())) as deltas:
            await anext(deltas)
            await asyncio.sleep(1)

    run_in_virtual_time(read_one())
    assert fast.given <= MAX_WAITING + 2
    assert (fast.ended, fast.cancelled) == (0, 1)
