"""The structure of the package, read from its import statements: who may import whom, and which packages are pure."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import streamsrv

ROOT = Path(streamsrv.__file__).parent

LAYERS = (
    ("__main__",),
    ("cli",),
    ("testing",),
    ("calling",),
    ("conformance",),
    ("server", "reload"),
    ("app",),
    ("http",),
    ("transports",),
    ("service",),
    ("server_capabilities",),
    ("access",),
    ("runtime",),
    ("voices",),
    ("core",),
    ("ledger",),
    ("observability",),
    ("captions",),
    ("configuration",),
    ("tools",),
    ("engines",),
    ("media", "sip"),
    ("processes",),
    ("text",),
    ("contracts",),
    ("inference",),
    ("audio",),
    ("protocol",),
    ("logging",),
    ("errors", "ids", "settings", "signals", "supervisor", "telemetry", "token_bucket"),
    ("phone_settings", "webrtc_settings"),
    ("phone_provider_settings",),
    ("sip_settings",),
    (
        "tool_settings",
        "setting_values",
    ),
    ("web_addresses",),
)
"""From top to bottom: a module imports what is below its own layer, or of its own package."""

NARROWER = {
    "core": {"core", "protocol", "text", "contracts", "errors", "token_bucket", "web_addresses"},
    "protocol": {"protocol"},
    "text": {"text", "contracts"},
    "contracts": {"contracts", "inference", "errors", "audio"},
    "media": {"media", "processes", "audio", "token_bucket", "errors"},
    "sip": {"sip", "processes", "audio", "signals"},
    "conformance": {"conformance", "audio"},
    "calling": {"calling", "conformance", "audio", "protocol"},
}
"""What some layers may import, where that is less than all that is below them."""

MEDIA_SEEN_BY_THE_SERVER = {"streamsrv.media.messages"}
"""What the server's process may import of the media process, which has aiortc in it."""

PURE = ("core", "protocol", "text", "web_addresses.py", "tools/base.py", "tools/results.py", "captions/room.py",
        "calling/peers", "calling/playback.py", "calling/script.py", "conformance/order.py", "inference/load.py",
        "token_bucket.py",
        "access/admission.py", "access/budget.py", "access/client_secrets.py", "access/principal.py",
        "engines/llm/messages_api/conversation.py", "engines/llm/messages_api/events.py",
        "engines/llm/messages_api/request.py",
        "audio/dtmf.py", "audio/speech_gain.py", "audio/tones.py",
        "access/refusal.py",
        "transports/telephony/application/incoming_event.py", "transports/telephony/application/pending_call.py",
        "transports/telephony/agent.py", "transports/telephony/codec.py",
        "transports/telephony/line.py", "transports/telephony/agents.py", "transports/telephony/tokens.py",
        "transports/telephony/codecs", "transports/telephony/arrival_rate.py", "transports/telephony/callee_tones.py",
        "transports/telephony/caller_audio.py",
        "audio/jitter_buffer.py",
        "media/answer.py", "media/offer.py", "media/playout.py",
        "transports/telephony/playback.py", "transports/telephony/playback_item.py",
        "transports/telephony/providers/answers.py", "transports/telephony/providers/signatures.py",
        "transports/telephony/providers/webhook.py", "transports/telephony/providers/reports.py",
        "transports/telephony/masking.py", "transports/telephony/providers/rest_requests.py",
        "media/session_description.py", "media/transport_attributes.py", "processes/back_off.py",
        "processes/environment.py", "sip/addresses.py", "sip/playout.py",
        "configuration/words.py", "engines/llm/llama/slots.py", "engines/llm/chat_completions/chunks.py",
        "engines/llm/context/answerable.py",
        "engines/llm/context/tokens.py", "engines/llm/context/truncation.py", "engines/llm/context/turns.py",
        "engines/llm/chat_completions/messages.py", "engines/llm/chat_completions/thinking.py",
        "engines/llm/chat_completions/served_models.py", "engines/llm/wire_values.py",
        "engines/breaker.py", "engines/metering/base.py", "engines/metering/chat_request.py",
        "engines/llm/failover/continuation.py", "engines/llm/routing", "runtime/costing.py",
        "engines/asr/failover/deadlines.py", "engines/asr/failover/merging.py",
        "engines/tts/failover/voice_choice.py", "engines/tts/failover/spoken_part.py", "engines/tts/shaping/guards.py",
        "engines/asr/failover/kept_audio.py", "engines/tts/espeak_ng/varieties.py",
        "engines/tts/hibari_voice/phonemes.py", "engines/tts/sentences.py", "engines/tts/speech_api/voice_list.py",
        "engines/tts/xtts_model/frames.py", "engines/tts/xtts_model/pieces.py", "engines/tts/xtts_model/windows.py",
        "engines/tts/chattts_model/facts.py", "engines/tts/chattts_model/seams.py",
        "engines/tts/chattts_model/text.py")  # fmt: skip

