"""Asks a model hub what it states about a file, and downloads the file. Blocks, and does not verify the bytes.

The hub is `STREAMSRV_HUB`, else `HF_ENDPOINT`, else Hugging Face. `HF_TOKEN` is sent to it and to no other host.

A hub answers `HEAD /<repository>/resolve/<revision>/<file>` with `X-Linked-Etag` and `X-Linked-Size`, or `ETag` and
`Content-Length` for files outside large-file storage: the digest and the size. `X-Repo-Commit` is the commit of the
revision. Source: huggingface_hub, `file_download.py`.
"""

import os
import re
import time
from collections.abc import Callable, Mapping
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from streamsrv.engines.model_entry import Source
from streamsrv.engines.weights.content import Content
from streamsrv.engines.weights.sources import BLOCK_BYTES, SourceFailed

DEFAULT_HUB = "https://huggingface.co"
ADDRESS_VARIABLES = ("STREAMSRV_HUB", "HF_ENDPOINT")
TOKEN_VARIABLE = "HF_TOKEN"
RETRY_PAUSES_S = (1.0, 4.0)
"""Seconds before each attempt to go on after a failure; after the last attempt it fails."""
PROGRESS_BYTES = 1 << 20
"""An attempt that got this much begins the count of attempts again: a long download may break off many times."""
TIMEOUT_S = 30.0

_DIGEST = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_Result = TypeVar("_Result")


class _Interrupted(Exception):
    """A request broke off for a reason that may be temporary."""


class Hub:
    """The model hub during one fetch. Files of one repository and revision come from one commit.

    `commits` are those that files came from before, by repository and revision.
    """

    def __init__(self, commits: Mapping[tuple[str, str], str]) -> None:
        self._commits = dict(commits)

    def ask(self, source: Source) -> Content:
        """Return what the hub states about the file; raises `SourceFailed`."""
        url = self._url(source)
        headers = _persist(url, lambda: _head(url))
        content = _read_headers(url, headers)
        if content.commit:
            self._commits.setdefault((source.name, source.revision), content.commit)
        return content

    def download(self, source: Source, target: Path, size: int, report: Callable[[int], None]) -> None:
        """Download to `target`, and resume a partial download there; `report` is called with the bytes held so far.

        Raises `SourceFailed`, and keeps what arrived.
        """
        url = self._url(source)
        _persist(url, lambda: _download_rest(url, target, size, report), lambda: _size(target))

    def _url(self, source: Source) -> str:
        revision = self._commits.get((source.name, source.revision), source.revision)
        return f"{_address()}/{quote(source.name)}/resolve/{quote(revision, safe='')}/{quote(source.path)}"


def _address() -> str:
    for variable in ADDRESS_VARIABLES:
        if address := os.environ.get(variable):
            parts = urlsplit(address)
            if "@" in parts.netloc:  # not shown, because of the password
                raise SourceFailed(f"{variable} has a user name in it; accepted: an address, and {TOKEN_VARIABLE}")
            if parts.scheme not in ("https", "http") or not parts.netloc:
                raise SourceFailed(f"{variable} is {address!r}; accepted: an address with https:// or http://")
            return address.rstrip("/")
    return DEFAULT_HUB


def _persist(url: str, attempt: Callable[[], _Result], held: Callable[[], int] = lambda: 0) -> _Result:
    """Try until it succeeds; raise `SourceFailed` after some attempts in a row that got nearly nothing."""
    failures = 0
    while True:
        before = held()
        try:
            return attempt()
        except _Interrupted as error:
            failures = 1 if held() - before >= PROGRESS_BYTES else failures + 1
            if failures > len(RETRY_PAUSES_S):
                kept = "; what arrived is kept and resumed" if held() else ""
                raise SourceFailed(f"{url}: {error} ({failures} attempts{kept})") from error
            time.sleep(RETRY_PAUSES_S[failures - 1])


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _head(url: str) -> Message:
    """Return the headers of the first answer on the hub's own host that states a digest, or of the last one."""
    try:
        with _open(url, "HEAD") as response:
            return response.headers
    except HTTPError as error:
        error.close()
        if 300 <= error.code < 400:
            return error.headers
        raise _refusal(url, error) from error


