"""What each field of a fact or message must be, as it comes from the wire: a table of shapes.

A shape is a function that gives the value as the class has it, and raises `Misshapen` for anything else. What has
passed can be relied on: texts that become keys can be encoded, numbers are not negative where they count, what is
iterated over is a list of what its annotation says. Values of the user (`Any`) are not looked into.
"""

from __future__ import annotations

from typing import Any

from drumline_protocol import checkpoints as c
from drumline_protocol import facts as f
from drumline_protocol import messages as m
from drumline_protocol.codec_builtin import Named
from drumline_protocol.wire_parts import (
    Misshapen,
    Shape,
    answers,
    anything,
    boxed,
    bursts,
    call_path,
    cell_at,
    change,
    command,
    delay,
    dict_of,
    emitted,
    failure,
    flag,
    free_text,
    interrupts,
    kept,
    keys,
    moment,
    name,
    name_or_none,
    number,
    optional,
    pairs,
    task_path,
    text,
    time_limits,
    tuple_of,
    writes,
)

# -- rows inside of rows ---------------------------------------------------------------------------


def row(cls: type, *shapes: Shape) -> Shape:
    """A list from the wire as an object of `cls`; fields that a newer drumline added are left out."""

    def shape(value: Any) -> Any:
        if type(value) is not list or len(value) < len(shapes):
            raise Misshapen(f"must be a list of {len(shapes)} or more for a {cls.__name__}")
        return cls(*[each(part) for each, part in zip(shapes, value, strict=False)])

    return shape


planned_task = row(f.PlannedTask, name, text, task_path, tuple_of(free_text), anything, flag)
kept_task = row(
    f.TaskKept,
    name,
    text,
    task_path,
    tuple_of(free_text),
    anything,
    text,
    text,
    number(1),
    number(0),
    number(0),
    text,
    number(0),
    optional(writes),
    interrupts,
    free_text,
    answers,
    number(1),
    moment,
    moment,
    number(0),
    text,
    optional(failure),
    name_or_none,
    tuple_of(free_text),
    free_text,
    number(0),
    number(0),
)
node_sketch = row(f.NodeSketch, keys, tuple_of(free_text), text, optional(dict_of()), tuple_of(free_text), flag)
sketch = row(f.Sketch, text, keys, keys, dict_of(node_sketch), dict_of(text))


def tasks(value: Any) -> list[f.PlannedTask]:
    """The tasks of a plan."""
    return list(tuple_of(planned_task)(value))


def kept_tasks(value: Any) -> list[f.TaskKept]:
    """The tasks of a graph in a head."""
    return list(tuple_of(kept_task)(value))


task_thread = row(m.TaskThread, text, dict_of(text), flag, dict_of(), bursts, dict_of(text), optional(text), text)


def kept_cell(value: Any) -> Any:
    """How a cell of a head is kept: five numbers, or the name of a blob."""
    if type(value) is Named or (type(value) is list and len(value) == 5 and all(type(n) is int for n in value)):
        return value
    raise Misshapen("must be a list of five numbers, or the name of a value")


def held_at(value: Any) -> c.HeldAt:
    """Where a value of a row stands: four numbers."""
    if type(value) is list and len(value) == 4 and all(type(n) is int for n in value):
        return c.HeldAt(*value)
    raise Misshapen("must be a list of four numbers")


def pending(value: Any) -> list[Any]:
    """Pending writes of a checkpoint: task, channel, value."""
    if type(value) is list and all(
        type(each) is list and len(each) == 3 and type(each[0]) is type(each[1]) is str for each in value
    ):
        return [tuple(each) for each in value]
    raise Misshapen("must be a list of pending writes")


def dropped(value: Any) -> tuple[Any, ...]:
    """Tasks that will not run: name and triggers."""
    if type(value) is list and all(type(each) is list and len(each) == 2 for each in value):
        return tuple((text(name_), tuple_of(free_text)(triggers)) for name_, triggers in value)
    raise Misshapen("must be a list of names with triggers")


# -- the table -------------------------------------------------------------------------------------

