"""The tools with which a language model ends or transfers the telephone call that it speaks in. Pure."""

import json
from collections.abc import Mapping

from streamsrv.core.call_rules import CallRules
from streamsrv.core.toolbox import ServerTool
from streamsrv.engines.llm.base import Tool
from streamsrv.tools.base import ServerAddress

SERVER_LABEL = "call"
"""The `server_label` of the calls of these tools."""
HANG_UP = "hang_up"
TRANSFER = "transfer_call"
DESTINATION = "destination"


def call_tools(rules: CallRules | None) -> list[ServerTool]:
    """Return the tools that the operator allows; none without a telephone call."""
    tools: list[ServerTool] = []
    if rules is None:
        return tools
    if rules.may_hang_up:
        description = (
            "Ends the telephone call once the caller has heard what you say in this answer. Use it when the "
            "conversation is over, and say goodbye in the same answer."
        )
        tools.append(_tool(HANG_UP, description, {}))
    if rules.transfers:
        names = sorted(rules.transfers)
        description = (
            "Transfers the caller to somebody else once they have heard what you say in this answer. Tell them to "
            f"whom you transfer them. It can transfer them to: {', '.join(names)}."
        )
        tools.append(_tool(TRANSFER, description, {DESTINATION: {"type": "string", "enum": names}}))
    return tools


def _tool(name: str, description: str, properties: Mapping[str, object]) -> ServerTool:
    parameters = {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
    function = Tool(name, description, parameters)
    return ServerTool(ServerAddress(SERVER_LABEL), name, function, needs_approval=False, is_of_call=True)


def destination_of(arguments: str, transfers: Mapping[str, str]) -> str | None:
    """Return the telephone to which a call of the tool (its arguments as JSON) transfers; None: none of them."""
    try:
        name = json.loads(arguments).get(DESTINATION)
    except (ValueError, AttributeError):
        return None
    if not isinstance(name, str):
        return None
    by_name = {known.strip().casefold(): number for known, number in transfers.items()}
    return transfers.get(name) or by_name.get(name.strip().casefold())
