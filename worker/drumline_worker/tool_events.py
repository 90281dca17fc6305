"""The stream mode `tools`: what LangChain's tools do, by its callbacks (docs/semantics.md §1.9).

This module imports langchain-core. It is imported only when a run records `tools`, or where tools are used.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar, Token
from typing import Any

from drumline_graph.constants import TAG_NOSTREAM
from drumline_graph.errors import GraphDrained, GraphInterrupt
from drumline_graph.loaded import loaded
from drumline_graph.types import Command
from drumline_protocol.facts import STREAMED
from drumline_worker.job import Emit
from drumline_worker.task_handler import TaskHandler

Writer = Callable[[Any], None]

#: takes a part of the output of the tool that the calling code belongs to; None: nobody is to hear it
writer: ContextVar[Writer | None] = ContextVar("drumline_tool_writer", default=None)

_Set = tuple[ContextVar[Writer | None], Token[Writer | None]]


class ToolHandler(TaskHandler):
    """Hears every tool that runs below the config it is attached to, and puts its events on the stream.

    One for each attempt of a task. An event is a dict: `{"event": "tool-started", "tool_call_id", "tool_name",
    "input"}`, `{"event": "tool-output-delta", "tool_call_id", "delta"}`, `{"event": "tool-finished", "tool_call_id",
    "output"}` or `{"event": "tool-error", "tool_call_id", "message"}`. The id of a tool that no model called is that
    of its run in a trace. A tool that asks the caller has no end: it runs again with the answer.
    """

    def __init__(self, emit: Emit, **options: Any) -> None:
        super().__init__(emit, **options)
        #: by LangChain's run id: namespace and call id of tools that run, and what was set for them
        self._calls: dict[uuid.UUID, tuple[tuple[str, ...], str, list[_Set]]] = {}

    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: uuid.UUID,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        inputs: dict[str, Any] | None = None,
        **rest: Any,
    ) -> None:
        """A tool is called: tell it, unless nobody is to hear it."""
        del input_str
        place = None if tags and TAG_NOSTREAM in tags else self._place(metadata)
        if place is None:
            return
        ns, id_ = place[1], str(rest.get("tool_call_id") or run_id)

        def write(delta: Any) -> None:
            self._tell(ns, {"event": "tool-output-delta", "tool_call_id": id_, "delta": delta})

        self._calls[run_id] = ns, id_, [(variable, variable.set(write)) for variable in _writers()]
        name = (serialized or {}).get("name") or rest.get("name") or ""
        payload: dict[str, Any] = {"event": "tool-started", "tool_call_id": id_, "tool_name": name}
        if inputs is not None:
            payload["input"] = inputs
        self._tell(ns, payload)

    def on_tool_end(self, output: Any, *, run_id: uuid.UUID, **_: Any) -> None:
        """A tool has its output."""
        call = self._ended(run_id)
        if call is not None:
            ns, id_ = call
            self._tell(ns, {"event": "tool-finished", "tool_call_id": id_, "output": _plain(output)})

    def on_tool_error(self, error: BaseException, *, run_id: uuid.UUID, **_: Any) -> None:
        """A tool has failed. One that asks, or is drained, has not: it runs again."""
        call = self._ended(run_id)
        if call is not None and not isinstance(error, _pauses()):
            ns, id_ = call
            self._tell(ns, {"event": "tool-error", "tool_call_id": id_, "message": str(error)})

    def _ended(self, run_id: uuid.UUID) -> tuple[tuple[str, ...], str] | None:
        call = self._calls.pop(run_id, None)
        if call is None:
            return None
        for variable, token in call[2]:
            with suppress(ValueError):  # LangChain may tell of the end in another context, which ends with the tool
                variable.reset(token)
        return call[:2]

    def _tell(self, ns: tuple[str, ...], payload: dict[str, Any]) -> None:
        self._put(STREAMED, (ns, "tools", payload), None)


def _pauses() -> tuple[type[BaseException], ...]:
    """What a tool raises that is to run again: drumline's classes, and LangGraph's, whose tools may run here."""
    theirs = loaded("langgraph.errors")
    names = ("GraphInterrupt", "GraphDrained")  # the second is missing in early versions
    return GraphInterrupt, GraphDrained, *(getattr(theirs, name) for name in names if hasattr(theirs, name))


def _writers() -> list[ContextVar[Writer | None]]:
    """Where tools look for their writer: LangGraph's `ToolRuntime` has a place of its own."""
    theirs = getattr(loaded("langgraph.pregel._tools"), "_tool_call_writer", None)
    return [writer] if theirs is None else [writer, theirs]


def _plain(output: Any) -> Any:
    """A tool's output; a command that was dressed up to come out of the tool is a plain one."""
    if type(output) is list:
        return [_plain(item) for item in output]
    if isinstance(output, Command) and type(output) is not Command:
        return Command(graph=output.graph, update=output.update, resume=output.resume, goto=output.goto)
    return output
