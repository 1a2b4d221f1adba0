"""Begins, counts and discards the speculative answers of a session, of which there is one at a time. Pure."""

from collections.abc import Callable
from dataclasses import replace

from streamsrv.core.answers.requests import expected_language, request_of, spoken_as
from streamsrv.core.answers.speculation import Speculation
from streamsrv.core.capabilities import Capabilities
from streamsrv.core.conversation import Conversation
from streamsrv.core.effects import Effect, Generate, PrepareModel
from streamsrv.core.inputs import GenerationFailed, SpeechOutput
from streamsrv.core.rate_limit import RateLimit
from streamsrv.core.toolbox import Toolbox
from streamsrv.engines.llm.base import Delta
from streamsrv.engines.tts.base import SpeechOptions
from streamsrv.protocol.client_events import ResponseOptions
from streamsrv.protocol.items import InputText, MessageItem
from streamsrv.protocol.session_object import Session
from streamsrv.text.voice_manners import VoiceManners

MAX_SPECULATIONS = 3
"""Speculative answers in one turn: each is a request to the model, and later ones are rarely used."""


class Speculations:
    """Holds the speculative answer of the user's turn, until a response takes it over or it is discarded.

    `next_generation` numbers what the model makes.
    """

    def __init__(
        self,
        conversation: Conversation,
        rate_limit: RateLimit,
        capabilities: Capabilities,
        manners: VoiceManners,
        toolbox: Toolbox,
        next_generation: Callable[[], int],
    ) -> None:
        self._conversation = conversation
        self._rate_limit = rate_limit
        self._capabilities = capabilities
        self._manners = manners
        self._toolbox = toolbox
        self._next_generation = next_generation
        self._current: Speculation | None = None
        self._count = 0  # in this turn of the user

    def __contains__(self, generation: int) -> bool:
        return self._current is not None and self._current.generation == generation

    @property
    def is_any(self) -> bool:
        """Whether there is a speculative answer."""
        return self._current is not None

    def begin_turn(self) -> None:
        """Begin a user turn: reset the count of its speculations."""
        self._count = 0

    def begin(self, text: str, item_id: str, session: Session, now_ms: int) -> list[Effect]:
        """Begin a speculative answer to these words, which become this item, unless a limit is reached."""
        options = ResponseOptions()
        question = self._question(text, item_id, session)
        speech = spoken_as(options, session, self._capabilities)
        if self._current is not None and self._current.answers(question, speech):
            return []
        discarded = self.discard()
        if self._count >= MAX_SPECULATIONS or not self._rate_limit.take_spare(now_ms):
            return discarded
        self._count += 1
        expected = expected_language(options, session, self._capabilities).after(question.messages)
        self._current = Speculation(replace(question, generation=self._next_generation()), speech, expected)
        return [*discarded, self._current.asked]

    def read_ahead(self, text: str, item_id: str, session: Session) -> list[Effect]:
        """Have the model read these words of a turn that goes on, so that less is left to read at its end.

        With tools a prompt has more than its messages, so nothing is read then.
        """
        question = self._question(text, item_id, session)
        return [] if question.tools else [PrepareModel(question.messages)]

    def _question(self, text: str, item_id: str, session: Session) -> Generate:
        """What is asked if the user's turn consists of these words."""
        item = MessageItem(id=item_id, role="user", content=[InputText(text)])
        request = request_of(ResponseOptions(), session, [*self._conversation.items, item], self._manners)
        offer = self._toolbox.offer(request.tools, in_conversation=True)
        return request.to_generate(0, self._conversation, offer)

    def discard(self) -> list[Effect]:
        """Stop the speculative answer, if there is one."""
        discarded, self._current = self._current, None
        return discarded.discarded() if discarded is not None else []

    def take_over(self, question: Generate, speech: SpeechOptions | None, now_ms: int) -> Speculation | None:
        """Return the speculative answer, if it answers the question of a response, which goes on with it."""
        current = self._current
        if current is None or not current.answers(question, speech):
            return None
        self._current = None
        self._count -= 1  # it is none any more, also if the user goes on with this turn
        self._rate_limit.give_back(now_ms)  # the response was counted, too
        return current

    def take(self, delta: Delta, now_ms: int) -> list[Effect]:
        """Take a delta of the model."""
        return self._current.take(delta, now_ms) if self._current is not None else []

    def take_speech(self, speech: SpeechOutput) -> None:
        """Take audio of the first segment."""
        if self._current is not None:
            self._current.audio.append(speech)

    def end_segment(self) -> None:
        """Record that all audio of the first segment has come."""
        if self._current is not None:
            self._current.spoken = True

    def fail(self, failed: GenerationFailed) -> list[Effect]:
        """Take the failure of a stage; without a language model's answer the response asks again."""
        if self._current is None or self._current.outlives(failed):
            return []
        return self.discard()