def _read_headers(url: str, headers: Message) -> Content:
    linked = headers.get("X-Linked-Etag")
    digest = (linked or headers.get("ETag") or "").removeprefix("W/").strip('"').lower()
    size = headers.get("X-Linked-Size" if linked else "Content-Length") or ""
    if not _DIGEST.fullmatch(digest) or not size.isdecimal():
        raise SourceFailed(f"{url}: the hub states no digest and size, so the file could not be checked")
    commit = headers.get("X-Repo-Commit") or ""
    return Content(int(size), digest, commit if _COMMIT.fullmatch(commit) else "")


def _download_rest(url: str, target: Path, size: int, report: Callable[[int], None]) -> None:
    held = _size(target)
    if held >= size:
        # The caller verifies the file, and deletes it if it is wrong.
        return
    try:
        with _open(url, "GET", {"Range": f"bytes={held}-"} if held else {}) as response:
            resumed = response.status == 206
            held = held if resumed else 0
            with target.open("ab" if resumed else "wb") as file:
                # One block beyond the expected size is enough to know that the file is wrong.
                while held <= size and (block := response.read(BLOCK_BYTES)):
                    held += file.write(block)
                    report(held)
    except HTTPError as error:
        error.close()
        if error.code == 416:  # the hub's file is shorter than what is here
            target.unlink(missing_ok=True)
            raise _Interrupted("the hub has less than what is here of an earlier download") from error
        raise _refusal(url, error) from error
    except (OSError, HTTPException) as error:
        raise _Interrupted(str(error) or type(error).__name__) from error
    if held < size:
        raise _Interrupted(f"the connection ended after {held} of {size} bytes")


def _open(url: str, method: str, headers: Mapping[str, str] | None = None) -> Any:
    """Send a request; raises `HTTPError` for an answer that refuses, and `_Interrupted` if there is none."""
    request = Request(url, headers={"User-Agent": "streamsrv", **(headers or {})}, method=method)
    _authorize(request)
    try:
        return build_opener(_Redirects(url)).open(request, timeout=TIMEOUT_S)
    except HTTPError:
        raise
    except (OSError, HTTPException) as error:
        reason = str(getattr(error, "reason", error)) or type(error).__name__
        if not isinstance(error, URLError):
            raise _Interrupted(reason) from error
        raise _Interrupted(f"cannot be reached: {reason}; {ADDRESS_VARIABLES[0]} can name a mirror") from error


def _authorize(request: Request) -> None:
    if token := os.environ.get(TOKEN_VARIABLE):
        # Unredirected: hubs redirect to storage hosts, which must not see the token.
        request.add_unredirected_header("Authorization", f"Bearer {token}")


class _Redirects(HTTPRedirectHandler):
    """Follows redirects with the same method; the token goes along only to the host of `url`.

    HEAD is not redirected to another host, which would not know the digest.
    """

    def __init__(self, url: str) -> None:
        self._hub = urlsplit(url)[:2]

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        is_hub = urlsplit(newurl)[:2] == self._hub
        is_stated = "X-Linked-Etag" in headers and "X-Linked-Size" in headers
        is_head = req.get_method() == "HEAD"
        if urlsplit(newurl).scheme not in ("https", "http") or (is_head and (is_stated or not is_hub)):
            return None
        redirected = super().redirect_request(req, fp, code, msg, headers, newurl)  # pyright: ignore[reportArgumentType]
        if redirected is not None:
            redirected.method = req.get_method()
            if is_hub:
                _authorize(redirected)
        return redirected


def _refusal(url: str, error: HTTPError) -> Exception:
    if error.code in (408, 429) or error.code >= 500:
        return _Interrupted(f"HTTP {error.code} {error.reason}")
    hints = {
        401: f"no such repository, or it needs {TOKEN_VARIABLE}",
        403: f"{TOKEN_VARIABLE} may not read it: accept the licence on its page, or use another token",
        404: "no such file",
    }
    return SourceFailed(f"{url}: HTTP {error.code} {error.reason}: {hints.get(error.code, 'the hub refuses it')}")
