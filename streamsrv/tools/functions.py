"""Runs Python functions of the operator as tools."""

import asyncio
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from streamsrv.tool_settings import ToolServerSettings
from streamsrv.tools.base import ToolDescription, ToolFailed
from streamsrv.tools.results import bounded, checked_list, text_of

GROUP = "streamsrv.tools"
"""The group of entry points in which packages offer functions."""
MAX_THREADS = 8
"""Functions without `async` that run at once, for one server."""


@dataclass(frozen=True, slots=True)
class _Function:
    run: Callable[..., Any]
    arguments: type[BaseModel]
    description: ToolDescription


class FunctionServer:
    """Offers Python functions: their names, docstrings and annotated parameters are what the model sees.

    They run in this process: `async` ones on the event loop, which they must not hold up, others on threads. Raises
    `ToolFailed` if a function cannot be imported, or a parameter has no JSON schema.
    """

    def __init__(self, settings: ToolServerSettings) -> None:
        self.label = settings.label
        self._timeout_s = settings.timeout_s
        functions = [_function(settings.label, name) for name in settings.functions]
        allowed = checked_list(self.label, [found.description for found in functions], settings.allowed_tools)
        names = {tool.name for tool in allowed}
        self._functions = {f.description.name: f for f in functions if f.description.name in names}
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix=f"tool-{settings.label}")
        self._running = 0

    async def list_tools(self) -> Sequence[ToolDescription]:
        return [function.description for function in self._functions.values()]

    async def call(self, name: str, arguments: Mapping[str, Any]) -> str:
        function = self._functions.get(name)
        if function is None:
            raise ToolFailed(f"The tool server '{self.label}' has no tool '{name}'.")
        try:
            given = function.arguments.model_validate(dict(arguments))
        except ValidationError as error:
            raise ToolFailed(_wrong_arguments(error)) from None
        values = {field: getattr(given, field) for field in given.model_fields_set}
        try:
            async with asyncio.timeout(self._timeout_s):
                return bounded(text_of(await self._run(function.run, values)))
        except TimeoutError:
            raise ToolFailed(f"The tool '{name}' did not finish within {self._timeout_s:g} s.") from None
        except ToolFailed:
            raise
        except (SystemExit, KeyboardInterrupt, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and (task is None or task.cancelling()):
                raise  # the caller has ended the call, not the function
            raise ToolFailed(f"The tool '{name}' gave up: {type(error).__name__}.") from error
        except Exception as error:
            raise ToolFailed(f"{type(error).__name__}: {bounded(str(error), 1000)}") from error

    async def aclose(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, run: Callable[..., Any], values: dict[str, Any]) -> Any:
        if inspect.iscoroutinefunction(run):
            return await run(**values)
        if self._running >= MAX_THREADS:  # also those whose time is over, because a thread cannot be stopped
            raise ToolFailed(f"The tool server '{self.label}' is busy: {MAX_THREADS} of its functions still run.")
        self._running += 1
        running = self._threads.submit(run, **values)
        loop = asyncio.get_running_loop()
        running.add_done_callback(lambda _: _tell(loop, self._end))
        return await asyncio.wrap_future(running)

    def _end(self) -> None:
        self._running -= 1


def _tell(loop: asyncio.AbstractEventLoop, what: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(what)


def _function(label: str, name: str) -> _Function:
    run = _load(label, name)
    try:
        hints = get_type_hints(run, include_extras=True)
        fields: dict[str, Any] = {}
        for parameter in inspect.signature(run).parameters.values():
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise ToolFailed(f"Tool server '{label}': {name}: the parameter {parameter} cannot be given by name.")
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[parameter.name] = (hints.get(parameter.name, Any), default)
        arguments = create_model(f"{run.__name__}_arguments", __config__=ConfigDict(extra="forbid"), **fields)
        schema = arguments.model_json_schema()
    except ToolFailed:
        raise
    except Exception as error:
        raise ToolFailed(f"Tool server '{label}': {name} cannot be a tool: {error}") from error
    schema.pop("title", None)
    return _Function(run, arguments, ToolDescription(run.__name__, inspect.getdoc(run) or "", schema))


def _load(label: str, name: str) -> Callable[..., Any]:
    module, colon, attribute = name.partition(":")
    try:
        if colon:
            found: Any = importlib.import_module(module)
            for part in attribute.split("."):
                found = getattr(found, part)
        else:
            points = entry_points(group=GROUP, name=name)
            if not points:
                raise ToolFailed(
                    f"Tool server '{label}': no installed package has an entry point '{name}' in the group '{GROUP}'; "
                    "a function of a module is named 'package.module:function'."
                )
            found = next(iter(points)).load()
    except ToolFailed:
        raise
    except (Exception, SystemExit) as error:
        raise ToolFailed(f"Tool server '{label}': {name} cannot be imported: {error}") from error
    if not inspect.isroutine(found):
        raise ToolFailed(f"Tool server '{label}': {name} is no function.")
    return found


def _wrong_arguments(error: ValidationError) -> str:
    wrong = [
        f"{'.'.join(map(str, detail['loc'])) or 'arguments'}: {detail['msg']}"
        for detail in error.errors(include_url=False, include_context=False)
    ]
    return bounded(f"The arguments do not fit: {'; '.join(wrong)}.", 1000)
