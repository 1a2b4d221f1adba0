"""The HTTP client of servers with OpenAI's API, and what its errors mean. Chat models and recognisers use it."""

import contextlib
from collections.abc import Generator

import openai

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

OPENAI_URL = "https://api.openai.com/v1"

_CONNECT_TIMEOUT_S = 3.0
_HTTP_ERROR = http_error(openai.DefaultAsyncHttpxClient)
_WHOLE_ANSWER = {"response": [read_within_bounds]}


def open_client(base_url: str, api_key: str, read_timeout_s: float) -> openai.AsyncOpenAI:
    """Return a client that never retries and waits at most `read_timeout_s` for the next bytes of an answer.

    It follows no redirect: the key and the words are for one host.
    """
    timeout = openai.Timeout(read_timeout_s, connect=_CONNECT_TIMEOUT_S)
    # A proxy from the environment cannot reach this machine's loopback.
    return openai.AsyncOpenAI(
        api_key=api_key or "none",
        base_url=base_url,
        timeout=timeout,
        max_retries=0,
        http_client=openai.DefaultAsyncHttpxClient(
            trust_env=not is_loopback(base_url),
            timeout=timeout,
            follow_redirects=False,
            event_hooks=_WHOLE_ANSWER,
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
    except (TimeoutError, openai.APITimeoutError) as error:
        raise Unavailable(f"{name} did not answer in time.") from error
    except openai.APIConnectionError as error:
        if isinstance(error.__cause__, AnswerTooLong):
            raise Unavailable(f"{name}: {error.__cause__}") from error
        raise Unavailable(f"{name} cannot be reached at {shown}.") from error
    except openai.APIError as error:
        said = without_keys(provider_message(error.body) or error.message, api_key)
        raise _engine_error(error, f"{name}: {said}") from error
    except _HTTP_ERROR as error:
        raise Unavailable(f"{name} broke off its answer: {type(error).__name__}.") from error
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        # The SDK reads a web page as a text without fields.
        what = "sent an answer that cannot be read"
        raise Unavailable(f"{name} {what} (is {shown} its address?): {error}") from error


def _engine_error(error: openai.APIError, message: str) -> EngineError:
    """Return the `EngineError` for an error response, or for an error inside a stream, which has no status.

    `Rejected` means that the request is at fault. A wrong key, an unpaid bill or a missing model is `Unavailable`: only
    the operator can fix it, and another model may answer.
    """
    status = str(getattr(error, "status_code", None) or error.code)
    if "insufficient_quota" in (error.code, error.type):
        return Unavailable(message)
    if "API_KEY_INVALID" in str(error.body):  # at Gemini a 400
        return Unavailable(message, refuses_key=True)
    match int(status) if status.isdigit() else 500:
        case 429:
            return Overloaded(message, retry_after_s=_retry_after_s(error))
        case 401 | 403:
            return Unavailable(message, refuses_key=True)
        case 402 | 404 | 408 | 409:
            return Unavailable(message)
        case code if 400 <= code < 500:
            return Rejected(message, **_at_fault(error))
        case _:
            return Unavailable(message)


def _retry_after_s(error: openai.APIError) -> float | None:
    return retry_after_s(error.response.headers) if isinstance(error, openai.APIStatusError) else None


def _at_fault(error: openai.APIError) -> dict[str, str | None]:
    """Return the `code` and `param` of a refusal; a context that is too long has the same code for all servers."""
    if is_context_too_long(f"{error.type} {error.code} {error.body}"):
        return {"code": CONTEXT_LENGTH_EXCEEDED, "param": "messages"}
    code: object = error.code  # a number in some versions of the package; llama.cpp's is the status
    code = None if code is None or str(code).isdigit() else str(code)
    return {"code": code, "param": error.param}
