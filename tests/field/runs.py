"""Runs of a case, as lines that are the same for every engine."""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import Collection, Iterable
from functools import cache
from typing import Any

from langchain_core.messages import BaseMessage
from tests.differential.compare import canonical_lines
from tests.differential.engines import LANGGRAPH, Engine
from tests.differential.harness import ALL_MODES, record
from tests.differential.normal import Item, Recorded, exact_lines, rename_ids, show
from tests.field.cases import Case

from drumline_protocol.codec_types import Opaque

EVERY: list[Any] = [*ALL_MODES, "messages"]
#: lists of modes beside all at once
FEWER = [[mode] for mode in EVERY] + [["updates", "messages"]]
_SHOWN_LINES, _AROUND = 12, 100

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?|datetime\.datetime\([^()]*\)")


@cache
def oracle(case: Case) -> Any:
    """LangGraph's graph of a case."""
    return case.build(LANGGRAPH)


def lines_of(recorded: Recorded) -> list[str]:
    """A stream as lines. With starts of tasks: up to LangGraph's own races; without them: what came, in no order."""
    if {item.mode for item in recorded.items} & {"tasks", "debug"}:
        lines = canonical_lines(recorded)
    else:
        # every id is hidden: to name them by order of arrival would tell a race
        lines = sorted(re.sub(r"<id \d+>", "<id>", line) for line in exact_lines(recorded))
    return [_TIME.sub("<time>", line) for line in lines]


def depths(case: Case, engine: Engine, *wanted: bool) -> list[bool]:
    """The values of `subgraphs` that are compared."""
    return [depth for depth in wanted if engine.adapts or not (depth and case.hides)]


def streamed(case: Case, graph: Any, modes: list[str], *, use_async: bool, subgraphs: bool) -> list[str]:
    """One run, streamed in these modes."""
    return lines_of(_recorded(case, graph, modes, use_async=use_async, subgraphs=subgraphs))


def _recorded(case: Case, graph: Any, modes: list[str], *, use_async: bool, subgraphs: bool) -> Recorded:
    given, options = case.given()
    return record(graph, given, modes, use_async=use_async, subgraphs=subgraphs, **options)


@cache
def _of_langgraph(case: Case, modes: tuple[str, ...], use_async: bool, subgraphs: bool) -> Recorded:
    return _recorded(case, oracle(case), list(modes), use_async=use_async, subgraphs=subgraphs)


@cache
def reference(
    case: Case, modes: tuple[str, ...], *, use_async: bool, subgraphs: bool, on_wire: bool = False
) -> list[str]:
    """What LangGraph streams. `on_wire`: with data in place of objects whose classes no schema of the graph names."""
    recorded = _of_langgraph(case, modes, use_async or case.only_async, subgraphs)
    if not (on_wire and case.plain):
        return lines_of(recorded)
    items = [Item(item.ns, item.mode, plain(item.payload, case.plain)) for item in recorded.items]
    return lines_of(Recorded(items, recorded.error))


def plain(value: Any, names: Collection[str] | None) -> Any:
    """`value`, where dicts of their fields stand for the objects of the classes of these names.

    None: for all but LangChain's and LangGraph's, and for what a client has that knows no classes.
    """
    if isinstance(value, dict):
        return {key: plain(item, names) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(plain(item, names) for item in value)
    if isinstance(value, BaseMessage):
        free = {name: plain(getattr(value, name), names) for name in _FREE if getattr(value, name, None)}
        return value.model_copy(update=free)
    if type(value) is Opaque:
        return plain(value.fields, names)
    if type(value).__name__ == "Overwrite":
        return type(value)(plain(value.value, names))
    if not (_is_of_an_app(type(value)) if names is None else type(value).__name__ in names):
        return value
    slots = [name for cls in reversed(type(value).__mro__) for name in getattr(cls, "__slots__", ())]
    fields = getattr(type(value), "model_fields", None) or getattr(value, "__dataclass_fields__", slots)
    chosen = fields if names is not None else getattr(value, "model_fields_set", fields)  # what was not set is not sent
    return {name: plain(getattr(value, name), names) for name in fields if name in chosen}


#: fields of messages that hold whatever a library puts there
_FREE = ("additional_kwargs", "artifact")


def _is_of_an_app(cls: type) -> bool:
    return (hasattr(cls, "model_fields") or hasattr(cls, "__dataclass_fields__")) and not cls.__module__.startswith(
        ("langchain_core.", "langgraph.", "drumline")
    )


def joined(case: Case, items: Iterable[Any], *, subgraphs: bool) -> tuple[list[str], list[str]]:
    """What LangGraph streams, and what a reader without the classes of the app read, as lines of plain data."""
    recorded = _of_langgraph(case, tuple(EVERY), case.only_async, subgraphs)
    expected = [Item(item.ns, item.mode, plain(item.payload, case.plain)) for item in recorded.items]
    found = Recorded.of(items).items
    return _as_data(expected), _as_data(found)


def _as_data(items: list[Item]) -> list[str]:
    return lines_of(Recorded([Item(item.ns, item.mode, plain(item.payload, None)) for item in items]))


def invoked(case: Case, graph: Any, *, use_async: bool) -> Any:
    """What invoke() or ainvoke() returns, or the exception that it raises."""
    given, options = case.given()
    try:
        return asyncio.run(graph.ainvoke(given, **options)) if use_async else graph.invoke(given, **options)
    except Exception as error:
        return error


def result_lines(result: Any) -> list[str]:
    """A result as lines: one for each piece, so that a difference is seen."""
    text = next(rename_ids([show(result)]))
    return [_TIME.sub("<time>", piece) for piece in text.replace("), ", "),\n").split("\n")]


@cache
def reference_result(case: Case, *, use_async: bool, on_wire: bool = False) -> list[str]:
    """What LangGraph returns. `on_wire`: see `reference`."""
    result = invoked(case, oracle(case), use_async=use_async or case.only_async)
    return result_lines(plain(result, case.plain) if on_wire else result)


def named(case: Case, lines: list[str]) -> list[str]:
    """The lines, where a message's missing id is as good as one, if the case asks for it."""
    if not case.named:
        return lines
    # one id more gives the others other numbers
    return [re.sub(r"id=None", "id='<id>'", re.sub(r"<id \d+>", "<id>", line)) for line in lines]


def differs(expected: list[str], found: list[str]) -> str:
    """A diff, or "". Lines are long: of each, what stands around the first character that differs is shown."""
    if expected == found:
        return ""
    lines = list(difflib.unified_diff(expected, found, "LangGraph", "drumline", lineterm="", n=0))[2:]
    gone, new = ([line[1:] for line in lines if line[0] == sign] for sign in "-+")
    at = (
        next((n for n, (a, b) in enumerate(zip(*(part[0] for part in (gone, new)), strict=False)) if a != b), 0)
        if (gone and new)
        else 0
    )
    start = max(0, at - _AROUND)
    shown = [line[0] + line[1 + start :][: 4 * _AROUND] for line in lines[:_SHOWN_LINES]]
    return "\n".join([f"{len(gone)} lines gone, {len(new)} new; from character {start} on:", *shown])
