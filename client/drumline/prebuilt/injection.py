"""Which parameters of a tool are injected, and with what.

LangGraph's own markers count too (a tool that was written for it keeps working): classes are known by name and package,
so LangGraph is never imported here.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, cast, get_args, get_origin

from langchain_core.messages import ToolCall
from langchain_core.tools import BaseTool, InjectedToolArg
from langchain_core.tools.base import get_all_basemodel_annotations

from drumline.prebuilt.tool_runtime import ToolRuntime

_PACKAGES = ("drumline", "langgraph")


@dataclass(slots=True)
class Injections:
    """Injected parameters of one tool.

    `state` maps parameters to the key of the state that they get (None: all of it); those in `optional` have a default
    of their own. `runtime_class` is the class that annotates `runtime`. `hidden` are all parameters that the model must
    not fill, those that LangChain injects among them.
    """

    state: dict[str, str | None] = field(default_factory=dict)
    optional: set[str] = field(default_factory=set)
    store: str | None = None
    runtime: str | None = None
    runtime_class: type[Any] = ToolRuntime
    hidden: set[str] = field(default_factory=set)

    @property
    def names(self) -> set[str]:
        """Parameters that `inject` fills."""
        return {*self.state, *(name for name in (self.store, self.runtime) if name is not None)}


def injections_of(tool: BaseTool) -> Injections:
    """Read the annotations of a tool: of its arguments' schema, and of its function.

    Raises ValueError for a parameter that is marked twice.
    """
    schema = tool.get_input_schema()
    function = getattr(tool, "func", None) or getattr(tool, "coroutine", None)
    annotations = {**_hints(function), **get_all_basemodel_annotations(schema)}
    found = Injections()
    for name, annotation in annotations.items():
        parts = list(_parts(annotation))
        runtime = _marker(parts, "ToolRuntime", name, tool)
        if any(map(_is_hidden, parts)):
            found.hidden.add(name)
        if runtime is not None or name == "runtime":
            found.runtime = name
        if runtime is not None:
            found.runtime_class = _class_of(runtime)
            found.hidden.add(name)
        state = _marker(parts, "InjectedState", name, tool)
        if state is not None:
            found.state[name] = None if isinstance(state, type) else state.field or None
            declared = getattr(schema, "model_fields", {}).get(name)
            if found.state[name] and declared is not None and not declared.is_required():
                found.optional.add(name)
        if _marker(parts, "InjectedStore", name, tool) is not None:
            found.store = name
    return found


def _hints(function: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True) if function is not None else {}
    except (NameError, TypeError):  # a name only known while type checking, a partial: the schema is there still
        return {}


def _parts(annotation: Any) -> Iterator[Any]:
    """An annotation and all that it is made of: metadata of Annotated, members of unions, type arguments."""
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


def _class_of(part: Any) -> type[Any]:
    """The class of a marker, which may be given as class (also with type arguments) or as instance."""
    if isinstance(part, type):
        return part
    origin = get_origin(part)
    return origin if isinstance(origin, type) else type(part)


def _marker(parts: list[Any], kind: str, name: str, tool: BaseTool) -> Any:
    """The marker `kind` among the parts of an annotation, or None."""
    found = [part for part in parts if _is_marker(part, kind)]
    if len(found) > 1:
        raise ValueError(f"Parameter {name!r} of tool {tool.name!r} is marked more than once as {kind}: {found}.")
    return found[0] if found else None


def _is_marker(part: Any, kind: str) -> bool:
    bases = getattr(_class_of(part), "__mro__", ())
    return any(base.__name__ == kind and base.__module__.partition(".")[0] in _PACKAGES for base in bases)


def _is_hidden(part: Any) -> bool:
    return InjectedToolArg in getattr(_class_of(part), "__mro__", ())


def inject(call: ToolCall, runtime: ToolRuntime[Any, Any], injections: Injections, messages_key: str) -> ToolCall:
    """The call with injected arguments in place of whatever the model said for them.

    Raises KeyError or AttributeError for a key that the state lacks, ValueError for a store or state that is not there.
    """
    values = _state_values(call, runtime.state, injections, messages_key) if injections.state else {}
    if injections.store is not None:
        if runtime.store is None:
            raise ValueError(
                f"Tool {call['name']!r} wants a store (InjectedStore), and the graph has none: "
                "compile it with a store, or take the parameter out."
            )
        values[injections.store] = runtime.store
    if injections.runtime is not None:
        values[injections.runtime] = _runtime_as(injections.runtime_class, runtime)
    given = {name: value for name, value in call["args"].items() if name not in injections.hidden}
    return cast("ToolCall", {**call, "args": {**given, **values}})


def _runtime_as(cls: type[Any], runtime: ToolRuntime[Any, Any]) -> Any:
    """The runtime as the class that the tool named: arguments are validated, and LangGraph's class is another one."""
    if isinstance(runtime, cls):
        return runtime
    known = {item.name for item in fields(cls)}
    return cls(**{item.name: getattr(runtime, item.name) for item in fields(runtime) if item.name in known})


def _state_values(call: ToolCall, state: Any, injections: Injections, messages_key: str) -> dict[str, Any]:
    if state is None:
        raise ValueError(
            f"Tool {call['name']!r} wants the graph's state, and a bare list of tool calls carries none. Send "
            '{"__type": "tool_call_with_context", "tool_call": call, "state": state} to the tool node.'
        )
    if isinstance(state, list):
        if not set(injections.state.values()) <= {messages_key, None}:
            wanted = ", ".join(repr(key) for key in injections.state.values() if key)
            raise ValueError(
                f"Tool {call['name']!r} wants {wanted} of the graph's state, and the tool node was given a list of "
                "messages. Give it the state as a dict."
            )
        state = {messages_key: state}
    values: dict[str, Any] = {}
    for name, key in injections.state.items():
        if key is None:
            values[name] = state
        elif isinstance(state, dict) and (key in state or name not in injections.optional):
            values[name] = state[key]
        elif not isinstance(state, dict) and (hasattr(state, key) or name not in injections.optional):
            values[name] = getattr(state, key)
    return values
