"""What a run's stream must be: that of the embedded run, up to what LangGraph itself leaves to a race."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

from tests.chaos.graphs import CALLING, GRAPHS, INPUTS, LINEAR
from tests.differential.compare import canonical_lines, difference
from tests.differential.normal import UUID, Recorded, exact_lines, show_payload

from drumline.types import StreamMode

MODES: list[StreamMode] = ["tasks", "values", "updates", "custom", "messages"]


@cache
def expected(graph: str, variant: int) -> tuple[Recorded, list[str]]:
    """The embedded run, and the lines that are compared."""
    recorded = Recorded.of(asyncio.run(_embedded(graph, variant)))
    return recorded, canonical_lines(recorded)


async def _embedded(graph: str, variant: int) -> list[Any]:
    stream = GRAPHS[graph].astream(INPUTS[graph](variant), stream_mode=MODES, subgraphs=True)
    return [item async for item in stream]


def wrong(graph: str, variant: int, items: list[Any]) -> str | None:
    """How the items of a run that ended differ from what they must be; None if they do not."""
    reference, lines = expected(graph, variant)
    found = Recorded.of(items)
    if canonical_lines(found) == lines or (graph in CALLING and _called_again(reference, found)):
        return None
    return difference(reference, found) or "the streams differ in their order"


def _called_again(reference: Recorded, found: Recorded) -> bool:
    """Whether the streams are equal but for attempts of a called graph that broke off: each shows its items anew.

    A called graph draws ids and times of its own for each attempt, so that none is known to repeat another. The node
    itself, and the last attempt, must be as they always are.
    """
    above, inside = _without_ids(reference)
    found_above, found_inside = _without_ids(found)
    at = 0
    for line in found_inside:
        if at < len(inside) and line == inside[at]:
            at += 1
        elif line == inside[0]:
            at = 1
        else:
            return False
    return found_above == above and at == len(inside)


def _without_ids(recorded: Recorded) -> tuple[list[str], list[str]]:
    """The items of the run's own graph, and those of graphs below, as text."""
    above, below = Recorded([]), Recorded([])
    for item in recorded.items:
        (below if item.ns else above).items.append(item)
    return exact_lines(above), [UUID.sub("<id>", f"{i.mode} {show_payload(i.mode, i.payload)}") for i in below.items]


def wrong_beginning(graph: str, variant: int, items: list[Any]) -> str | None:
    """The same for a run that was cancelled after these items. Only for graphs in which nothing races."""
    if graph not in LINEAR:
        return None
    reference, _ = expected(graph, variant)
    lines = exact_lines(Recorded.of(items))
    whole = exact_lines(reference)
    if whole[: len(lines)] == lines:
        return None
    at = next(n for n, line in enumerate(lines) if n >= len(whole) or line != whole[n])
    wanted = whole[at] if at < len(whole) else "the end"
    return f"item {at} is\n  {lines[at][:500]}\nin place of\n  {wanted[:500]}"
