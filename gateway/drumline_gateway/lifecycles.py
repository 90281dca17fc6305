"""When graphs within a run begin and end, and what they are the work of. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Namespace = tuple[str, ...]
#: under which namespace, and what is told
Told = tuple[Namespace, dict[str, Any]]

#: how a run has ended, in the words of the protocol: one that waits for an answer or at a breakpoint goes on later,
#: and one that was cancelled has not failed
ENDS = {"done": "completed", "failed": "failed", "cancelled": "interrupted", "paused": "interrupted"}

_STARTS = frozenset(("tool-started",))
_STOPS = frozenset(("tool-finished", "tool-error"))


class Lifecycles:
    """Told of a run's facts and of its tools, tells of the graphs within it."""

    def __init__(self) -> None:
        self.graph_name = ""
        #: the graphs that go on, by their namespaces, and their names
        self._open: dict[Namespace, str] = {}
        #: of each graph the tasks that its step has, and the name of what the step before ended with
        self._steps: dict[Namespace, list[Mapping[str, Any]]] = {}
        self._before: dict[Namespace, str] = {}
        self._sent: set[str] = set()
        #: calls of tools that go on, by their tasks
        self._calls: dict[str, list[str]] = {}

    def plan(self, ns: Namespace, tasks: Sequence[Mapping[str, Any]]) -> None:
        """A step of a graph begins."""
        before = [task for task in self._steps.get(ns, ()) if not task["hidden"]]
        self._before[ns] = before[-1]["name"] if before else "__start__"
        self._steps[ns] = list(tasks)
        self._sent.update(task["id"] for task in tasks if task.get("sent"))

    def tool(self, task: str, told: Mapping[str, Any]) -> None:
        """A call of a tool begins or ends, in that task."""
        calls, call = self._calls.setdefault(task, []), str(told.get("tool_call_id") or "")
        if told.get("event") in _STARTS:
            calls.append(call)
        elif told.get("event") in _STOPS and call in calls:
            calls.remove(call)

    def fact(self, ns: Namespace, fact: Mapping[str, Any]) -> Iterator[Told]:
        """What a fact says of graphs within."""
        kind = fact["fact"]
        if kind == "GraphEntered" and ns and ns not in self._open:
            name = str(fact["path"]).rpartition("|")[2] or _node_of(ns)
            self._open[ns] = name
            yield ns, {"event": "started", "graph_name": name, **self._cause(ns, str(fact.get("task") or ""))}
        elif kind in ("GraphExited", "TaskLeft"):
            yield from self._close(ns, "completed")
        elif kind in ("TaskFailed", "AttemptRetracted"):
            error = fact.get("error")
            rest = {} if error is None else {"error": f"{type(error).__name__}: {error}"}
            yield from self._close_under(ns, str(fact["task"]), "failed", rest)
        elif kind == "TaskInterrupted":
            yield from self._close_under(ns, str(fact["task"]), "interrupted", {})

    def ended(self, status: str) -> Iterator[Told]:
        """The run has ended: so have the graphs within it that had not, the innermost first."""
        event = ENDS.get(status, "failed")
        for ns in sorted(self._open, key=len, reverse=True):
            yield from self._close(ns, event)

    def _cause(self, ns: Namespace, task: str) -> dict[str, Any]:
        parent, task = ns[:-1], task or ns[-1].rpartition(":")[2]
        if self._calls.get(task):
            return {"cause": {"type": "toolCall", "tool_call_id": self._calls[task][-1]}}
        before = self._before.get(parent)
        if before is None:
            return {}
        return {"cause": {"type": "send" if task in self._sent else "edge", "from_node": before}}

    def _close_under(self, ns: Namespace, task: str, event: str, rest: Mapping[str, Any]) -> Iterator[Told]:
        """End the graphs that a task is the node of, and those in them."""
        under = [
            at for at in self._open if at[: len(ns)] == ns and len(at) > len(ns) and at[len(ns)].endswith(f":{task}")
        ]
        for at in sorted(under, key=len, reverse=True):
            yield from self._close(at, event, rest)

    def _close(self, ns: Namespace, event: str, rest: Mapping[str, Any] = {}) -> Iterator[Told]:
        name = self._open.pop(ns, None)
        if name is not None:
            yield ns, {"event": event, "graph_name": name, **rest}


def _node_of(ns: Namespace) -> str:
    return ns[-1].partition(":")[0]