IMPURE_MODULES = frozenset(
    "aiortc anyio asyncio av concurrent ctypes datetime http httpx io logging multiprocessing os pathlib random "
    "secrets select selectors shutil signal socket ssl starlette subprocess tempfile threading time urllib.request "
    "uuid uvicorn websockets".split()
)
"""Modules for I/O, threads, clocks and randomness."""


def modules() -> dict[str, Path]:
    found = {
        ".".join(("streamsrv", *path.relative_to(ROOT).with_suffix("").parts)): path for path in ROOT.rglob("*.py")
    }
    return {name.removesuffix(".__init__"): path for name, path in found.items()}


MODULES = modules()


def imports(path: Path) -> Iterator[str]:
    """The names of all modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{path}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


def layer(module: str) -> str | None:
    """The layer of a module of ours; None: of the package itself, which everybody may import."""
    parts = module.split(".")[1:]
    if not parts:
        return None
    if parts[0] == "observability":  # the log of helper processes, too, which know nothing of the engines
        return "logging" if parts[1:] in ([], ["logging"]) else "observability"
    return "contracts" if parts[0] in ("engines", "tools") and parts[-1] == "base" else parts[0]


def depth(name: str) -> int:
    return next(index for index, names in enumerate(LAYERS) if name in names)


def test_every_module_has_a_layer() -> None:
    known = {name for names in LAYERS for name in names}
    assert {name for module in MODULES if (name := layer(module)) is not None} - known == set()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_downwards(module: str) -> None:
    own = layer(module)
    wrong: list[str] = []
    for imported in imports(MODULES[module]):
        other = layer(imported) if imported.partition(".")[0] == "streamsrv" else None
        if own is None or other is None or other == own:
            continue
        allowed = other in NARROWER[own] if own in NARROWER else depth(other) > depth(own)
        if not allowed:
            wrong.append(imported)
    assert wrong == []


def test_the_server_sees_only_the_messages_of_the_media_process() -> None:
    seen = {
        (module, imported)
        for module, path in MODULES.items()
        for imported in imports(path)
        if layer(imported) == "media" and imported.startswith("streamsrv.") and layer(module) != "media"
    }
    assert {(module, imported) for module, imported in seen if imported not in MEDIA_SEEN_BY_THE_SERVER} == set()


def test_the_server_runs_where_aiortc_cannot_be_imported() -> None:
    """`None` in `sys.modules` makes an import fail, wherever it stands."""
    code = """
import importlib, pkgutil, sys
sys.modules.update(dict.fromkeys(["aiortc", "aioice", "pylibsrtp"]))
for package in ("app", "server", "cli.serve", "http", "transports", "processes", "service", "media.messages"):
    module = importlib.import_module(f"streamsrv.{package}")
    for found in pkgutil.walk_packages(getattr(module, "__path__", []), module.__name__ + "."):
        importlib.import_module(found.name)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def pure_files() -> list[Path]:
    return sorted(
        path for name in PURE for path in ([ROOT / name] if name.endswith(".py") else (ROOT / name).rglob("*.py"))
    )


@pytest.mark.parametrize("path", pure_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_pure_modules_import_nothing_impure(path: Path) -> None:
    found = {name for name in imports(path) if name in IMPURE_MODULES or name.partition(".")[0] in IMPURE_MODULES}
    assert found == set()


def test_a_breach_is_noticed(tmp_path: Path) -> None:
    """The test of the tests above: an import inside a function, of a module by its package, counts."""
    path = tmp_path / "breach.py"
    path.write_text("def f():\n    from streamsrv.runtime import driver\n    import os.path\n")
    assert list(imports(path)) == ["streamsrv.runtime.driver", "os.path"]
