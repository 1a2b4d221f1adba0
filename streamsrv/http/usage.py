"""`GET /v1/usage`: what requests to models have cost, by day, key, model and stage, from the ledger."""

import re
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamsrv.access.refusal import Refusal
from streamsrv.engines.metering.accounts import to_usd
from streamsrv.errors import Unavailable
from streamsrv.protocol.errors import ProtocolError
from streamsrv.service import Service

if TYPE_CHECKING:
    from streamsrv.ledger.ledger import Ledger

GROUPS = ("day", "key", "model", "stage")
PARAMETERS = ("start", "end", "key", "model", "group_by")
NANO = 1_000_000_000
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


async def usage(request: Request) -> Response:
    """Return the sums, a row for each group; every API key sees those of all keys."""
    service: Service = request.app.state.service
    query = request.query_params
    if unknown := [name for name in query if name not in PARAMETERS]:
        accepted = ", ".join(PARAMETERS)
        raise ProtocolError(
            "unknown_parameter", f"Unknown parameter: '{unknown[0]}'. Accepted: {accepted}.", unknown[0]
        )
    for name in PARAMETERS:
        _check_text(query.getlist(name), name)
    groups = _groups(query.get("group_by", ",".join(GROUPS)))
    start, end = _day(query.get("start"), "start"), _day(query.get("end"), "end")
    if start and end and start > end:
        raise ProtocolError("invalid_value", f"Invalid value '{start}' for 'start': it is after 'end'.", "start")
    if service.ledger is None:
        message = "This server keeps no ledger: the setting 'ledger' is 'none', or the extra 'ledger' is not installed."
        raise Refusal(503, "ledger_unavailable", message)
    rows = await _read(service.ledger, start, end, query.get("key"), query.get("model"), groups)
    total = Decimal(sum(row["cost_nanousd"] for row in rows)) / NANO
    data = [_to_wire(row, groups) for row in rows]
    return JSONResponse({"object": "list", "data": data, "total_usd": to_usd(total), "currency": "USD"})


async def _read(
    ledger: "Ledger", start: date | None, end: date | None, key: str | None, model: str | None, groups: list[str]
) -> list[dict[str, Any]]:
    from streamsrv.ledger.database import UsageFilter  # whoever has a ledger has its packages

    try:
        return await ledger.usage(UsageFilter(start, end, key, model), groups)
    except Unavailable as error:
        raise Refusal(503, "ledger_unavailable", f"{error}.", retry_after_s=5) from error


def _to_wire(row: dict[str, Any], groups: list[str]) -> dict[str, Any]:
    own: dict[str, Any] = {name: str(row[name]) for name in groups}
    amounts = {name: value for name, value in row.items() if name not in (*groups, "cost_nanousd", "requests")}
    whole = {
        name: int(value) if float(value).is_integer() else round(float(value), 3) for name, value in amounts.items()
    }
    return {**own, "requests": row["requests"], **whole, "cost_usd": to_usd(Decimal(int(row["cost_nanousd"])) / NANO)}


def _check_text(given: list[str], name: str) -> None:
    """Refuse a parameter that is given twice, or with a character that a database cannot hold."""
    if len(given) > 1:
        raise ProtocolError("invalid_value", f"'{name}' is given {len(given)} times: accepted is once.", name)
    if any("\0" in value for value in given):
        raise ProtocolError("invalid_value", f"Invalid value for '{name}': it holds the character U+0000.", name)


def _groups(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in GROUPS:
            message = f"Invalid value '{name}' for 'group_by': accepted are {', '.join(GROUPS)}, separated by commas."
            raise ProtocolError("invalid_value", message, "group_by")
    if not names:
        raise ProtocolError("invalid_value", f"'group_by' names nothing: accepted are {', '.join(GROUPS)}.", "group_by")
    return list(dict.fromkeys(names))


def _day(text: str | None, name: str) -> date | None:
    if text is None:
        return None
    try:
        if not _DAY.fullmatch(text):  # newer versions of Python read other forms, too
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        message = f"Invalid value '{text[:40]}' for '{name}': accepted is a day in UTC, such as 2026-11-26."
        raise ProtocolError("invalid_value", message, name) from None
