"""The user's functions behind a node, a router or a tool: where to look for classes that they name or raise."""

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import Iterable, Iterator, Mapping
from types import CodeType, ModuleType
from typing import Any

from drumline_graph.annotations import closed_over

#: things looked at behind one node
_PARTS_MAX = 1000

#: attributes under which Runnables, tools and tasks keep what they call
_HOLDERS = ("func", "afunc", "coroutine", "bound", "path", "_func")


def functions_of(action: Any, *, tasks: bool = True) -> Iterator[Any]:
    """Functions and methods that an action calls, as far as its structure shows: through partials, Runnables and their
    steps, tools, objects with `__call__`, and (`tasks`) `@task`s that a function uses. Each once. Never raises.

    An action may list its own in `user_code`.
    """
    todo: list[Any] = [action]
    seen: set[int] = set()
    while todo and len(seen) < _PARTS_MAX:
        item = todo.pop(0)
        if item is None or id(item) in seen:
            continue
        seen.add(id(item))
        try:
            parts = list(_behind(item))
        except Exception:  # objects of users: their attributes may raise
            parts = []
        todo.extend(parts)
        if inspect.isroutine(item):
            yield item
            if tasks:
                todo.extend(_tasks_in(item))


def _behind(item: Any) -> Iterable[Any]:
    if isinstance(item, (str, bytes, int, float, ModuleType)):
        return
    if isinstance(item, (list, tuple)):
        yield from item
        return
    if isinstance(item, functools.partial):
        yield item.func
        return
    if inspect.isroutine(item) or isinstance(item, type):
        wrapped = getattr(item, "__wrapped__", None)
        if wrapped is not None:
            yield wrapped
        return
    own = vars(item) if hasattr(item, "__dict__") else {}
    yield from own.get("user_code", ()) or ()
    for name in _HOLDERS:
        yield own.get(name)
    for name in ("steps", "steps__", "first", "middle", "last"):
        yield own.get(name)
    for name in ("tools_by_name", "_tools_by_name"):
        yield list((own.get(name) or {}).values())
    call = getattr(type(item), "__call__", None)  # noqa: B004 (the method itself is looked at)
    if inspect.isfunction(call) and not call.__module__.startswith(("langchain", "langgraph.", "drumline")):
        yield call


def graph_called_by(action: Any) -> Any:
    """The compiled graph that an action's functions name, as LangGraph finds it: the first one. None if there is none.

    One without checkpoints (`checkpointer=False`) is passed over. A name may be followed by attributes. A graph that is
    defined behind them, or that they reach in another way, is not found.
    """
    for function in functions_of(action, tasks=False):
        for value in (*_named_in(function), *attributes_in(function)):
            graph = getattr(value, "__self__", value)
            if is_graph(graph) and graph.program.persists is not False:
                return graph
    return None


def forms_in(function: Any) -> Iterator[Any]:
    """What a function that asks with `interrupt(..., response_schema=X)` names: `X` is among it, and so is all else.

    Its answer is an `X`, of which the schema of the state may say nothing.
    """
    plain = _plain(function)
    codes = list(codes_of(plain))
    # The names of keyword arguments are a tuple among the constants.
    if not any(_FORM in part for code in codes for part in code.co_consts if isinstance(part, tuple)):
        return
    known = {**getattr(plain, "__globals__", {}), **closed_over(plain)}
    for name in dict.fromkeys(name for code in codes for name in (*code.co_names, *code.co_freevars)):
        yield known.get(name)
    yield from attributes_in(function)


#: the keyword of `interrupt` that says what form the answer has
_FORM = "response_schema"


def codes_of(function: Any) -> Iterator[CodeType]:
    """The code of a function, and that of functions and comprehensions within it. Nothing of one without code."""
    todo = [getattr(function, "__code__", None)]
    while todo:
        code = todo.pop()
        if isinstance(code, CodeType):
            yield code
            todo += code.co_consts


def _plain(function: Any) -> Any:
    """The function that decorators and methods wrap."""
    inner = inspect.unwrap(function)
    return getattr(inner, "__func__", inner)


def is_graph(value: Any) -> bool:
    """Whether it is a compiled graph. A mock has any attribute, but none of these classes."""
    program = getattr(value, "program", None) if hasattr(value, "get_subgraphs") else None
    persists: Any = getattr(program, "persists", 0)
    return persists is None or isinstance(persists, bool)


def _named_in(function: Any) -> Iterable[Any]:
    """What the names in a function's code stand for."""
    function = _plain(function)
    code, globals_ = getattr(function, "__code__", None), getattr(function, "__globals__", {})
    named = [globals_.get(name) for name in getattr(code, "co_names", ())]
    return (*named, *closed_over(function).values())


def attributes_in(function: Any) -> Iterator[Any]:
    """What the attributes in a function's code stand for that follow a name: `holder.graphs.first`.

    Of functions within it only names of functions around them count. No property is run.
    """
    function = _plain(function)
    code = getattr(function, "__code__", None)
    if code is None:
        return
    around = closed_over(function)
    todo: list[tuple[Any, Mapping[str, Any]]] = [(code, {**getattr(function, "__globals__", {}), **around})]
    while todo:
        code, known = todo.pop()
        reached: Any = _NOTHING
        for step in dis.get_instructions(code):
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF"):
                reached = known.get(step.argval, _NOTHING)
            elif step.opname in ("LOAD_ATTR", "LOAD_METHOD") and reached is not _NOTHING:
                reached = inspect.getattr_static(reached, step.argval, _NOTHING)
                if reached is not _NOTHING:
                    yield reached
            else:
                reached = _NOTHING
        todo += [(inner, around) for inner in code.co_consts if isinstance(inner, CodeType)]


_NOTHING = object()


class AnyTask:
    """What `task` makes of a function: `func` is that, `node` what calls of it run as."""

    func: Any
    node: Any


def _tasks_in(function: Any) -> Iterable[Any]:
    """The functions of `@task`s, ours and LangGraph's, that the function's code names."""
    for value in _named_in(function):
        if isinstance(value, AnyTask) or type(value).__name__ == "_TaskFunction":
            yield getattr(value, "func", None)


def namespaces_of(function: Any) -> Iterator[dict[str, Any]]:
    """The names that a function's code can use: of its module, and of the functions around it."""
    function = _plain(function)
    globals_ = getattr(function, "__globals__", None)
    if isinstance(globals_, dict):
        yield globals_
    yield closed_over(function)
