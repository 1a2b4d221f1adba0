"""What is known of a call from the first message of its stream, and from the custom parameters in it. Pure."""

from collections.abc import Mapping

from streamsrv.transports.telephony.line import CallFacts


def call_facts(
    provider: str, call_id: str, parameters: Mapping[str, str], *, caller: str = "", called: str = ""
) -> CallFacts:
    """Return the facts of a call.

    `caller`, `called`: as the stream itself names them; else they are parameters. So is `direction`.
    """
    is_outbound = parameters.get("direction", "").startswith("outbound")
    return CallFacts(
        provider,
        call_id,
        caller or parameters.get("caller", "") or parameters.get("from", ""),
        called or parameters.get("called", "") or parameters.get("to", ""),
        "outbound" if is_outbound else "inbound",
        dict(parameters),
    )
