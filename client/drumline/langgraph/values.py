"""LangGraph's control values as drumline's, and back: `Send`, `Command`, `Overwrite`, `Interrupt`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from typing import Any

from langgraph import types as theirs

from drumline.langgraph.crossing import register_control_values
from drumline.langgraph.policies import our_timeout
from drumline_graph import types as ours
from drumline_graph.callables import plain_name
from drumline_graph.errors import GraphInterrupt, ParentCommand

Write = tuple[str, Any]

register_control_values()

#: classes of commands that nodes of a LangGraph graph return
COMMANDS: tuple[type[Any], ...] = (theirs.Command, ours.Command)

_RESERVED = frozenset({"__error__", "__interrupt__", "__no_writes__", "__resume__", "__return__"})


def our_writes(writes: Iterable[Write]) -> list[Write]:
    """What a LangGraph node wrote, as drumline merges it. What its runner notes for itself stays out."""
    return [(channel, our_value(value)) for channel, value in writes if channel not in _RESERVED]


def our_value(value: Any) -> Any:
    """A written or emitted value: control values become drumline's, in lists and tuples too; all else is passed."""
    kind = type(value)
    if kind is theirs.Send:
        return _our_send(value)
    if kind is theirs.Overwrite:
        return ours.Overwrite(value.value)
    if kind is theirs.Command:
        return our_command(value)
    if kind is theirs.Interrupt:
        return _our_question(value, value.id)
    if kind in (list, tuple) and any(type(item) in _CONTROL for item in value):
        return kind(our_value(item) for item in value)
    return value


_CONTROL = (theirs.Send, theirs.Overwrite, theirs.Command, theirs.Interrupt)


def _our_send(send: Any) -> ours.Send:
    return ours.Send(plain_name(send.node), send.arg, timeout=our_timeout(getattr(send, "timeout", None)))


def our_command(command: Any) -> ours.Command[Any]:
    """A LangGraph `Command` as drumline's."""
    goto = command.goto
    if isinstance(goto, (list, tuple)):
        goto = [our_value(plain_name(item)) for item in goto]
    update = command.update
    if isinstance(update, dict):
        update = {key: our_value(value) for key, value in update.items()}
    elif isinstance(update, (list, tuple)):
        update = [(pair[0], our_value(pair[1])) if _is_pair(pair) else pair for pair in update]
    return ours.Command(graph=command.graph, update=update, resume=command.resume, goto=our_value(plain_name(goto)))


def _is_pair(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)


def our_interrupt(error: Any, our_id: Callable[[str], str] = str) -> GraphInterrupt:
    """LangGraph's `GraphInterrupt` as drumline's, whose questions have the ids that `our_id` makes of LangGraph's."""
    interrupts: Sequence[Any] = error.args[0] if error.args else ()
    return GraphInterrupt(tuple(_our_question(item, our_id(item.id)) for item in interrupts))


def _our_question(asked: Any, id_: str) -> ours.Interrupt[Any]:
    return ours.Interrupt(asked.value, id_, response_schema=getattr(asked, "response_schema", None))


def our_parent_command(error: Any) -> ParentCommand:
    """LangGraph's `ParentCommand` as drumline's: for the graph around the task's, whatever name that has."""
    command = our_command(error.args[0])
    return ParentCommand(ours.Command(graph=ours.Command.PARENT, update=command.update, goto=command.goto))


def their_value(value: Any) -> Any:
    """What a subgraph returned, or a caller gave, as LangGraph's writers take it."""
    kind = type(value)
    if kind is ours.Send:
        limit = {} if value.timeout is None else {"timeout": _their_timeout(value.timeout)}
        return theirs.Send(value.node, value.arg, **limit)
    if kind is ours.Overwrite:
        return theirs.Overwrite(value.value)
    if kind is ours.Command:
        return _their_command(value)
    if kind is ours.Interrupt:
        return _their_interrupt(value)
    if kind is list and any(type(item) is ours.Command for item in value):  # several that left a subgraph together
        return [their_value(item) for item in value]
    return value


def _their_timeout(given: ours.TimeoutPolicy) -> Any:
    return theirs.TimeoutPolicy(
        run_timeout=given.run_timeout, idle_timeout=given.idle_timeout, refresh_on=given.refresh_on
    )


def _their_command(command: ours.Command[Any]) -> Any:
    goto = command.goto
    goto = [their_value(item) for item in goto] if isinstance(goto, (list, tuple)) else their_value(goto)
    update = command.update
    if isinstance(update, dict):
        update = {key: their_value(value) for key, value in update.items()}
    elif isinstance(update, (list, tuple)):
        update = [tuple(map(their_value, pair)) if isinstance(pair, (list, tuple)) else pair for pair in update]
    return theirs.Command(graph=command.graph, update=update, resume=command.resume, goto=goto)


def _their_interrupt(asked: ours.Interrupt[Any]) -> Any:
    given: dict[str, Any] = {"id": asked.id, "response_schema": asked.response_schema}
    return theirs.Interrupt(asked.value, **{name: item for name, item in given.items() if name in _INTERRUPT_FIELDS})


_INTERRUPT_FIELDS = {field.name for field in fields(theirs.Interrupt)}
_OURS = (ours.Send, ours.Overwrite, ours.Command, ours.Interrupt)


def their_payload(payload: Any) -> Any:
    """A stream payload with LangGraph's control values: what `our_payload` was, as LangGraph itself would show it."""
    kind = type(payload)
    if kind is dict:
        return {key: their_payload(value) for key, value in payload.items()}
    if kind in (list, tuple) and payload and (type(payload[0]) in _OURS or type(payload[-1]) in _OURS):
        return kind(their_value(item) for item in payload)
    if kind is list and len(payload) < _UPDATES_MAX and any(type(item) is dict for item in payload):
        return [their_payload(item) for item in payload]  # several updates of one task
    return their_value(payload)


#: more than this is a history of the state, not the updates of one task
_UPDATES_MAX = 100


def their_output(output: Any) -> Any:
    """What `invoke` returns, with LangGraph's class of a v2 output."""
    if type(output) is ours.GraphOutput:
        interrupts: Any = output.interrupts  # as the view has shown them
        return theirs.GraphOutput(value=output.value, interrupts=interrupts)
    return output


def their_snapshot(snapshot: ours.StateSnapshot) -> Any:
    """What `get_state` returns, of LangGraph's classes."""
    tasks = tuple(
        theirs.PregelTask(
            task.id,
            task.name,
            task.path,
            task.error,
            tuple(map(their_value, task.interrupts)),
            their_snapshot(task.state) if isinstance(task.state, ours.StateSnapshot) else task.state,
            their_payload(task.result),
        )
        for task in snapshot.tasks
    )
    interrupts = tuple(map(their_value, snapshot.interrupts))
    return theirs.StateSnapshot(**{**snapshot._asdict(), "tasks": tasks, "interrupts": interrupts})
