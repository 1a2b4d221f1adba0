"""The metrics as Prometheus reads them, and the files of deploy/ and docs/ that name them."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from rest import ask, post_json
from serving import RunningServer, serving
from streamsrv.engines.llm.failover.chat_model import FallbackChatModel
from streamsrv.engines.observer import Stage
from streamsrv.errors import Unavailable
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines
from wire import quiet, tone, wire

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/alerts.yml"
DASHBOARD = ROOT / "deploy/grafana/dashboards/streamsrv.json"
KEY = {"Authorization": "Bearer key"}


def text(server: RunningServer) -> str:
    return get(server, "/metrics")


def get(server: RunningServer, path: str) -> str:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", path, headers=KEY)
    found = connection.getresponse().read().decode()
    connection.close()
    return found


def families(exposed: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(exposed)}


def sample(exposed: str, name: str, **labels: str) -> float | None:
    """The value of a series; None: it does not exist."""
    for family in families(exposed).values():
        for found in family.samples:
            if found.name == name and labels.items() <= found.labels.items():
                return found.value
    return None


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    chat = FallbackChatModel([ScriptedChatModel(name="provider"), ScriptedChatModel(name="stand-in")])
    with serving(fake_engines(chat), api_keys="key") as running:
        yield running


def test_labelled_series_exist_before_the_first_event(server: RunningServer):
    exposed = text(server)
    for name, labels in {
        "streamsrv_sessions_opened_total": {"transport": "webrtc"},
        "streamsrv_sessions_ended_total": {"transport": "websocket", "reason": "internal_error"},
        "streamsrv_refusals_total": {"reason": "load"},
        "streamsrv_model_failures_total": {"stage": "chat", "model": "stand-in", "reason": "unauthorized"},
        "streamsrv_model_requests_total": {"stage": "synthesizer", "model": "tone"},
        "streamsrv_fallbacks_total": {"stage": "chat", "from": "provider", "to": "stand-in"},
        "streamsrv_breaker_open": {"stage": "chat", "model": "stand-in"},
        "streamsrv_tokens_total": {"model": "provider", "direction": "cached"},
        "streamsrv_turn_stage_seconds_count": {"stage": "first_played"},
        "streamsrv_jobs_shed_total": {"priority": "speech"},
        "streamsrv_audio_recognized_seconds_total": {"model": "scripted-recognizer"},
        "streamsrv_http_requests_total": {"route": "/v1/audio/speech", "method": "POST", "status": "200"},
    }.items():
        assert sample(exposed, name, **labels) == 0, (name, labels)


def test_the_format_is_what_prometheus_expects(server: RunningServer):
    exposed = text(server)
    found = families(exposed)
    assert not [name for name in found if name.endswith("_created")]
    assert all(family.documentation for family in found.values())
    assert {"process_cpu_seconds", "process_open_fds", "python_gc_collections"} <= set(found)
    info = found["streamsrv_build_info"].samples[0]
    assert info.value == 1
    assert set(info.labels) == {"version", "python"}
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    done = subprocess.run([promtool, "check", "metrics"], input=exposed, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("stage", "name"), [("recognizer", "scripted-recognizer"), ("synthesizer", "tone")])
def test_a_model_that_is_left_out_is_shown_without_its_providers_words(stage: Stage, name: str):
    engines = fake_engines()
    breaker = engines.breakers.of(stage, name)
    with serving(engines) as server:
        assert json.loads(get(server, "/readyz"))["problems"] == []
        breaker.begin(0).failed(Unavailable("sk-1 is no key", refuses_key=True), engines.breakers.clock())
        ready = json.loads(get(server, "/readyz"))
        assert (ready["status"], ready["problems"]) == ("ready", [f"{name} refuses its key."])
        assert sample(text(server), "streamsrv_breaker_open", stage=stage, model=name) == 1


async def test_a_conversation_is_counted():
    chat = FallbackChatModel([ScriptedChatModel(Unavailable("down"), name="provider"), ScriptedChatModel(name="other")])
    with serving(fake_engines(chat), api_keys="key") as server:
        async with wire(f"{server.realtime_url}?model=unheard-of", additional_headers=KEY) as client:
            await client.append(tone(1000) + quiet(1000))
            await client.until("response.done")
            await client.append(quiet(1500) + tone(2000))  # a turn of its own, while the answer is played
            await client.until("input_audio_buffer.speech_started")
        await server.without_sessions()
        exposed = await asyncio.to_thread(text, server)
    assert sample(exposed, "streamsrv_sessions_opened_total", transport="websocket") == 1
    assert sample(exposed, "streamsrv_sessions_ended_total", transport="websocket", reason="client_left") == 1
    assert sample(exposed, "streamsrv_session_duration_seconds_count", transport="websocket") == 1
    assert sample(exposed, "streamsrv_responses_total", status="completed") == 1
    assert sample(exposed, "streamsrv_interruptions_total") == 1
    assert sample(exposed, "streamsrv_model_failures_total", stage="chat", model="provider", reason="unavailable") == 1
    assert sample(exposed, "streamsrv_fallbacks_total", stage="chat", **{"from": "provider"}, to="other") == 1
    assert sample(exposed, "streamsrv_tokens_total", model="other", direction="input") == 10
    assert sample(exposed, "streamsrv_tokens_total", model="other", direction="output") == 2
    assert sample(exposed, "streamsrv_model_requests_total", stage="chat", model="other") == 1
    assert (sample(exposed, "streamsrv_audio_recognized_seconds_total", model="scripted-recognizer") or 0) > 1
    assert (sample(exposed, "streamsrv_audio_synthesized_seconds_total", model="tone") or 0) > 0.5
    assert "unheard-of" not in exposed


async def test_refusals_are_counted_by_reason():
    with serving(fake_engines(), api_keys="key", max_sessions=1, max_sessions_per_key=1) as server:
        assert (await ask(server, "GET", "/models")).status == 401
        assert (await ask(server, "GET", "/models", headers={**KEY, "Origin": "http://x"})).status == 200
        assert (await post_json(server, "/audio/speech", {"input": ""}, KEY)).status == 400
        async with wire(server.realtime_url, additional_headers=KEY):
            for headers in (KEY, {}):
                with pytest.raises(InvalidStatus):
                    async with connect(server.realtime_url, additional_headers=headers):
                        pass
        exposed = await asyncio.to_thread(text, server)
    refusals = {s.labels["reason"]: s.value for s in families(exposed)["streamsrv_refusals"].samples if s.value}
    assert refusals == {"unauthorized": 2, "invalid": 1, "full": 1}
    assert sample(exposed, "streamsrv_sessions_refused_total") == 1


async def test_requests_are_counted_by_route_and_never_by_path(server: RunningServer):
    before = sample(text(server), "streamsrv_http_requests_total", route="/v1/models/{name}", status="404") or 0
    for path in ("/models/made-up-1", "/models/made-up-2"):
        assert (await ask(server, "GET", path, headers=KEY)).status == 404
    assert (await ask(server, "made-up-method", "/no-such-path", headers=KEY)).status in (404, 405)
    exposed = await asyncio.to_thread(text, server)
    routes = {s.labels["route"] for s in families(exposed)["streamsrv_http_requests"].samples}
    assert "made-up" not in exposed
    assert "no-such-path" not in exposed
    route = next(route for route in routes if route.startswith("/v1/models/{name"))
    assert (sample(exposed, "streamsrv_http_requests_total", route=route, status="404") or 0) >= before + 2


def names(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:streamsrv|process|python)_[a-z_]+", expression))


def expressions(value: Any) -> Iterator[str]:
    """The PromQL of a dashboard."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("expr", "query") and isinstance(inner, str):
                yield inner
            else:
                yield from expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from expressions(inner)


def test_every_metric_of_the_dashboard_and_the_alerts_exists(server: RunningServer):
    exposed = text(server)
    samples = {s.name for family in families(exposed).values() for s in family.samples}
    dashboard = "\n".join(expressions(json.loads(DASHBOARD.read_text())))
    rules = "\n".join(re.findall(r"expr: (.*(?:\n {10}.*)*)", RULES.read_text()))
    for used in (names(dashboard), names(rules)):
        assert len(used) >= 10
        assert used - samples == set()


def test_the_alert_rules_are_valid():
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    done = subprocess.run([promtool, "check", "rules", str(RULES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_document_names_every_metric_with_its_labels(server: RunningServer):
    table = re.findall(r"^\| `(streamsrv_\w+)` \|(.*?)\|", (ROOT / "docs/observability.md").read_text(), re.MULTILINE)
    written = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in table}
    exposed = {
        f"{family.name}_total" if family.type == "counter" else family.name: {
            label for s in family.samples for label in s.labels if label != "le"
        }
        for family in families(text(server)).values()
        if family.name.startswith("streamsrv_")
    }
    assert written == exposed
