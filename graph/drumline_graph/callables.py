"""Reading user callables: their name, what they take, what they promise to return, and how they can run."""

from __future__ import annotations

import functools
import inspect
import types
import typing
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin

from drumline_graph.errors import GraphDefinitionError, NotANodeError
from drumline_graph.schema import has_fields
from drumline_graph.types import Command, StreamWriter

_BY_KEYWORD = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_BY_POSITION = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)
_ANY_ANNOTATION = ("runtime", "previous")
_UNIONS = (Union, types.UnionType)


@dataclass(slots=True)
class Capabilities:
    """How a callable can be run. Runnables can do both, and the runner chooses; one that has the attribute
    `needs_event_loop = True` says that its sync half cannot do all of its work, and counts as async only.
    """

    has_sync: bool
    has_async: bool
    is_runnable: bool
    wants: tuple[str, ...]


def name_of_callable(action: Any) -> str:
    """Node name for an action: a Runnable's name, else `__name__`, else the class name."""
    name: Any = None
    if is_runnable(action):
        getter = getattr(action, "get_name", None)
        name = getter() if callable(getter) else getattr(action, "name", None)
    name = name or getattr(action, "__name__", None) or type(action).__name__
    if not isinstance(name, str):
        raise GraphDefinitionError(f"No node name could be found for {action!r}. Give one: add_node('name', action).")
    return name


def plain_name(name: Any) -> Any:
    """A node's name as plain text: what a member of an Enum of texts stands for. Anything else as it is."""
    if type(name) is str:
        return name
    if isinstance(name, str):
        return str.__str__(name)
    if isinstance(name, Enum) and isinstance(name.value, str):
        return str.__str__(name.value)
    return name


def plain_ends(ends: Any) -> Any:
    """The same for what names several nodes: a list or tuple of names, or a dict whose values are names."""
    if isinstance(ends, dict):
        return {key: plain_name(end) for key, end in ends.items()}
    return tuple(plain_name(end) for end in ends) if isinstance(ends, (list, tuple)) else ends


def is_runnable(action: Any) -> bool:
    """Whether an object has LangChain's interface (`invoke` and `ainvoke`), whatever its class.

    Something that can be called has it only if its class says so: a Mock has every attribute.
    """
    if isinstance(action, type):
        return False
    says = action.__class__ if callable(action) else action
    return hasattr(says, "invoke") and hasattr(says, "ainvoke")


def capabilities_of(action: Any, *, where: str, reads: Any = None) -> Capabilities:
    """How `action` can be run, and which parameters to inject. Raises NotANodeError if it cannot be run.

    `where` names the node or router in texts. `reads` is the callable whose signature counts, where `action` only wraps
    it.
    """
    if is_runnable(action):
        return Capabilities(getattr(action, "needs_event_loop", None) is not True, True, True, ())
    if not callable(action):
        if getattr(action, "program", None) is not None:  # a compiled graph
            return Capabilities(True, True, False, ())
        raise NotANodeError(
            f"{where} was given {action!r} of type {type(action).__name__}, which cannot be called. Give a function, "
            "an object with __call__, a Runnable or a compiled graph."
        )
    asynchronous = is_async_callable(action)
    return Capabilities(not asynchronous, asynchronous, False, injected_parameters(action if reads is None else reads))


def is_async_callable(action: Any) -> bool:
    """Whether calling it gives a coroutine: async functions, partials of them, async `__call__`, and what bears
    asyncio's mark (`AsyncMock`).
    """
    while isinstance(action, functools.partial):
        action = action.func
    return (
        inspect.iscoroutinefunction(action)
        or inspect.iscoroutinefunction(getattr(action, "__call__", None))  # noqa: B004 (the method itself)
        or "_is_coroutine" in getattr(action, "__dict__", ())
    )


def injected_parameters(action: Any, *, all_of_them: bool = False) -> tuple[str, ...]:
    """Names of the parameters that the engine fills, of `config, writer, store, runtime, previous, error`.

    A parameter counts by name and annotation and must be passable by keyword; the first positional one is the state,
    unless `all_of_them` count. A `config` annotated as something else than RunnableConfig is left alone, with a
    UserWarning, as in LangGraph.
    """
    try:
        parameters = list(inspect.signature(action).parameters.values())
    except (TypeError, ValueError):
        return ()
    if parameters and parameters[0].kind in _BY_POSITION and not all_of_them:
        parameters = parameters[1:]
    hints = _hints_of(action)
    found = []
    for parameter in parameters:
        if parameter.kind not in _BY_KEYWORD:
            continue
        annotation = hints.get(parameter.name, parameter.annotation)
        if _accepts(parameter.name, annotation, action):
            found.append(parameter.name)
    return tuple(found)


