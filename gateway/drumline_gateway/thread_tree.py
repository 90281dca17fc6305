"""The graphs of a run as a tree, each with how it stands."""

from __future__ import annotations

import asyncio
from typing import Any

from drumline_gateway.service import Row, Service, Wanted
from drumline_gateway.shapes import OPEN
from drumline_gateway.thread_events import RunEvents
from drumline_protocol.errors import NoBroker

#: A run that goes on has told all when it says nothing for so long.
QUIET_S = 0.25


async def agent_tree(service: Service, thread: str, run: Row) -> dict[str, Any]:
    """The tree of a run of that thread as it stands now, each node with a list of `children`. NoBroker."""
    nodes: dict[tuple[str, ...], dict[str, Any]] = {(): _node((), "started", run["graph"])}
    events = RunEvents(run["run_id"], run["began_ms"])
    items = service.items(run["run_id"], thread, Wanted(("facts",), subgraphs=True))
    each, failed, ended = items.__aiter__(), None, False
    wait_s = QUIET_S if run["status"] in OPEN else None
    try:
        while True:
            for event in events.item(await asyncio.wait_for(each.__anext__(), wait_s)):
                _note(nodes, event)
    except StopAsyncIteration:
        ended = True
    except asyncio.TimeoutError:
        pass
    except NoBroker:
        raise
    except Exception as error:
        failed, ended = error, True
    finally:
        await items.aclose()
    for event in events.end(failed) if ended else ():
        _note(nodes, event)
    return nodes[()]


def _note(nodes: dict[tuple[str, ...], dict[str, Any]], event: Any) -> None:
    if event.method != "lifecycle":
        return
    told = event.data
    node = nodes.get(event.ns)
    if node is None:
        node = nodes[event.ns] = _node(event.ns, "started", told.get("graph_name", ""))
        above = next(nodes[event.ns[:n]] for n in range(len(event.ns) - 1, -1, -1) if event.ns[:n] in nodes)
        above.setdefault("children", []).append(node)
    node["status"] = told["event"]


def _node(ns: tuple[str, ...], status: str, name: str) -> dict[str, Any]:
    return {"namespace": list(ns), "status": status, "graph_name": name}
