"""Builds a Dockerfile's stages in folders and runs the last one there, for machines without a container engine.

It needs Linux and root: RUN and CMD happen in a chroot, in namespaces of their own for mounts and processes. The
network is the machine's. Settings of pip, uv, proxies and certificates are passed on to RUN, as build arguments would
be.
"""

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

from dockerfile import Dockerfile, Instruction, Stage, assignments, expand, is_sent

PASSED_ON = ("PIP_", "UV_", "SSL_CERT_")
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
SYSTEM_FILES = ("etc/resolv.conf", "etc/hosts", "etc/ssl/certs/ca-certificates.crt")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class BuildFailed(Exception):
    """A RUN failed; `output` is what it printed."""

    def __init__(self, command: str, output: str) -> None:
        super().__init__(f"{command}\n{output}")
        self.command = command
        self.output = output


@dataclass(slots=True)
class Image:
    """A root folder, and what the instructions said about its processes."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    user: str = "0:0"
    workdir: str = "/"
    entrypoint: list[str] = field(default_factory=list)
    cmd: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)

    def command(
        self,
        words: list[str],
        env: dict[str, str] | None = None,
        mounts: dict[str, Path] | None = None,
        *,
        read_only: bool = False,
    ) -> list[str]:
        """The command of the machine that runs `words` in the image, as its user and process 1.

        `mounts`: folders of the machine by their place in the image. `read_only`: all else but /tmp cannot be written.
        """
        root = shlex.quote(str(self.root))
        lines = ["set -e", f"mount --bind {root} {root}"]
        if read_only:
            lines += [f"mount -o remount,bind,ro {root}", f"mount -t tmpfs tmpfs {root}/tmp"]
        lines += [f"mount -t proc proc {root}/proc", f"mount --rbind /dev {root}/dev"]
        lines += [f"mount --bind {shlex.quote(str(source))} {root}{place}" for place, source in (mounts or {}).items()]
        variables = {"PATH": SYSTEM_PATH, "HOME": self._home(), **self.env, **(env or {})}
        inside = f"cd {shlex.quote(self.workdir)} && exec {shlex.join(words)}"
        chroot = ["chroot", f"--userspec={self.user}", "--groups=", str(self.root), "/usr/bin/env", "-i"]
        settings = [f"{name}={value}" for name, value in variables.items()]
        lines.append("exec " + shlex.join([*chroot, *settings, "/bin/sh", "-c", inside]))
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        return [*namespaces, "/bin/sh", "-c", "\n".join(lines)]

    def _home(self) -> str:
        uid = self.user.partition(":")[0]
        for line in (self.root / "etc/passwd").read_text().splitlines():
            fields = line.split(":")
            if fields[2] == uid:
                return fields[5]
        return "/"


def make_base(folder: Path) -> None:
    """Make a minimal Debian with its own Python, which stands for the image `python:slim`."""
    packages = "ca-certificates,python3,python3-venv,python3-pip"
    subprocess.run(["debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", folder], check=True)


def build(file: Dockerfile, project: Path, base: Path, folder: Path) -> Image:
    """Build all stages below `folder`; return the last one. Raises `BuildFailed`."""
    images: dict[str, Image] = {}
    cache = folder / "cache"
    for stage in file.stages:
        if stage.base in images:
            parent = images[stage.base]
            image = replace(parent, root=folder / stage.name, env=dict(parent.env))
            _copy(parent.root, image.root)
        else:
            image = Image(folder / stage.name)
            _copy(base, image.root)
            for name in SYSTEM_FILES:
                shutil.copy(f"/{name}", image.root / name)
        _Builder(image, images, project, cache).run(stage)
        images[stage.name] = image
    return images[file.stages[-1].name]


class _Builder:
    """Carries out the instructions of one stage."""

    def __init__(self, image: Image, images: dict[str, Image], project: Path, cache: Path) -> None:
        self._image, self._images, self._project, self._cache = image, images, project, cache
        self._arguments: dict[str, str] = {}

    def run(self, stage: Stage) -> None:
        for instruction in stage.instructions:
            self._do(instruction)

    def _do(self, instruction: Instruction) -> None:
        image = self._image
        match instruction.name:
            case "RUN":
                self._execute(instruction)
            case "COPY":
                self._transfer(instruction)
            case "ARG":
                self._arguments |= assignments(instruction)
            case "ENV":
                image.env |= {name: self._expand(value) for name, value in assignments(instruction).items()}
            case "USER":
                image.user = self._expand(instruction.value)
            case "WORKDIR":
                image.workdir = self._expand(instruction.value)
                (image.root / image.workdir.lstrip("/")).mkdir(parents=True, exist_ok=True)
            case "ENTRYPOINT":
                image.entrypoint = instruction.words
            case "CMD":
                image.cmd = instruction.words
            case "HEALTHCHECK":
                image.healthcheck = Instruction("CMD", {}, instruction.value.removeprefix("CMD").strip()).words
            case "LABEL" | "VOLUME" | "EXPOSE" | "STOPSIGNAL":
                pass
            case _:
                raise NotImplementedError(instruction.name)

    def _expand(self, text: str) -> str:
        return expand(text, {"PATH": SYSTEM_PATH, **self._arguments, **self._image.env})

    def _execute(self, instruction: Instruction) -> None:
        mounts = dict([self._mount(flag) for name, flag in instruction.flags.items() if name == "mount"])
        places = [self._image.root / place.lstrip("/") for place in mounts]
        for place in places:
            place.mkdir(parents=True, exist_ok=True)
        env = {
            name: value for name, value in os.environ.items() if name.startswith(PASSED_ON) or name in PROXIES
        } | self._arguments
        command = self._image.command(["/bin/sh", "-c", instruction.value], env, mounts)
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise BuildFailed(instruction.value, result.stdout + result.stderr)
        for place in places:
            place.rmdir()

    def _mount(self, flag: str) -> tuple[str, Path]:
        options = dict(part.partition("=")[::2] for part in flag.split(","))
        target = options["target"]
        if options["type"] == "cache":
            source = self._cache / target.lstrip("/")
            source.mkdir(parents=True, exist_ok=True)
            return target, source
        return target, self._images[options["from"]].root / options["source"].lstrip("/")

    def _transfer(self, instruction: Instruction) -> None:
        *sources, target = map(self._expand, instruction.words)
        destination = self._image.root / self._image.workdir.lstrip("/") / target
        if target.startswith("/"):
            destination = self._image.root / target.lstrip("/")
        stage = instruction.flags.get("from")
        for source in sources:
            if stage is None:
                self._transfer_of_project(source, destination, is_folder=target.endswith("/"))
            else:
                _copy(self._images[stage].root / source.lstrip("/"), destination)

    def _transfer_of_project(self, source: str, destination: Path, *, is_folder: bool) -> None:
        """Copy what .dockerignore lets through."""
        ignore = (self._project / ".dockerignore").read_text()
        start = self._project / source
        files = [start] if start.is_file() else [path for path in start.rglob("*") if path.is_file()]
        sent = [path for path in files if is_sent(path.relative_to(self._project).as_posix(), ignore)]
        assert sent, f"COPY {source}: nothing of it is sent to the builder"
        for path in sent:
            into_folder = destination / path.name if is_folder else destination
            place = into_folder if start.is_file() else destination / path.relative_to(start)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place)


def _copy(source: Path, destination: Path) -> None:
    """Copy the contents of a folder, as root's."""
    destination.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", "--reflink=auto", f"{source}/.", str(destination)], check=True)