#: By class and field, or by field where it is the same in all classes.
FIELDS: dict[Any, Shape] = {
    **dict.fromkeys(("run", "run_id", "task", "executor"), name),
    (m.AttemptLost, "task"): name_or_none,  # none, with attempt 0: its run shall be looked at
    (m.AttemptLost, "attempt"): number(0),
    (m.TimerDue, "attempt"): number(0),
    (f.Emitted, "executor"): text,  # empty for a graph that a node called
    (f.TaskFinished, "executor"): text,
    (f.TaskFailed, "executor"): text,
    (f.TaskInterrupted, "executor"): text,
    (f.AttemptRetracted, "executor"): text,
    (f.TaskRetried, "executor"): text,
    "graph": name,
    (f.RunStarted, "graph"): text,  # empty for a run that was rejected
    (m.TaskMessage, "node"): free_text,  # a worker answers that it has no such node
    "ns": tuple_of(text),
    "triggers": tuple_of(free_text),
    "written": tuple_of(free_text),
    "tags": tuple_of(free_text),
    (f.GraphEntered, "path"): text,
    (f.GraphEntered, "task"): name_or_none,
    (f.GraphKept, "task"): name_or_none,
    (f.GraphKept, "updates"): anything,
    "rest": anything,
    "path": task_path,
    "attempt": number(1),
    "called_in": number(1),
    "events": number(-1),
    "tries": number(1),
    "unfit_answer": number(-1),
    "retry_ms": delay,
    "drain": free_text,
    "step": number(-1),
    "reason": free_text,
    (f.Noticed, "text"): free_text,
    "metadata": optional(dict_of()),
    (f.RunStarted, "metadata"): dict_of(),
    "changes": dict_of(change),
    "kept": dict_of(kept),
    (f.GraphKept, "kept"): dict_of(kept_cell),
    (f.GraphKept, "tasks"): kept_tasks,
    (f.GraphKept, "path"): text,
    "flags": tuple_of(text),
    "noticed": tuple_of(free_text),
    "output": anything,
    "sketches": optional(dict_of(sketch)),
    "keys": optional(keys),
    (m.TaskMessage, "writes"): optional(writes),
    "writes": writes,
    "interrupts": interrupts,
    "command": command,
    (f.RunFinished, "error"): optional(failure),
    (m.TaskMessage, "error"): optional(failure),
    (m.TaskMessage, "failed"): free_text,
    (m.TaskMessage, "timeout"): optional(time_limits),
    (f.ErrorHandled, "id"): name,
    (f.ErrorHandled, "name"): text,
    "error": failure,
    "shared": boxed,
    (m.Events, "items"): bursts,
    "items": emitted,
    (f.PlanMade, "tasks"): tasks,
    (f.TaskCalled, "path"): call_path,
    "caller": name,
    "args": anything,
    "code": free_text,
    "params": tuple_of(free_text),
    (m.TaskCall, "name"): free_text,
    (m.TaskCall, "error"): optional(failure),
    (m.CallEnded, "writes"): optional(writes),
    (m.CallEnded, "error"): optional(failure),
    (m.CallEnded, "interrupts"): optional(interrupts),
    (f.GraphKept, "left"): pending,
    (f.Checkpointed, "id"): name,
    (f.Checkpointed, "tasks"): optional(tasks),
    (f.Checkpointed, "pending"): pending,
    (f.Checkpointed, "metadata"): dict_of(),
    (f.InputTaken, "dropped"): dropped,
    "answers": answers,
    (c.Checkpoint, "ns"): text,
    (c.Checkpoint, "id"): name,
    (c.Checkpoint, "tasks"): tasks,
    (c.Checkpoint, "updated"): optional(tuple_of(free_text)),
    (c.Checkpoint, "metadata"): dict_of(),
    (c.Checkpoint, "kept"): dict_of(kept_cell),
    (c.TaskWrites, "ns"): text,
    (c.TaskWrites, "writes"): pairs,
    "held": tuple_of(held_at),
    (m.ThreadSaves, "graph"): text,
    (m.PruneThread, "retention"): dict_of(),
    (m.DescribeThread, "metadata"): dict_of(),
    "below": optional(task_thread),
    "rows": bursts,
    (m.Cancel, "tasks"): tuple_of(name),
    "named": dict_of(cell_at),
    "input": anything,
    "context": anything,
    "arg": anything,
}

#: By annotation, for fields that the table above leaves out. Not for `Any`: what such a field is must be said.
ANNOTATED: dict[str, Shape] = {
    "str": text,
    "str | None": optional(text),
    "int": number(0),
    "bool": flag,
    "float": moment,
    "tuple[str, ...]": tuple_of(text),
    "dict[str, Any]": dict_of(),
    "dict[str, str]": dict_of(text),
    "dict[str, int]": dict_of(number(0)),
    "dict[str, dict[str, int]]": dict_of(dict_of(number(0))),
}


def shape_of(cls: type, field: str, annotation: Any) -> Shape:
    """The shape of one field. LookupError for one that neither table has: add it."""
    found = FIELDS.get((cls, field)) or FIELDS.get(field) or ANNOTATED.get(annotation)
    if found is None:
        raise LookupError(f"{cls.__name__}.{field}: {annotation} has no shape; name it in FIELDS")
    return found
