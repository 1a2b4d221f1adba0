"""The responses in progress, by the number of their generation. Pure."""

from collections.abc import Iterator

from streamsrv.core.answers.requests import ModelRequest
from streamsrv.core.answers.response import Response
from streamsrv.core.answers.spoken_message import SpokenMessage
from streamsrv.core.effects import Generate
from streamsrv.protocol.errors import ProtocolError

MAX_PARALLEL = 8
"""Responses in progress at once: one in the conversation, the others out-of-band."""


class LiveResponses:
    """Responses with their requests to the language model.

    `waiting` has the requests that wait for the transcripts of their input, `asked` those that may be made once more.
    """

    def __init__(self) -> None:
        self.waiting: dict[int, ModelRequest] = {}
        self.asked: dict[int, Generate] = {}
        self._responses: dict[int, Response] = {}

    def __len__(self) -> int:
        return len(self._responses)

    def __contains__(self, generation: int) -> bool:
        return generation in self._responses

    def __getitem__(self, generation: int) -> Response:
        return self._responses[generation]

    def __iter__(self) -> Iterator[Response]:
        return iter(list(self._responses.values()))

    def check_room(self) -> None:
        """Raise `ProtocolError` if no more responses may be in progress."""
        if len(self) >= MAX_PARALLEL:
            raise ProtocolError("invalid_value", f"At most {MAX_PARALLEL} responses may be in progress.", "response")

    @property
    def in_conversation(self) -> Response | None:
        """The response of the conversation, if there is one."""
        return next((response for response in self if response.plan.in_conversation), None)

    @property
    def heard(self) -> list[Response]:
        """The responses that have sent audio."""
        return [each for each in self if isinstance(each.message, SpokenMessage) and each.message.ledger.sent_ms]

    def named(self, response_id: str) -> Response | None:
        """Return the response with this id."""
        return next((response for response in self if response.plan.id == response_id), None)

    def to_cancel(self, response_id: str | None) -> Response:
        """Return the named response, or the one of the conversation. Raises `ProtocolError`."""
        found = self.in_conversation if response_id is None else self.named(response_id)
        if found is None:
            raise ProtocolError("response_cancel_not_active", "Cancellation failed: no active response found.")
        return found

    def mark_played(self, item_id: str, now_ms: int) -> None:
        """Record that the first audio of a response's answer is played."""
        for response in self:
            if isinstance(response.message, SpokenMessage) and response.message.item.id == item_id:
                response.latency.mark("first_played", now_ms)

    def with_call(self, call_id: str) -> Response | None:
        """Return the response with this call of a tool of the server."""
        return next((each for each in self if any(call.item.id == call_id for call in each.server_calls)), None)

    def runs(self, call_id: str) -> bool:
        """Whether this call of a tool of the server still runs."""
        return any(call.item.id == call_id and call.is_running for each in self for call in each.server_calls)

    def add(self, response: Response) -> Response:
        self._responses[response.generation] = response
        return response

    def move(self, response: Response, generation: int) -> None:
        """Note that a response is about to get another generation."""
        del self._responses[response.generation]
        self._responses[generation] = response
        if (asked := self.asked.pop(response.generation, None)) is not None:
            self.asked[generation] = asked

    def remove(self, response: Response) -> None:
        generation = response.generation
        del self._responses[generation]
        self.waiting.pop(generation, None)
        self.asked.pop(generation, None)
