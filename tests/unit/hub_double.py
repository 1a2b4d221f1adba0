"""A double of a model hub and its storage host, on loopback: the paths, redirects and headers of Hugging Face.

Files in large-file storage are redirected to the storage host, which is another origin; small ones are answered by the
hub. The digest and the size are in the headers of the hub's own answer.
"""

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

COMMIT = "c" * 40


@dataclass
class Repository:
    """Files by path; `commit` is the newest commit, which `main` names."""

    files: dict[str, bytes]
    commit: str = COMMIT
    in_storage: tuple[str, ...] = ("model.bin",)
    needs_token: bool = False


@dataclass
class HubDouble:
    """What the hub has, its faults, and what it was asked: (method, path, authorization) of each request."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    token: str = "right-token"
    states_digests: bool = True
    wrong_digest: bool = False
    moved: dict[str, str] = field(default_factory=dict)
    """Old names of repositories and where they are now."""
    cuts: list[int] = field(default_factory=list)
    """The bytes after which each next answer of the storage host breaks off."""
    stalls: int = 0
    """How many answers of the storage host stop in the middle and stay open."""
    served: dict[str, bytes] = field(default_factory=dict)
    """By digest, what the storage host serves in place of the right bytes."""
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    stored: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    """What the storage host was asked: (path, range, authorization)."""
    released: threading.Event = field(default_factory=threading.Event)
    storage_address: str = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        authorization = request.headers["Authorization"]
        path = unquote(request.path)
        self.requests.append((request.command, path, authorization))
        owner, name, _, revision, *rest = path.removeprefix("/").split("/")
        repository, file = f"{owner}/{name}", "/".join(rest)
        if repository in self.moved:
            self._send(request, 307, {"Location": path.replace(repository, self.moved[repository])})
            return
        held = self.repositories.get(repository)
        if held is None or (held.needs_token and authorization is None):
            self._send(request, 401, {"X-Error-Code": "RepoNotFound" if held is None else "GatedRepo"})
        elif held.needs_token and authorization != f"Bearer {self.token}":
            self._send(request, 403, {"X-Error-Code": "GatedRepo"})
        elif revision not in ("main", held.commit) or file not in held.files:
            self._send(request, 404, {"X-Error-Code": "EntryNotFound"})
        else:
            self._send_file(request, held, file)

    def _send_file(self, request: BaseHTTPRequestHandler, held: Repository, file: str) -> None:
        data = held.files[file]
        headers = {"X-Repo-Commit": held.commit}
        if file not in held.in_storage:
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            self._send(request, 200, headers | ({"ETag": f'"{blob}"'} if self.states_digests else {}), data)
            return
        digest = hashlib.sha256(data).hexdigest()
        self.served.setdefault(digest, data)
        if self.states_digests:
            stated = hashlib.sha256(b"other").hexdigest() if self.wrong_digest else digest
            headers |= {"X-Linked-Etag": f'"{stated}"', "X-Linked-Size": str(len(data))}
        location = f"{self.storage_address}/blobs/{digest}?signature=of-the-storage-host"
        self._send(request, 302, headers | {"Location": location, "ETag": '"an-etag-of-the-storage"'})

    def answer_storage(self, request: BaseHTTPRequestHandler) -> None:
        span = request.headers["Range"]
        self.stored.append((request.path, span, request.headers["Authorization"]))
        data = self.served[request.path.partition("?")[0].rpartition("/")[2]]
        start = int(span.removeprefix("bytes=").removesuffix("-")) if span else 0
        if span and start >= len(data):
            self._send(request, 416, {"Content-Range": f"bytes */{len(data)}"})
            return
        headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if span else {}
        body = data[start:]
        if self.stalls:
            self.stalls -= 1
            self._send(request, 206 if span else 200, headers, body, sent=len(body) // 2)
            request.wfile.flush()
            self.released.wait()
        else:
            self._send(request, 206 if span else 200, headers, body, sent=self.cuts.pop(0) if self.cuts else None)

    @staticmethod
    def _send(
        request: BaseHTTPRequestHandler,
        status: int,
        headers: dict[str, str],
        body: bytes = b"",
        sent: int | None = None,
    ) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command != "HEAD":
            with contextlib.suppress(ConnectionError):
                request.wfile.write(body[:sent])


@contextlib.contextmanager
def serve_hub(hub: HubDouble) -> Iterator[str]:
    """Serve the hub and its storage host; gives the hub's address."""

    class OnHub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.answer(self)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Quiet: the requests are kept."""

    class OnStorage(OnHub):
        def do_GET(self) -> None:
            hub.answer_storage(self)

        do_HEAD = do_GET

    servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for handler in (OnHub, OnStorage)]
    addresses = [f"http://127.0.0.1:{server.server_address[1]}" for server in servers]
    hub.storage_address = addresses[1]
    threads = [threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield addresses[0]
    finally:
        hub.released.set()
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()
