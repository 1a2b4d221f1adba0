"""Mistakes in the files of a deployment that show before anything is built: names, order, ports, hardening."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from dockerfile import Dockerfile, Stage, assignments, is_sent, read
from streamsrv.cli import app
from streamsrv.settings import Settings

PROJECT = Path(__file__).resolve().parents[2]
PREFIX = "STREAMSRV_"
NOT_SETTINGS = {"STREAMSRV_CONFIG"}
"""Variables that name a file or what Compose builds, and set nothing."""


@pytest.fixture(scope="module")
def image() -> Dockerfile:
    return read((PROJECT / "Dockerfile").read_text())


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((PROJECT / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def metadata() -> dict[str, Any]:
    return tomllib.loads((PROJECT / "pyproject.toml").read_text())


def copied(stage: Stage) -> list[str]:
    """The paths of the project that a stage copies."""
    copies = [instruction for instruction in stage.find("COPY") if "from" not in instruction.flags]
    return [source for instruction in copies for source in instruction.words[:-1]]


def settings_named(names: list[str]) -> set[str]:
    return {name.removeprefix(PREFIX).lower() for name in names if name.startswith(PREFIX)}


def test_no_dependency_is_installed_after_the_source(image: Dockerfile):
    has_source: dict[str, bool] = {}
    for stage in image.stages:
        seen = has_source.get(stage.base, False)
        for instruction in stage.instructions:
            if instruction.name == "COPY" and ({"streamsrv", "/dist"} & set(instruction.words)):
                seen = True
            installs = instruction.name == "RUN" and "install" in instruction.value
            assert not (installs and seen and "--no-deps" not in instruction.value), instruction.value
        has_source[stage.name] = seen
    assert any(has_source.values())


def test_what_the_wheel_is_made_of_is_copied_and_sent_to_the_builder(image: Dockerfile, metadata: dict[str, Any]):
    sources = [source for stage in image.stages for source in copied(stage)]
    wheel = metadata["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = [*wheel["packages"], *wheel["force-include"], metadata["project"]["readme"], "LICENSE", "pyproject.toml"]
    ignore = (PROJECT / ".dockerignore").read_text()
    for path in needed:
        assert any(path == source or path.startswith(f"{source}/") for source in sources), f"{path} is not copied"
    for path in [*sources, "streamsrv/settings.py", "web/lib/index.js"]:
        assert is_sent(path, ignore), f"{path} is not sent"


@pytest.mark.parametrize(
    "path", [".env", ".git/config", ".venv/bin/python", "streamsrv.toml", "web/node_modules/x/y.js"]
)
def test_secrets_and_ballast_are_not_sent_to_the_builder(path: str):
    assert not is_sent(path, (PROJECT / ".dockerignore").read_text())


def test_the_extras_of_the_image_exist(image: Dockerfile, metadata: dict[str, Any]):
    (extras,) = [
        assignments(instruction)["EXTRAS"]
        for stage in image.stages
        for instruction in stage.find("ARG")
        if "EXTRAS" in instruction.value
    ]
    assert set(extras.split()) <= set(metadata["project"]["optional-dependencies"])


def test_commands_of_the_image_and_the_unit_exist(image: Dockerfile):
    commands = get_command(app).commands  # type: ignore[attr-defined]
    last = image.stages[-1]
    health = last.find("HEALTHCHECK")[0].value.removeprefix("CMD ")
    unit = (PROJECT / "deploy/streamsrv.service").read_text()
    assert last.find("CMD")[0].words == ["streamsrv", "serve"]
    assert health == '["streamsrv", "healthcheck"]'
    assert "/bin/streamsrv serve\n" in unit
    assert {"serve", "healthcheck", "pull", "doctor"} <= set(commands)


def test_the_server_in_the_image_is_not_root(image: Dockerfile):
    uid, _, gid = image.stages[-1].find("USER")[-1].value.partition(":")
    assert int(uid) > 0, "a number, so that Kubernetes can check it"
    assert int(gid) > 0


def test_ports_of_the_image_are_those_that_it_exposes_and_that_compose_publishes(
    image: Dockerfile, compose: dict[str, Any]
):
    last = image.stages[-1]
    env = {name: value for instruction in last.find("ENV") for name, value in assignments(instruction).items()}
    port, media = env["STREAMSRV_PORT"], env["STREAMSRV_WEBRTC_PORTS"]
    assert last.find("EXPOSE")[0].words == [f"{port}/tcp", f"{media}/udp"]
    server, proxy = compose["services"]["streamsrv"], compose["services"]["caddy"]
    assert server["environment"]["STREAMSRV_WEBRTC_PORTS"] == media
    assert server["ports"] == [f"{media}:{media}/udp"], "the proxy alone reaches the TCP port"
    assert proxy["environment"]["UPSTREAM"] == f"streamsrv:{port}"


def test_variables_of_the_files_are_settings(image: Dockerfile, compose: dict[str, Any]):
    names = [name for stage in image.stages for each in stage.find("ENV") for name in assignments(each)]
    names += compose["services"]["streamsrv"]["environment"]
    unit = (PROJECT / "deploy/streamsrv.service").read_text().splitlines()
    names += [line.split("=")[1] for line in unit if line.startswith("Environment=")]
    example = (PROJECT / "deploy/env.example").read_text().splitlines()
    names += [line.lstrip("# ").partition("=")[0] for line in example if "=" in line]
    used = settings_named([name for name in names if name not in NOT_SETTINGS])
    assert used <= set(Settings.model_fields), used - set(Settings.model_fields)
    assert {"api_keys", "webrtc_ports", "model_folder"} <= used


def test_services_of_compose_are_hardened(compose: dict[str, Any]):
    for name, service in compose["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["restart"] == "unless-stopped", name


def test_files_that_compose_mounts_exist(compose: dict[str, Any]):
    mounts = [mount for service in compose["services"].values() for mount in service.get("volumes", [])]
    files = [source for source in (mount.partition(":")[0] for mount in mounts) if source.startswith(".")]
    assert files
    for source in files:
        assert (PROJECT / source).exists(), source


def has_compose() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not has_compose(), reason="docker compose is not installed")
@pytest.mark.parametrize("profile", ["", "monitoring"])
def test_docker_compose_accepts_the_file(tmp_path: Path, profile: str):
    (tmp_path / "compose.yaml").write_text((PROJECT / "compose.yaml").read_text())
    (tmp_path / ".env").write_text((PROJECT / "deploy/env.example").read_text())
    command = ["docker", "compose", "--project-directory", str(tmp_path), "--profile", profile, "config", "--quiet"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that exists here in place of the installed one, and a user that exists."""
    text = (PROJECT / "deploy/streamsrv.service").read_text()
    text = text.replace("/opt/streamsrv/current/bin/streamsrv", sys.executable)
    for name in ("User", "Group"):
        text = text.replace(f"{name}=streamsrv", f"{name}=root")
    path = tmp_path / "streamsrv.service"
    path.write_text(text)
    return path


SYSTEMD = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", "--no-pager", *map(str, arguments)]
    env = {**os.environ, "SYSTEMD_COLORS": "0"}
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


@SYSTEMD
def test_systemd_knows_every_line_of_the_unit(unit: Path):
    result = analyze("verify", "--man=no", unit)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


@SYSTEMD
def test_the_unit_is_hardened(unit: Path):
    result = analyze("security", "--offline=true", "--threshold=20", unit)  # 2.0 of 10
    assert result.returncode == 0, result.stdout + result.stderr
