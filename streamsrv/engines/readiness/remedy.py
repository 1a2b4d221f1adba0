"""Says in one line all that models lack, with the one command that mends it. Pure, but for how this was installed."""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from rich.filesize import decimal

from streamsrv.engines.catalogue import DEFAULT_MODELS, OPTIONAL_MODELS
from streamsrv.engines.readiness.needs import Need

Installer = Literal["pip", "pipx", "uv tool", "uv pip"]

_LOCAL = frozenset({"llamacpp", "speech"})
"""The extras that make up the extra `local`."""
_OWN = re.compile(r"streamsrv\[(.+)\]")


def explain(
    lacking: Mapping[str, Sequence[Need]],
    folder: Path,
    *,
    unpulled: Iterable[str] = (),
    installer: Installer = "pip",
) -> str:
    """Return one line: what each model lacks, by name, and the command.

    `folder` is where weights were looked for. `unpulled` are the default models without their weights: if all of them
    are wanted, the command names no model.
    """
    needs = list(dict.fromkeys(need for each in lacking.values() for need in each))
    said = [_missing(lacking, "package", "packages"), _missing(lacking, "weights", "weights", f" in {folder}")]
    pairs = [(name, need) for name, each in lacking.items() for need in each]
    said += [f"{name}: {need.remedy}" for name, need in pairs if _speaks_for_itself(need)]
    said += [f"{name} needs a key: {need.remedy}" for name, need in pairs if need.what == "key"]
    said += [f"{name} needs an address: {need.remedy}" for name, need in pairs if need.what == "address"]
    command = _command(needs, set(unpulled), installer)
    return "; ".join(filter(None, said)) + (f". Run: {command}" if command else "")


def _missing(lacking: Mapping[str, Sequence[Need]], what: str, noun: str, where: str = "") -> str:
    names = [
        name for name, needs in lacking.items() if any(n.what == what and not _speaks_for_itself(n) for n in needs)
    ]
    return f"{noun} are missing for {', '.join(names)}{where}" if names else ""


def _speaks_for_itself(need: Need) -> bool:
    return need.what not in ("key", "address") and not need.packages and not need.model


def _command(needs: Sequence[Need], unpulled: set[str], installer: Installer) -> str:
    packages = sorted({package for need in needs for package in need.packages})
    sizes = {need.model: need.size for need in needs if need.model}
    commands = [install_command(packages, installer)] if packages else []
    if sizes:
        plain = set(DEFAULT_MODELS.values()) | set(OPTIONAL_MODELS.values())
        is_plain = unpulled <= set(sizes) <= plain and bool(unpulled)
        commands.append(" ".join(["streamsrv pull", *([] if is_plain else sizes)]))
    size = f"  ({decimal(sum(sizes.values()))} of weights)" if sizes else ""
    return f"{' && '.join(commands)}{size}"


def install_command(packages: Sequence[str], installer: Installer) -> str:
    """Return the command that installs packages beside this one; extras of this package are combined."""
    extras = {extra for package in packages if (own := _OWN.fullmatch(package)) for extra in own[1].split(",")}
    if extras >= _LOCAL:
        extras = (extras - _LOCAL) | {"local"}
    own = f"'streamsrv[{','.join(sorted(extras))}]'" if extras else ""
    others = [package for package in packages if not _OWN.fullmatch(package)]
    match installer:
        case "pipx":
            steps = [f"pipx install --force {own}"] if own else []
            return " && ".join([*steps, *([f"pipx inject streamsrv {' '.join(others)}"] if others else [])])
        case "uv tool":
            return " ".join(["uv tool install", own or "streamsrv", *(f"--with {package}" for package in others)])
        case "uv pip":
            return " ".join(filter(None, ["uv pip install", own, *others]))
        case _:
            return " ".join(filter(None, ["pip install", own, *others]))


def find_installer(prefix: Path = Path(sys.prefix)) -> Installer:
    """Return what installed this package, by the files that pipx and uv leave in its environment."""
    if (prefix / "pipx_metadata.json").exists():
        return "pipx"
    if (prefix / "uv-receipt.toml").exists():
        return "uv tool"
    return "pip" if find_spec("pip") is not None else "uv pip"
