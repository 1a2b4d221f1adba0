"""The HTTP client of Anthropic's Messages API, and what its errors mean."""

import contextlib
from collections.abc import Generator
from typing import Any

import anthropic

from streamsrv.engines.provider_errors import (
    AnswerTooLong,
    http_error,
    is_context_too_long,
    provider_message,
    read_within_bounds,
    retry_after_s,
    without_keys,
)
from streamsrv.engines.provider_socket import is_loopback
from streamsrv.errors import CONTEXT_LENGTH_EXCEEDED, EngineError, Overloaded, Rejected, Unavailable
from streamsrv.web_addresses import without_passwords

ANTHROPIC_URL = "https://api.anthropic.com"

_CONNECT_TIMEOUT_S = 3.0
_HTTP_ERROR = http_error(anthropic.DefaultAsyncHttpxClient)
_STATUS_BY_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "timeout_error": 408,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "overloaded_error": 529,
}
"""The status of an error that comes inside a stream, which has the status 200."""
_UNPAID = ("credit balance", "spend limit", "spend_limit", "billing")
"""Words of a 400 that only the operator can mend, with money."""


def open_client(base_url: str, api_key: str, read_timeout_s: float) -> anthropic.AsyncAnthropic:
    """Return a client that never retries and waits at most `read_timeout_s` for the next bytes of an answer.

    It follows no redirect: the key is for one host.
    """
    timeout = anthropic.Timeout(read_timeout_s, connect=_CONNECT_TIMEOUT_S)
    return anthropic.AsyncAnthropic(
        api_key=api_key or "none",
        base_url=base_url,
        timeout=timeout,
        max_retries=0,
        # A proxy from the environment cannot reach this machine's loopback.
        http_client=anthropic.DefaultAsyncHttpxClient(
            trust_env=not is_loopback(base_url),
            timeout=timeout,
            follow_redirects=False,
            event_hooks={"response": [read_within_bounds]},
        ),
    )


@contextlib.contextmanager
def translated_errors(name: str, base_url: str, api_key: str) -> Generator[None]:
    """Turn the SDK's exceptions into `EngineError`, with the provider's message and without the key.

    `name` is the model's, for the message.
    """
    shown = without_passwords(base_url)
    try:
        yield
    except (TimeoutError, anthropic.APITimeoutError) as error:
        raise Unavailable(f"{name} did not answer in time.") from error
    except anthropic.APIConnectionError as error:
        if isinstance(error.__cause__, AnswerTooLong):
            raise Unavailable(f"{name}: {error.__cause__}") from error
        raise Unavailable(f"{name} cannot be reached at {shown}.") from error
    except anthropic.APIStatusError as error:
        said = without_keys(provider_message(error.body) or error.message, api_key)
        raise _engine_error(error, f"{name}: {said}") from error
    except _HTTP_ERROR as error:
        raise Unavailable(f"{name} broke off its answer: {type(error).__name__}.") from error
    except (anthropic.AnthropicError, ValueError, AttributeError, TypeError, RecursionError) as error:
        # Of a page that is no answer.
        what = "sent an answer that cannot be read"
        raise Unavailable(f"{name} {what} (is {shown} its address?): {error}") from error


def _engine_error(error: anthropic.APIStatusError, message: str) -> EngineError:
    """Return the `EngineError` for an error response, or for an error inside a stream.

    `Rejected` means that the request is at fault. A wrong key, an unpaid bill or a missing model is `Unavailable`: only
    the operator can fix it, and another model may answer.
    """
    body = str(error.body).lower()
    status = error.status_code if error.status_code >= 300 else _STATUS_BY_TYPE.get(_type(error.body), 500)
    match status:
        case 429 | 529:
            return Overloaded(message, retry_after_s=retry_after_s(error.response.headers))
        case 401 | 403:
            return Unavailable(message, refuses_key=True)
        case 402 | 404 | 408 | 409:
            return Unavailable(message)
        case code if 400 <= code < 500:
            if any(words in body for words in _UNPAID):
                return Unavailable(message)
            if is_context_too_long(body):
                return Rejected(message, code=CONTEXT_LENGTH_EXCEEDED, param="messages")
            return Rejected(message)
        case _:
            return Unavailable(message)


def _type(body: Any) -> str:
    match body:
        case {"error": {"type": str(kind)}}:
            return kind
        case _:
            return ""
