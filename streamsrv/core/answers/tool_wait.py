"""The wait for the results of functions that the client runs. Pure."""

from dataclasses import dataclass

from streamsrv.core.answers.output_items import ResponsePlan
from streamsrv.core.conversation import Conversation


@dataclass(frozen=True, slots=True, eq=False)
class ToolWait:
    """The wait for the results of the functions that a response of the conversation has called."""

    plan: ResponsePlan
    call_ids: frozenset[str]

    def is_over(self, conversation: Conversation) -> bool:
        """Whether no result is missing any more, or the answer would not be spoken."""
        return self.plan.modality != "audio" or not any(map(conversation.awaits_result, self.call_ids))
