// The model calls a tool of an MCP server, which the server runs; the SDK asks for the answer itself, and approves calls.

import { hostedMcpTool } from "@openai/agents-core";
import { finish, open, print, received } from "./session.mjs";

const serverUrl = process.argv[3];
const session = await open([
  hostedMcpTool({ serverLabel: "dice", serverUrl, requireApproval: { never: { toolNames: ["roll"] } } }),
]);
session.on("mcp_tools_changed", (tools) => print("tools", tools.map((tool) => tool.name)));
session.on("mcp_tool_call_completed", (_context, _agent, call) => print("call", call));
session.on("tool_approval_requested", async (_context, _agent, request) => {
  print("approval", true);
  await session.approve(request.approvalItem);
});
await received("mcp_list_tools.completed");
session.sendMessage("Roll a die.");
await received("response.done", 2);
session.sendMessage("Cheat.");
await received("response.done", 5);
finish(session);
