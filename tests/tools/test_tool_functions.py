"""Python functions as tools."""

import asyncio
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamsrv.tool_settings import ToolServerSettings
from streamsrv.tools.base import ToolFailed
from streamsrv.tools.functions import MAX_THREADS, FunctionServer
from streamsrv.tools.servers import ToolServers

CODE = '''
import asyncio, sys, threading
from typing import Annotated, Literal
from pydantic import Field

release = threading.Event()

async def weather(city: str, unit: Literal["C", "F"] = "C") -> dict:
    """The weather of a city."""
    return {"city": city, "unit": unit, "sky": "snow"}

def double(number: Annotated[int, Field(ge=0, description="what to double")]) -> int:
    return 2 * number

def fails() -> str:
    raise RuntimeError("the sensor is away")

def leaves() -> None:
    sys.exit(3)

async def leaves_at_once() -> None:
    sys.exit(3)

async def cancels() -> None:
    raise asyncio.CancelledError

async def slow() -> str:
    await asyncio.sleep(60)

def hangs() -> None:
    release.wait()

def any_number(*numbers: int) -> int:
    return sum(numbers)

not_a_function = 3
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    (tmp_path / "home_tools.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("home_tools", None)
    import home_tools  # type: ignore[import-not-found]

    yield home_tools
    home_tools.release.set()
    sys.modules.pop("home_tools", None)


def served(*names: str, **settings: Any) -> FunctionServer:
    functions = tuple(f"home_tools:{name}" for name in names)
    return FunctionServer(ToolServerSettings.model_validate({"label": "home", "functions": functions, **settings}))


async def test_the_model_sees_names_docstrings_and_parameters(module: Any):
    server = served("weather", "double")
    weather, double = await server.list_tools()
    assert (weather.name, weather.description) == ("weather", "The weather of a city.")
    assert weather.input_schema["required"] == ["city"]
    assert weather.input_schema["properties"]["unit"]["enum"] == ["C", "F"]
    assert double.input_schema["properties"]["number"]["description"] == "what to double"
    assert await server.call("weather", {"city": "Oslo"}) == '{"city": "Oslo", "unit": "C", "sky": "snow"}'
    assert await server.call("double", {"number": 4}) == "8"
    await server.aclose()


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("weather", {}, "city: Field required"),
        ("weather", {"city": "Oslo", "planet": "Mars"}, "planet: Extra inputs are not permitted"),
        ("double", {"number": -1}, "greater than or equal to 0"),
        ("fails", {}, "RuntimeError: the sensor is away"),
        ("leaves", {}, "The tool 'leaves' gave up: SystemExit."),
        ("leaves_at_once", {}, "The tool 'leaves_at_once' gave up: SystemExit."),
        ("cancels", {}, "The tool 'cancels' gave up: CancelledError."),
        ("nothing", {}, "has no tool 'nothing'"),
    ],
)
async def test_what_is_wrong_is_told_to_the_model(module: Any, name: str, arguments: dict[str, Any], says: str):
    server = served("weather", "double", "fails", "leaves", "leaves_at_once", "cancels")
    with pytest.raises(ToolFailed, match=says):
        await server.call(name, arguments)
    await server.aclose()


async def test_functions_that_are_late_fail_and_fill_no_more_than_their_threads(module: Any):
    server = served("slow", "hangs", "double", timeout_s=0.05)
    with pytest.raises(ToolFailed, match=r"did not finish within 0.05 s"):
        await server.call("slow", {})
    late = await asyncio.gather(*(server.call("hangs", {}) for _ in range(MAX_THREADS)), return_exceptions=True)
    assert all("did not finish" in str(error) for error in late)
    with pytest.raises(ToolFailed, match="busy"):
        await server.call("double", {"number": 1})
    module.release.set()
    while sum(thread.name.startswith("tool-home") for thread in threading.enumerate()) and server._running:
        await asyncio.sleep(0)
    server._timeout_s = 30
    assert await server.call("double", {"number": 1}) == "2"
    await server.aclose()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("home_tools:nowhere", "cannot be imported"),
        ("no_such_module:f", "cannot be imported"),
        ("home_tools:not_a_function", "is no function"),
        ("home_tools:any_number", "cannot be given by name"),
        ("weather", "entry point 'weather' in the group 'streamsrv.tools'"),
    ],
)
async def test_a_function_that_cannot_be_used_is_named(module: Any, name: str, says: str):
    servers = ToolServers([ToolServerSettings.model_validate({"label": "home", "functions": (name,)})])
    found = (await servers.survey())["home"]
    assert isinstance(found, ToolFailed)
    assert says in str(found)
    assert name in str(found)


async def test_an_installed_package_offers_functions_by_an_entry_point(
    module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    info = tmp_path / "home_tools-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: home-tools\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[streamsrv.tools]\nforecast = home_tools:weather\n")
    server = FunctionServer(ToolServerSettings.model_validate({"label": "home", "functions": ("forecast",)}))
    assert [tool.name for tool in await server.list_tools()] == ["weather"]
    await server.aclose()
