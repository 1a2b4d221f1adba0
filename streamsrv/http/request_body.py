"""Reads and validates request bodies with bounds on size and time; errors name the field."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, TypeVar, cast

import msgspec
from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from streamsrv.access.refusal import Refusal
from streamsrv.protocol import json_values
from streamsrv.protocol.errors import MAX_QUOTED, ProtocolError, from_validation

MAX_JSON_BYTES = 4 * 1024 * 1024
"""Longest JSON body: enough for a long conversation, and short enough to decode without blocking the event loop."""
MAX_FIELDS = 200
"""Upper bound on the text fields of a form."""
PATIENCE_S = 30.0
"""Longest pause within a body, in seconds. `MIN_BYTES_PER_S` applies after this time."""
MIN_BYTES_PER_S = 16 * 1024
"""Lowest average rate of a body; a slower body is refused once it has taken `PATIENCE_S`."""

Parsed = TypeVar("Parsed")
ParsedStruct = TypeVar("ParsedStruct", bound=msgspec.Struct)


async def read_json(request: Request, expected: type[ParsedStruct]) -> ParsedStruct:
    """Read and validate a JSON object; a known field that is null counts as absent. Raises `ProtocolError`."""
    return convert_object(read_object(await read_body(request, MAX_JSON_BYTES)), expected)


def read_object(body: bytes) -> dict[str, Any]:
    """Return the fields of a JSON object; raises `ProtocolError`."""
    try:
        value = json_values.read_json(body)
    except json_values.UnreadableJson as error:
        raise ProtocolError("invalid_json", f"The body cannot be read: {error}.") from None
    if not isinstance(value, dict):
        raise ProtocolError("invalid_json", "The body is not a JSON object.")
    return cast("dict[str, Any]", value)


def convert_object(fields: dict[str, Any], expected: type[ParsedStruct]) -> ParsedStruct:
    """Validate the fields of an object; a known field that is null counts as absent. Raises `ProtocolError`."""
    known = {field.encode_name for field in msgspec.structs.fields(expected)}
    return convert({name: held for name, held in fields.items() if held is not None or name not in known}, expected)


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Return the whole body. Raises `Refusal` if it is longer than `max_bytes`."""
    body = bytearray()
    async with aclosing(_bounded(request, max_bytes)) as chunks:
        async for chunk in chunks:
            body += chunk
    return bytes(body)


def convert(given: dict[str, Any], expected: type[Parsed], *, strict: bool = True) -> Parsed:
    """Validate fields; without `strict`, numbers and booleans may be strings, as in forms. Raises `ProtocolError`."""
    try:
        return msgspec.convert(given, expected, strict=strict)
    except msgspec.ValidationError as error:
        raise from_validation(error, given, expected) from None


async def read_form(request: Request, max_bytes: int, max_files: int = 1, param: str = "file") -> FormData:
    """Read a `multipart/form-data` body of at most `max_bytes`; its files are spooled to disk.

    `param`: the field at fault if the body is too long. The caller must close the form. Raises `ProtocolError`.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise Refusal(415, "unsupported_media_type", "The body must be multipart/form-data.")
    try:
        async with aclosing(_bounded(request, max_bytes, param)) as chunks:
            return await MultiPartParser(request.headers, chunks, max_files=max_files, max_fields=MAX_FIELDS).parse()
    except (MultiPartException, FormParserError) as error:  # older Starlettes pass on the parser's own
        raise ProtocolError("invalid_form", f"The form cannot be read: {error}") from None


async def _bounded(request: Request, max_bytes: int, param: str | None = None) -> AsyncGenerator[bytes, None]:
    """Yield the chunks of the body. Raises `Refusal`: 413 if too long, 408 if too slow, 415 if compressed."""
    too_large = Refusal(413, "request_too_large", f"The body is longer than {max_bytes} bytes.", param)
    if (encoding := request.headers.get("content-encoding", "identity").strip().lower()) not in ("", "identity"):
        message = f"The body has the encoding {encoding[:MAX_QUOTED]!r}: only uncompressed bodies are accepted."
        raise Refusal(415, "unsupported_media_type", message)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise too_large
    clock, received = asyncio.get_running_loop().time, 0
    started_s = clock()
    async with aclosing(request.stream()) as chunks:
        while chunk := await _next(chunks, started_s + PATIENCE_S + received / MIN_BYTES_PER_S - clock()):
            received += len(chunk)
            if received > max_bytes:
                raise too_large
            yield chunk


async def _next(chunks: AsyncGenerator[bytes, None], seconds_left: float) -> bytes:
    """Return the next chunk, or an empty one at the end."""
    try:
        async with asyncio.timeout(min(PATIENCE_S, seconds_left)):
            return await anext(chunks)
    except TimeoutError:
        message = f"The body stopped for {PATIENCE_S:g} seconds, or came at less than {MIN_BYTES_PER_S} bytes a second."
        raise Refusal(408, "request_timeout", message) from None
