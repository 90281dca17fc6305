"""Large values that task answers and facts name: those that the machine needs are read for it. Pure but for the reader.

The machine needs what goes into channels, and the arguments of `Send`s to subgraphs, which it enters itself. All other
arguments stay names: the worker of the task reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from drumline_coordinator.state import RunState
from drumline_graph.constants import TASKS
from drumline_graph.program import Node
from drumline_graph.types import Send
from drumline_protocol.codec import Boxed, Codec
from drumline_protocol.errors import DecodeError
from drumline_protocol.facts import Fact, GraphKept, StepCommitted, TaskFinished
from drumline_protocol.messages import TaskBubbled, TaskResult
from drumline_protocol.named import Named, may_name, names_in, names_of, resolve
from drumline_protocol.wire import decode_command, decode_writes

#: gives the bytes of blobs, in order; None for one that is gone
Read = Callable[[list[str]], list[bytes | None]]

#: blobs that one read asks for
_READ_MAX = 100


def open_answer(codec: Codec, state: RunState, message: Any, read: Read) -> None:
    """Put what an answer names, and the machine needs, into the answer."""
    task = state.tasks.get(getattr(message, "task", ""))
    if task is None or not isinstance(message, (TaskResult, TaskBubbled)):
        return
    box = message.writes if isinstance(message, TaskResult) else message.command
    if type(box) is Boxed and not may_name(box.data):
        return
    if isinstance(message, TaskBubbled):
        message.values = _values(codec, names_in(decode_command(box)), read)
        return
    writes = decode_writes(box)
    names = names_in(writes)
    if names:
        is_call = task.caller is not None  # whose result goes to a worker, and to no channel
        stay = names if is_call else _arguments(writes, task.scope.program.nodes)
        message.values = {name.blob: name for name in stay} | _values(codec, _without(names, stay), read)


def open_facts(codec: Codec, facts: list[Fact], read: Read) -> None:
    """Put what the facts of a log name, and the machine needs, into the facts. DecodeError if some of it is gone."""
    wanted: list[tuple[int, list[Named], Any]] = []
    for index, fact in enumerate(facts):
        if type(fact) is TaskFinished:
            if type(fact.writes) is not Boxed or may_name(fact.writes.data):
                writes = decode_writes(fact.writes)
                stay = _arguments(writes, {})
                wanted.append((index, _without(names_in(writes), stay), {name.blob: name for name in stay}))
        elif type(fact) is StepCommitted and fact.kept:
            wanted.append((index, names_in(fact), {}))
        elif type(fact) is GraphKept:
            writes = [pair for row in fact.tasks for pair in row.writes or ()]
            called = [pair for row in fact.tasks if row.caller for pair in row.writes or ()]
            stay = [*_arguments(writes, {}), *names_in(called)]
            names = [*_without(names_in(writes), stay), *(how for how in fact.kept.values() if type(how) is Named)]
            wanted.append((index, names, {name.blob: name for name in stay}))
    values = _values(codec, [name for _, names, _ in wanted for name in names], read)
    for index, names, stay_by_blob in wanted:
        fact = facts[index]
        for name in names:
            if name.blob not in values:
                raise DecodeError(f"the large value {name.blob} that its log names is gone")
        if type(fact) is TaskFinished:
            fact.opened = resolve(decode_writes(fact.writes), values | stay_by_blob)
        elif type(fact) is GraphKept:
            fact.cells.update((key, values[how.blob]) for key, how in fact.kept.items() if type(how) is Named)
            for row in fact.tasks:
                row.writes = row.writes and resolve(row.writes, values | stay_by_blob)
        elif type(fact) is StepCommitted:
            facts[index] = replace(resolve(fact, values), kept=fact.kept)


def _arguments(writes: Sequence[tuple[str, Any]], nodes: Mapping[str, Node]) -> list[Named]:
    """The names that stand for arguments of Sends to workers."""
    found: list[Named] = []
    for channel, value in writes:
        if channel == TASKS and type(value) is Send:
            node = nodes.get(value.node)
            if node is None or node.subprogram is None:
                found += names_of(value.arg)
    return found


def _without(names: Iterable[Named], stay: Sequence[Named]) -> list[Named]:
    ids = {name.blob for name in stay}
    return [name for name in names if name.blob not in ids]


def _values(codec: Codec, names: Sequence[Named], read: Read) -> dict[str, Any]:
    """The values of names by the ids of their blobs, without those that are gone."""
    ids = list(dict.fromkeys(name.blob for name in names))
    found: dict[str, Any] = {}
    for start in range(0, len(ids), _READ_MAX):
        page = ids[start : start + _READ_MAX]
        found.update((id_, codec.decode(data)) for id_, data in zip(page, read(page), strict=True) if data is not None)
    return found
