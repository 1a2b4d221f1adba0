"""Reads a Dockerfile into stages. Pure. Only what this project's file uses: no heredocs, no escape directive."""

import fnmatch
import json
import re
import shlex
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Instruction:
    """`flags` are its `--name=value`; `value` is the rest, with `\\` line ends joined."""

    name: str
    flags: dict[str, str]
    value: str

    @property
    def words(self) -> list[str]:
        """The value as a list: of JSON, or of shell words."""
        return json.loads(self.value) if self.value.startswith("[") else shlex.split(self.value)


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def find(self, name: str) -> list[Instruction]:
        return [instruction for instruction in self.instructions if instruction.name == name]


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """`arguments`: the values of the ARGs before the first stage."""

    arguments: dict[str, str]
    stages: list[Stage]


def read(text: str) -> Dockerfile:
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for instruction in _instructions(text):
        if instruction.name == "FROM":
            base, *named = instruction.words
            stages.append(Stage(named[1] if named else str(len(stages)), expand(base, arguments)))
        elif stages:
            stages[-1].instructions.append(instruction)
        else:
            assert instruction.name == "ARG", instruction
            arguments |= assignments(instruction)
    return Dockerfile(arguments, stages)


def _instructions(text: str) -> list[Instruction]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found: list[Instruction] = []
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, _, rest = line.strip().partition(" ")
        flags: dict[str, str] = {}
        while match := re.match(r"\s*--([a-z-]+)=(\S+)\s*", rest):
            flags[match[1]] = match[2]
            rest = rest[match.end() :]
        found.append(Instruction(name.upper(), flags, rest.strip()))
    return found


def assignments(instruction: Instruction) -> dict[str, str]:
    """The variables of an ARG or ENV, unexpanded."""
    return dict(word.partition("=")[::2] for word in shlex.split(instruction.value))


def expand(text: str, variables: dict[str, str]) -> str:
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda match: variables.get(match[1] or match[2], ""), text)


def is_sent(path: str, dockerignore: str) -> bool:
    """Whether a file (relative to the project) is sent to the builder."""
    parents = ["/".join(path.split("/")[: n + 1]) for n in range(path.count("/") + 1)]
    sent = True
    for line in dockerignore.splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        negated, pattern = pattern.startswith("!"), pattern.removeprefix("!")
        anywhere, pattern = pattern.startswith("**/"), pattern.removeprefix("**/")
        if any(fnmatch.fnmatch(parent.rpartition("/")[2] if anywhere else parent, pattern) for parent in parents):
            sent = negated
    return sent
