"""The wait for the results of tools. Pure."""

from dataclasses import dataclass

from streamsrv.core.answers.response import Response
from streamsrv.core.conversation import Conversation


@dataclass(frozen=True, slots=True)
class ToolWait:
    """The wait for the results of the tools that a response of the conversation has called.

    This server runs them before the response is done, or the client does afterwards.
    """

    response: Response

    def is_over(self, conversation: Conversation) -> bool:
        """Whether no result is missing any more, or the answer would not be spoken."""
        response = self.response
        is_missing = response.awaits_only_tools or any(map(conversation.awaits_result, response.called))
        return response.plan.modality != "audio" or not is_missing