def _accepts(name: str, annotation: Any, action: Any) -> bool:
    if name in _ANY_ANNOTATION:
        return True
    bare = annotation is inspect.Parameter.empty
    if name == "config":
        accepted = bare or _plain_name(annotation) == "RunnableConfig"
        if not accepted:
            warnings.warn(
                f"Parameter 'config' of {_where(action)} is annotated {annotation!r}, so no config is passed to it. "
                "Annotate it as RunnableConfig or Optional[RunnableConfig], or not at all.",
                UserWarning,
                stacklevel=6,
            )
        return accepted
    if name == "writer":
        return bare or _without_none(annotation) == StreamWriter or _plain_name(annotation) == "StreamWriter"
    if name == "error":
        return _plain_name(annotation) == "NodeError"
    if name == "store":
        return bare or _plain_name(annotation) == "BaseStore"
    return False


def _plain_name(annotation: Any) -> str:
    """Class name in an annotation, without module and without `Optional`; also of unresolved strings."""
    if isinstance(annotation, typing.ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        text = annotation.replace(" ", "").strip("\"'")
        text = text.removesuffix("|None").removeprefix("None|")
        head, bracket, rest = text.partition("[")
        if bracket and head.rpartition(".")[2] == "Optional":
            text = rest.removesuffix("]")
        elif bracket and head.rpartition(".")[2] == "Union":
            text = rest.removesuffix("]").removesuffix(",None").removeprefix("None,")
        return text.rpartition(".")[2]
    bare = _without_none(annotation)
    if get_origin(bare) in _UNIONS:
        return ""
    return str(getattr(bare, "__name__", ""))


def _without_none(annotation: Any) -> Any:
    """`X` of `Optional[X]`, anything else as it is."""
    if get_origin(annotation) not in _UNIONS:
        return annotation
    members = [member for member in get_args(annotation) if member is not type(None)]
    return members[0] if len(members) == 1 else annotation


def _where(action: Any) -> str:
    return repr(getattr(action, "__qualname__", None) or type(action).__name__)


def _annotated_callable(action: Any) -> Callable[..., Any] | None:
    """The function that carries the annotations: itself, or the `__call__` of an object."""
    if inspect.isfunction(action) or inspect.ismethod(action):
        return action
    call = getattr(action, "__call__", None)  # noqa: B004 (the method itself is looked at)
    return call if inspect.ismethod(call) else None


def _hints_of(action: Any) -> dict[str, Any]:
    while isinstance(action, functools.partial):
        action = action.func
    function = _annotated_callable(action)
    if function is None:
        return {}
    try:
        return typing.get_type_hints(function)
    except Exception:
        # A name only known while type checking: the raw strings are looked at instead.
        return {}


def input_schema_of(action: Any) -> Any | None:
    """Class with fields that annotates the first parameter, or None: then the graph's state is used."""
    function = _annotated_callable(action)
    if function is None:
        return None
    hints = _hints_of(function)
    first = next(iter(inspect.signature(function).parameters), None)
    annotation = hints.get(first) if first is not None else None
    return annotation if has_fields(annotation) else None


def command_targets_of(action: Any) -> tuple[str, ...]:
    """Node names in a `-> Command[Literal[...]]` return annotation (also within a union); () if none."""
    found: dict[str, None] = {}
    _collect_command_targets(_hints_of(action).get("return"), found)
    return tuple(dict.fromkeys(map(plain_name, found)))


def _collect_command_targets(annotation: Any, found: dict[str, None]) -> None:
    origin = get_origin(annotation)
    if origin in _UNIONS or origin in (list, tuple):
        for argument in get_args(annotation):
            _collect_command_targets(argument, found)
    elif origin is Command:
        _collect_literals(get_args(annotation)[0], found)


def _collect_literals(annotation: Any, found: dict[Any, None]) -> None:
    if get_origin(annotation) is Literal:
        found.update(dict.fromkeys(get_args(annotation)))
        return
    for argument in get_args(annotation):
        _collect_literals(argument, found)


def literal_returns_of(router: Any) -> tuple[Any, ...]:
    """Values of the `Literal`s in a router's return annotation, at any depth; () if there are none."""
    found: dict[Any, None] = {}
    _collect_literals(_hints_of(router).get("return"), found)
    return tuple(found)


def branch_name_of(path: Any) -> str:
    """Name of a conditional edge: that of its router; all lambdas count as `condition`."""
    try:
        name = name_of_callable(path)
    except GraphDefinitionError:
        name = "<lambda>"
    return "condition" if name == "<lambda>" else name


def ends_of(path: Any, path_map: Any) -> dict[Any, str] | None:
    """Where a router's results lead: its path map, else the `Literal`s of its return annotation; None for neither."""
    if isinstance(path_map, dict):
        ends: dict[Any, str] = plain_ends(path_map)
        return ends
    if path_map is not None:
        if isinstance(path_map, str):
            raise NotANodeError(f"path_map must be a dict or a list of node names, not the string {path_map!r}.")
        return {plain_name(name): plain_name(name) for name in path_map}
    literals = literal_returns_of(path)
    return {plain_name(name): plain_name(name) for name in literals} if literals else None


def destinations_of(given: Any) -> Any:
    """Destinations as given, with plain names: of a dict the keys are names, and the values labels."""
    if isinstance(given, dict):
        return {plain_name(name): label for name, label in given.items()}
    return plain_ends(given)
