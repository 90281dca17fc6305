"""Checkpoints and writes of a thread as LangGraph's savers take and give them, and back: no IO.

What drumline writes is what LangGraph itself would have written of the same step, with one exception: delta channels
are stored whole at each change, where LangGraph stores them now and then and replays writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from drumline.langgraph.their_ids import Names
from drumline.langgraph.values import our_value, their_value
from drumline.threads.foreign import ranks, shown_values, taken_cells
from drumline_coordinator.loading import tasks_of
from drumline_graph.channels import BinaryOperatorAggregate, DeltaChannel
from drumline_graph.channels.base import MISSING, UNCHANGED
from drumline_graph.constants import INTERRUPT, TASKS
from drumline_graph.program import Program
from drumline_graph.superstep import path_key_of
from drumline_protocol.checkpoints import NULL_TASK, Checkpoint, Saved, TaskWrites
from drumline_protocol.codec import unbox

try:
    from langgraph.checkpoint.serde.types import _DeltaSnapshot as Snapshot
except ImportError:  # before delta channels

    def Snapshot(value: Any) -> Any:  # type: ignore[no-redef]
        """A value stands for itself."""
        return value


#: the version of the form that LangGraph 1.2 writes
VERSION = 4

#: in the metadata of a graph with `migrate=`: the version of the graph that made a checkpoint
FINGERPRINT = "drumline_fingerprint"

#: keys of `versions_seen` that name no node
_INPUT = "__input__"


@dataclass(slots=True)
class Place:
    """What is known of one namespace of a thread in LangGraph's words: as of the checkpoint that was read or put last.

    `versions` has LangGraph's version for each of ours, `stored` those of the channels that the saver has. `null` are
    the writes from outside of any task on top of the checkpoint `at`.
    """

    at: str = ""
    versions: dict[int, Any] = field(default_factory=dict)
    stored: dict[str, Any] = field(default_factory=dict)
    null: list[tuple[str, Any]] = field(default_factory=list)

    def version(self, number: int, following: Any) -> Any:
        """LangGraph's version for one of ours; a new one is made by the saver's `get_next_version`."""
        if number not in self.versions:
            top = max(self.versions, default=0)
            self.versions[number] = following(self.versions[top] if top else None, None)
        return self.versions[number]


def config_at(thread: str, ns: str, checkpoint: str = "") -> dict[str, Any]:
    """The config that names a place in a thread."""
    configurable = {"thread_id": thread, "checkpoint_ns": ns}
    if checkpoint:
        configurable["checkpoint_id"] = checkpoint
    return {"configurable": configurable}


# -- to LangGraph -------------------------------------------------------------------------------------


def put_of(
    program: Program, thread: str, checkpoint: Checkpoint, place: Place, names: Names, following: Any
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The arguments of a saver's `put`: config, checkpoint, metadata, new versions. `place` is moved to it.

    `names` knows the tasks of the graphs around it.
    """
    for number in sorted({*checkpoint.versions.values(), *(v for s in checkpoint.seen.values() for v in s.values())}):
        place.version(number, following)
    versions = {channel: place.versions[number] for channel, number in checkpoint.versions.items()}
    seen = {node: {c: place.versions[n] for c, n in of.items()} for node, of in checkpoint.seen.items()}
    values = shown_values(checkpoint.cells, versions, program)
    for channel, value in values.items():
        if isinstance(program.channels.get(channel), DeltaChannel):
            values[channel] = Snapshot(value)
        elif channel == TASKS:
            values[channel] = [their_value(item) for item in value]
    config: dict[str, Any] = config_at(thread, names.their_ns(checkpoint.ns), checkpoint.parent)
    config["metadata"] = dict(checkpoint.metadata)
    put = {
        "v": VERSION,
        "ts": datetime.fromtimestamp(checkpoint.at_ms / 1000, timezone.utc).isoformat(),
        "id": checkpoint.id,
        "channel_values": values,
        "channel_versions": versions,
        "versions_seen": {_INPUT: {}, **seen},
        "updated_channels": None if checkpoint.updated is None else sorted(checkpoint.updated),
    }
    parents = {names.their_ns(ns): id_ for ns, id_ in checkpoint.parents.items()}
    metadata = {"source": checkpoint.source, "step": checkpoint.step, "parents": parents}
    if program.migrate is not None:  # LangGraph has no place for it, so it stands there only where it is needed
        metadata[FINGERPRINT] = checkpoint.fingerprint
    new = {channel: version for channel, version in versions.items() if place.stored.get(channel) != version}
    place.at, place.stored, place.null = checkpoint.id, versions, []
    return config, put, metadata, new


def writes_of(
    thread: str, saved: TaskWrites, place: Place, names: Names
) -> tuple[dict[str, Any], list[tuple[str, Any]], str, str]:
    """The arguments of a saver's `put_writes`: config, writes, task id, task path."""
    ns = names.their_ns(saved.ns)
    writes = [(channel, _their_write(saved, channel, unbox(value), names)) for channel, value in saved.writes]
    if saved.task == NULL_TASK:  # savers know an ordinary write by its place among all of its task
        if place.at != saved.checkpoint:
            place.at, place.null = saved.checkpoint, []
        writes = place.null = [*place.null, *writes]
    path = path_key_of(saved.path) if saved.path else ""
    return config_at(thread, ns, saved.checkpoint), writes, names.theirs(saved.task), path


def _their_write(saved: TaskWrites, channel: str, value: Any, names: Names) -> Any:
    if channel == INTERRUPT and isinstance(value, (list, tuple)):
        return tuple(_question(their_value(item), _task_ns(saved.ns, saved), names.their_question) for item in value)
    if channel == TASKS:
        return their_value(value)
    return value


