"""Record a stream, and compare two: a run that met faults must say what the embedded run says."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from drumline.testing._streams.compare import difference, exact_difference
from drumline.testing._streams.shown import Item, Recorded, rename_ids, show, show_error
from drumline.testing.errors import StreamsDiffer
from drumline.views import MODES

#: what `record` records if nobody says: with `tasks` among them, races can be told from differences
RECORDED_MODES = ("values", "updates", "custom", "messages", "tasks")


def record(
    graph: Any,
    input: Any,
    config: Mapping[str, Any] | None = None,
    *,
    stream_mode: Sequence[str] = RECORDED_MODES,
    subgraphs: bool = True,
    use_async: bool = False,
    **options: Any,
) -> Recorded:
    """Run a graph and keep its stream: `.items`, and the exception that ended it as `.error` (None: none did).

    `graph` is a compiled graph, one that is bound to a cluster, or `cluster.graph(name)` of any cluster, also a
    simulated one. `options` go to `stream()`, or to `astream()` with `use_async`.
    """
    options |= {"stream_mode": list(stream_mode), "subgraphs": subgraphs}
    items: list[Any] = []

    async def drain(stream: AsyncIterator[Any]) -> None:
        async for item in stream:
            items.append(item)  # noqa: PERF401  what came before an error must stay

    try:
        if use_async:
            asyncio.run(drain(graph.astream(input, config, **options)))
        else:
            for item in graph.stream(input, config, **options):
                items.append(item)  # noqa: PERF402
    except AssertionError as error:
        if type(error).__module__.startswith("drumline.testing"):
            raise  # it is about the test, no end of the run
        return Recorded.of(items, error)
    except Exception as error:
        return Recorded.of(items, error)
    return Recorded.of(items)


def stream_difference(
    expected: Recorded | Iterable[Any], actual: Recorded | Iterable[Any], *, exact: bool = False
) -> str | None:
    """A diff of two streams of one graph; None if they say the same.

    Streams with the mode `tasks` among their modes are compared superstep by superstep: what a task says must be equal
    and in order; how tasks of one superstep interleave is left out, and so is which siblings of a failed task came to
    their end. Other streams are compared as items in any order. With `exact` every item must be at its place. Ids
    are compared by where they appear, not by their text.
    """
    ours, theirs = _recorded(expected), _recorded(actual)
    if exact:
        return exact_difference(ours, theirs)
    if any(item.mode == "tasks" for item in (*ours.items, *theirs.items)):
        return difference(ours, theirs)
    return _unordered_difference(ours, theirs)


def assert_same_stream(
    expected: Recorded | Iterable[Any], actual: Recorded | Iterable[Any], *, exact: bool = False
) -> None:
    """StreamsDiffer, with a diff, unless two streams of one graph say the same: see `stream_difference`."""
    found = stream_difference(expected, actual, exact=exact)
    if found is not None:
        raise StreamsDiffer(f"the streams differ (reference: expected, other: actual):\n{found}")


def _recorded(stream: Recorded | Iterable[Any]) -> Recorded:
    if isinstance(stream, Recorded):
        return stream
    return Recorded([_item(item) for item in stream])


def _item(item: Any) -> Item:
    """An item in its longest shape, whatever shape the call yielded: the mode of bare payloads is not known."""
    if isinstance(item, Item):
        return item
    if isinstance(item, tuple) and 2 <= len(item) <= 3 and isinstance(item[-2], str) and item[-2] in MODES:
        return Item(item[0] if len(item) == 3 else (), item[-2], item[-1])
    if isinstance(item, dict) and item.keys() >= {"type", "ns", "data"}:
        return Item(tuple(item["ns"]), item["type"], item["data"])
    return Item((), "", item)


def _unordered_difference(ours: Recorded, theirs: Recorded) -> str | None:
    mine, others = Counter(_lines(ours)), Counter(_lines(theirs))
    found = [
        *(f"- {line}" for line in (mine - others).elements()),
        *(f"+ {line}" for line in (others - mine).elements()),
    ]
    return "\n".join(found) or None


def _lines(recorded: Recorded) -> list[str]:
    lines = [next(rename_ids([f"{item.ns} {item.mode} {show(item.payload)}"])) for item in recorded.items]
    return [*lines, *([] if recorded.error is None else [f"raised {show_error(recorded.error)}"])]
