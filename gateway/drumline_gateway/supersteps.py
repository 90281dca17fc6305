"""A history that a client brings with a new thread: updates of its state, superstep by superstep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drumline.types import StateUpdate
from drumline_gateway.ask import Ask
from drumline_gateway.bodies import ROWS_MAX, Fields
from drumline_gateway.errors import bad, unknown
from drumline_gateway.json_input import read_state
from drumline_gateway.run_body import command_in


@dataclass(frozen=True, slots=True)
class Steps:
    """Updates of the state of a graph, a list for each superstep."""

    graph: str
    updates: list[list[StateUpdate]]


async def steps_in(ask: Ask, fields: Fields, metadata: Mapping[str, Any]) -> Steps | None:
    """The `supersteps` of a body, for the graph that the thread's metadata name; None if it has none. HttpError 422."""
    given = fields.all.get("supersteps")
    if not given:
        return None
    if not isinstance(given, list) or len(given) > ROWS_MAX:
        raise bad(f"supersteps must be a list of at most {ROWS_MAX}.")
    graph = metadata.get("graph_id")
    names = await ask.served.names()
    if graph is None and len(names) == 1:
        graph = names[0]
    if not isinstance(graph, str) or not graph:
        raise bad("supersteps need metadata.graph_id: the graph whose state they change.")
    if graph not in names:
        raise unknown("graph", graph)
    held = ask.graph(graph)
    return Steps(graph, [_superstep(held, step, f"supersteps[{number}]") for number, step in enumerate(given)])


def _superstep(graph: Any, given: Any, where: str) -> list[StateUpdate]:
    updates = Fields(given, where).all.get("updates")
    if not isinstance(updates, list) or not 0 < len(updates) <= ROWS_MAX:
        raise bad(f"{where}.updates must be a list of 1 to {ROWS_MAX}.")
    return [_update(graph, update, f"{where}.updates[{number}]") for number, update in enumerate(updates)]


def _update(graph: Any, given: Any, where: str) -> StateUpdate:
    fields = Fields(given, where)
    as_node = fields.text("as_node") or None
    values: Any  # a command stands for what a node may return too
    if fields.all.get("command") is not None:
        values = command_in(fields.dict("command"), graph, f"{where}.command")
    else:
        values = read_state(graph.program.state_schema, fields.all.get("values"), f"{where}.values")
    return StateUpdate(values, as_node)
