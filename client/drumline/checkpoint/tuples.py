"""Between the rows of threads and LangGraph's dicts of checkpoints. No IO.

A row that drumline has written is shown as LangGraph would have written it; one that LangGraph has `put` is given back
as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from drumline.checkpoint.base.types import (
    WRITES_IDX_MAP,
    Checkpoint,
    CheckpointTuple,
    get_checkpoint_metadata,
)
from drumline.threads.encoder import PLAIN, Encoder
from drumline.threads.encoding import INLINE_BYTES_MAX, cells_of, encode_metadata
from drumline.threads.foreign import shown_values
from drumline.threads.packed_facts import decode_facts, encode_facts
from drumline.threads.rows import STAYS, Cell, CheckpointRow, Found, Kept, Row, Slot, ValueRow, WritesRow
from drumline.threads.written import pending_of
from drumline_graph.program import Program
from drumline_protocol.checkpoints import ERROR

#: the version of LangGraph's form that rows of drumline are shown in
SHOWN_VERSION = 4


def config_of(thread: str, ns: str, checkpoint: str) -> dict[str, Any]:
    """The config that names a checkpoint."""
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ns, "checkpoint_id": checkpoint}}


def place_of(config: Mapping[str, Any]) -> tuple[str, str, str]:
    """Thread, namespace and checkpoint id that a config names."""
    configurable = config["configurable"]
    thread, ns = str(configurable["thread_id"]), configurable.get("checkpoint_ns") or ""
    return thread, ns, configurable.get("checkpoint_id") or ""


def tuple_of(encoder: Encoder, found: Found, program: Program | None) -> CheckpointTuple:
    """A checkpoint as LangGraph's savers give it. DecodeError for values of classes that are not known here.

    `program` is the graph at its namespace; None if it is not there.
    """
    row = found.row
    facts = decode_facts(row.facts)
    metadata: Any = PLAIN.decode(row.metadata)
    values = cells_of(encoder, found)
    theirs = facts.get("theirs")
    if theirs is None:
        own = {"source": facts["source"], "step": facts["step"], "parents": facts.get("parents", {})}
        metadata = {**metadata, **own}
        at = datetime.fromtimestamp(facts["at"] / 1000, timezone.utc)
        theirs = {"v": SHOWN_VERSION, "ts": at.isoformat()}
        values = shown_values(values, facts["versions"], program)
        facts["seen"] = {"__input__": {}, **facts["seen"]}
    checkpoint: Any = {
        **theirs,
        "id": row.id,
        "channel_values": values,
        "channel_versions": facts["versions"],
        "versions_seen": facts["seen"],
        "updated_channels": facts.get("updated"),
    }
    return CheckpointTuple(
        config_of(row.thread, row.ns, row.id),
        checkpoint,
        metadata,
        config_of(row.thread, row.ns, row.parent) if row.parent else None,
        [(task, channel, _told(channel, value)) for task, channel, value in pending_of(encoder, found)],
    )


def _told(channel: str, value: Any) -> Any:
    """A pending write as LangGraph's savers give it: an error is told as text."""
    return repr(value) if channel == ERROR and isinstance(value, BaseException) else value


def put_rows(
    encoder: Encoder,
    config: Mapping[str, Any],
    checkpoint: Checkpoint,
    metadata: Mapping[str, Any],
    new_versions: Mapping[str, Any],
    parent: CheckpointRow | None,
) -> list[Row]:
    """The rows of a checkpoint that LangGraph puts. `parent` is the row of the checkpoint that it follows.

    EncodeError for a value that the codec does not take.
    """
    thread, ns, parent_id = place_of(config)
    id_, versions = checkpoint["id"], checkpoint["channel_versions"]
    before: Mapping[str, Any] = {} if parent is None else decode_facts(parent.facts)["versions"]
    rows: list[Row] = []
    cells: dict[str, Cell] = {}
    for channel, version in versions.items():
        known = None if parent is None else parent.cells.get(channel)
        if channel not in new_versions and known is not None and before.get(channel) == version:
            cells[channel] = known
        elif channel in checkpoint["channel_values"]:
            data = encoder.data(checkpoint["channel_values"][channel], f"channel_values[{channel!r}]")
            if len(data) <= INLINE_BYTES_MAX:
                cells[channel] = data
            else:
                rows.append(ValueRow(thread, ns, channel, id_, "", data))
                cells[channel] = Kept(id_, id_, len(data), len(data))
    shown = get_checkpoint_metadata(config, metadata)
    fields = {key: value for key, value in checkpoint.items() if key not in _ELSEWHERE}
    facts = {
        "source": shown.get("source", ""),
        "step": shown.get("step", 0),
        "at": _milliseconds(checkpoint["ts"]),
        "versions": dict(versions),
        "seen": {node: dict(seen) for node, seen in checkpoint["versions_seen"].items()},
        "parents": shown.get("parents", {}),
        "theirs": fields,
    }
    if checkpoint.get("updated_channels") is not None:
        facts["updated"] = list(checkpoint["updated_channels"] or ())
    run = str(shown.get("run_id") or "")
    return [
        *rows,
        CheckpointRow(thread, ns, id_, parent_id, "", run, encode_facts(facts), encode_metadata(shown), cells),
    ]


#: fields of a checkpoint that a row has elsewhere
_ELSEWHERE = frozenset(
    ("id", "channel_values", "channel_versions", "versions_seen", "updated_channels"),
)


def _milliseconds(ts: Any) -> float:
    try:
        return datetime.fromisoformat(str(ts).replace("Z", "+00:00")).timestamp() * 1000
    except ValueError:
        return 0.0


def put_writes_row(
    encoder: Encoder, config: Mapping[str, Any], writes: Sequence[tuple[str, Any]], task: str, path: str
) -> WritesRow:
    """The row of writes that LangGraph puts: the newest of what became of a task holds, else the first one stays."""
    thread, ns, checkpoint = place_of(config)
    slots = [
        Slot(WRITES_IDX_MAP.get(channel, index), channel, encoder.data(value, f"writes[{channel!r}]"))
        for index, (channel, value) in enumerate(writes)
    ]
    return WritesRow(thread, ns, checkpoint, task, path, slots, STAYS)
