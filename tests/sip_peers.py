"""Debian's baresip and sipp as the telephones that call a server."""

import asyncio
import shutil
import socket
import wave
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HOST = "127.0.0.1"
RATE_HZ = 8000
PATIENCE_S = 30
WITHOUT_SIPP = "needs sipp (Debian, Ubuntu: apt-get install sip-tester)"
WITHOUT_BARESIP = "needs baresip (Debian, Ubuntu: apt-get install baresip-core)"


def has_sipp() -> bool:
    return shutil.which("sipp") is not None


def has_baresip() -> bool:
    return shutil.which("baresip") is not None and _modules() is not None


def _modules() -> Path | None:
    return next(iter([*Path("/usr/lib").glob("baresip/modules"), *Path("/usr/lib").glob("*/baresip/modules")]), None)


def free_port() -> int:
    """Return a port that is free for UDP and TCP now; the next one is, too."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as first:
            first.bind((HOST, 0))
            port: int = first.getsockname()[1]
            try:
                for kind, number in (
                    (socket.SOCK_STREAM, port),
                    (socket.SOCK_DGRAM, port + 1),
                    (socket.SOCK_STREAM, port + 1),
                ):
                    with socket.socket(socket.AF_INET, kind) as other:
                        other.bind((HOST, number))
            except OSError:
                continue
        return port


async def run_sipp(port: int, *arguments: str) -> tuple[int, str]:
    """Run sipp against a port; return its exit status (0: all calls succeeded) and its output."""
    command = ("sipp", f"{HOST}:{port}", "-i", HOST, "-nostdin", "-timeout", str(PATIENCE_S), *arguments)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode(errors="replace")


class Baresip:
    """A softphone. Its microphone is a file, and what it hears becomes a file in `folder`."""

    def __init__(self, folder: Path, microphone: NDArray[np.int16], account: str = "", transport: str = "udp") -> None:
        self.folder = folder
        self._port = free_port()
        _write(folder / "microphone.wav", microphone)
        modules = "".join(f"module {name}.so\n" for name in ("stdio", "g711", "g722", "aufile", "sndfile", "srtp"))
        (folder / "config").write_text(
            f"poll_method epoll\nsip_listen {HOST}:{self._port}\nnet_interface {HOST}\n"
            f"audio_source aufile,{folder}/microphone.wav\naudio_player aufile,{folder}/speaker.wav\n"
            f"snd_path {folder}\nmodule_path {_modules()}\n{modules}module_app account.so\nmodule_app menu.so\n"
        )
        (folder / "accounts").write_text(f"<sip:caller@{HOST}:{self._port};transport={transport}>;regint=0{account}\n")
        (folder / "contacts").write_text("")

    async def call(self, address: str, duration_s: float) -> str:
        """Call, and hang up after some time; return what the program has said."""
        process = await asyncio.create_subprocess_exec(
            "baresip", "-f", str(self.folder), "-e", f"/dial {address}", "-t", str(int(duration_s)),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, stdin=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        output, _ = await process.communicate()
        return output.decode(errors="replace")

    @asynccontextmanager
    async def calling(self, address: str) -> AsyncGenerator[asyncio.StreamWriter]:
        """Call within this block, which gets the keyboard: digits are the keys of the telephone, x holds, X resumes."""
        with (self.folder / "said").open("wb") as said:
            process = await asyncio.create_subprocess_exec(
                "baresip", "-f", str(self.folder), "-e", f"/dial {address}",
                stdout=said, stderr=said, stdin=asyncio.subprocess.PIPE,
            )  # fmt: skip
        assert process.stdin is not None
        try:
            yield process.stdin
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()

    def said(self) -> str:
        """Return what the program has said in `calling`."""
        return (self.folder / "said").read_text(errors="replace")

    async def until(self, text: str) -> None:
        """Wait until the program has said this in `calling`."""
        async with asyncio.timeout(PATIENCE_S):
            while text not in self.said():
                await asyncio.sleep(0.01)

    def heard(self) -> NDArray[np.int16]:
        """Return what the caller has heard, at its rate; each change of the call's session begins another file."""
        return np.concatenate([_read(path) for path in sorted(self.folder.glob("dump-*-dec.wav"))])


def _read(path: Path) -> NDArray[np.int16]:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def _write(path: Path, pcm: NDArray[np.int16]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(pcm.tobytes())
