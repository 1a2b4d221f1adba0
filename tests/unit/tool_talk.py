"""A session in text with the tools of an MCP server."""

from typing import Any

from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from harness import Talk, counting_ids, of_type
from streamsrv.core.capabilities import Capabilities
from streamsrv.core.effects import CallTool, ListTools
from streamsrv.core.inputs import ToolReturned, ToolsListed
from streamsrv.core.session import SessionCore
from streamsrv.core.toolbox import OperatorServer
from streamsrv.engines.llm.base import Finished, ToolCallDelta
from streamsrv.protocol.session_object import Session
from streamsrv.tools.base import ToolDescription, ToolFailure

URL = "https://tools.example.org/mcp"
ROLL = ToolDescription("roll", "Rolls dice.", {"type": "object", "properties": {"sides": {"type": "integer"}}})
LOOK = ToolDescription("look.up", "Looks something up.", {"type": "object"}, True, {"readOnlyHint": True})
STOCK: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
DONE = Finished("tool_calls")


class ToolTalk(Talk):
    """A session in text with an MCP server `dice`, whose tools are listed."""

    def __init__(self, *, servers: tuple[OperatorServer, ...] = (), offers: bool = True, **tool: Any) -> None:
        super().__init__()
        self.core = SessionCore(
            Session(id="sess_1", expires_at=0, model="test"),
            new_id=counting_ids(),
            capabilities=Capabilities(tool_servers=servers),
            offers_tools=offers,
        )
        self.all = self.core.start()
        self.update(output_modalities=["text"])
        if tool:
            self.update(tools=[{"type": "mcp", "server_label": "dice", **tool}])
            self.listed(ROLL, LOOK)

    def listed(self, *tools: ToolDescription, error: str = "") -> list[Any]:
        return self.give(ToolsListed(of_type(self.all, ListTools)[-1].listing_id, tools, error))

    def ask(self, text: str = "Roll a die.", **response: Any) -> list[Any]:
        content = [{"type": "input_text", "text": text}]
        self.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        return self.send("response.create", **({"response": response} if response else {}))

    def calls(self, name: str = "roll", arguments: str = '{"sides": 6}', index: int = 0, **delta: Any) -> list[Any]:
        return self.model(ToolCallDelta(index, arguments, call_id=f"call_{index}", name=name, **delta))

    def returned(self, output: str = "4", failed: ToolFailure | None = None, call: int = -1) -> list[Any]:
        return self.give(ToolReturned(of_type(self.all, CallTool)[call].call_id, output, failed))


def never() -> ToolTalk:
    return ToolTalk(server_url=URL, require_approval="never")