def _task_ns(ns: str, saved: TaskWrites) -> str:
    node = str(saved.path[1]) if saved.path and isinstance(saved.path[1], str) else ""
    return f"{ns}|{node}:{saved.task}" if ns else f"{node}:{saved.task}"


def _question(asked: Any, ns: str, renamed: Any) -> Any:
    id_ = getattr(asked, "id", None)
    if not isinstance(id_, str):
        return asked
    new = renamed(ns, id_)
    return asked if new == id_ else _with_id(asked, new)


def _with_id(asked: Any, id_: str) -> Any:
    schema = getattr(asked, "response_schema", None)
    given = {} if schema is None else {"response_schema": schema}
    return type(asked)(asked.value, id=id_, **given)


# -- from LangGraph -----------------------------------------------------------------------------------


def unseen_deltas(program: Program, checkpoint: Mapping[str, Any]) -> list[str]:
    """Channels whose value a checkpoint does not hold, since LangGraph replays their writes."""
    values, versions = checkpoint["channel_values"], checkpoint["channel_versions"]
    return [
        name
        for name, spec in program.channels.items()
        if isinstance(spec, (DeltaChannel, BinaryOperatorAggregate)) and name in versions and name not in values
    ]


def replayed(program: Program, histories: Mapping[str, Any]) -> dict[str, Any]:
    """The values of delta channels, out of what `get_delta_channel_history` gives."""
    values: dict[str, Any] = {}
    for name, history in histories.items():
        spec = program.channels[name]
        cell = _plain(history["seed"]) if "seed" in history else spec.initial()
        for _, _, written in history["writes"]:
            new = spec.update(cell, [our_value(written)])
            cell = cell if new is UNCHANGED else new
        if cell is not MISSING:
            values[name] = cell
    return values


def _plain(value: Any) -> Any:
    return value.value if type(value) is Snapshot else value


def saved_of(
    program: Program, found: Any, ns: str, deltas: Mapping[str, Any], names: Names, *, is_head: bool
) -> tuple[Saved, Place]:
    """A checkpoint that a saver has given (`found` is its tuple), and what is known of its place. `ns` is our name."""
    checkpoint, metadata = found.checkpoint, dict(found.metadata or {})
    theirs, seen = checkpoint["channel_versions"], checkpoint["versions_seen"]
    order = ranks(theirs, seen)
    numbers = {version: number for number, version in enumerate(order, 1)}
    held = {name: _plain(value) for name, value in checkpoint["channel_values"].items()}
    values = {**held, **deltas}
    if TASKS in values:
        values[TASKS] = [our_value(item) for item in values[TASKS]]
    parent = (found.parent_config or {}).get("configurable", {}).get("checkpoint_id") or ""
    own = {"source", "step", "parents"}
    fingerprint = metadata.pop(FINGERPRINT, "")
    updated = checkpoint.get("updated_channels")
    ours = Checkpoint(
        checkpoint["id"],
        ns,
        parent,
        metadata.get("source", ""),
        metadata.get("step", -1),
        _milliseconds(checkpoint.get("ts")),
        taken_cells(values, theirs, program, fingerprint),
        {channel: numbers[version] for channel, version in theirs.items() if version in numbers},
        {
            node: {channel: numbers[version] for channel, version in of.items() if version in numbers}
            for node, of in seen.items()
            if node != _INPUT
        },
        None if updated is None else tuple(updated),
        [],
        {names.our_ns(of): id_ for of, id_ in (metadata.get("parents") or {}).items()},
        {key: value for key, value in metadata.items() if key not in own},
        fingerprint,
    )
    saved = Saved(ours, [], is_head)
    ours.tasks = tasks_of(program, saved)
    names.pair_tasks(ours.id, ns, ours.step + 1, ours.tasks)
    pending = found.pending_writes or []
    saved.pending = [(names.ours(task), channel, our_value(value)) for task, channel, value in pending]
    rename_questions(saved, names)
    null = [(channel, value) for task, channel, value in pending if task == NULL_TASK]
    return saved, Place(ours.id, dict(enumerate(order, 1)), dict(theirs), null)


def asked_below(saved: Saved, names: Names) -> list[str]:
    """Where questions were asked whose ids are LangGraph's still: the namespaces of the graphs in these tasks."""
    of, found = _places_of_tasks(saved), []
    for task, channel, value in saved.pending:
        asked = value if channel == INTERRUPT and isinstance(value, (list, tuple)) else ()
        if task in of and any(names.theirs(item.id) == item.id for item in asked):
            found.append(of[task])
    return found


def rename_questions(saved: Saved, names: Names) -> None:
    """Give the questions that wait the ids that drumline gives them.

    Those of graphs within are known once the checkpoints of these were read.
    """
    ns, of = saved.checkpoint.ns, _places_of_tasks(saved)
    saved.pending = [
        (task, channel, _renamed(value, of.get(task, ns), names) if channel == INTERRUPT else value)
        for task, channel, value in saved.pending
    ]


def _places_of_tasks(saved: Saved) -> dict[str, str]:
    above = f"{saved.checkpoint.ns}|" if saved.checkpoint.ns else ""
    return {task.id: f"{above}{task.name}:{task.id}" for task in saved.checkpoint.tasks}


def _renamed(value: Any, ns: str, names: Names) -> Any:
    asked: Sequence[Any] = value if isinstance(value, (list, tuple)) else (value,)
    return tuple(_question(item, ns, names.our_question) for item in asked)


def _milliseconds(ts: Any) -> float:
    try:
        return datetime.fromisoformat(str(ts).replace("Z", "+00:00")).timestamp() * 1000
    except ValueError:
        return 0.0
