"""The head of a thread: what is known of it without reading its history. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from drumline_protocol.checkpoints import Checkpoint, Save
from drumline_protocol.codec import Codec
from drumline_protocol.errors import DecodeError
from drumline_protocol.packed_rows import packed_id, unpacked_id

#: where a thread is in its life
IDLE, BUSY, PAUSED, FAILED = "idle", "busy", "paused", "failed"

#: what to do with a run on a thread that is busy
Strategy = Literal["reject", "enqueue", "interrupt", "rollback"]
STRATEGIES = ("reject", "enqueue", "interrupt", "rollback")

#: answered questions that a head remembers
ANSWERED_MAX = 64


@dataclass(slots=True)
class ThreadHead:
    """What the hash of a thread holds.

    `head` is the newest checkpoint of its root graph, `last` the newest one of whatever graph, `row` the last row of
    its history, `version` the number of the last change of a cell. `run` is the run that holds the thread, or that held
    it last. `base_*` are what those were before that run began. `answered` says which run has answered which
    question, `called` in which row the newest checkpoint of each graph lies that has one history for all its calls,
    `retention` what is kept of this thread, if it has rules of its own (`Retention.as_dict`).
    """

    id: str
    status: str = IDLE
    head: str = ""
    row: str = "0-0"
    last: str = ""
    version: int = 0
    run: str = ""
    graph: str = ""
    fingerprint: str = ""
    created_ms: int = 0
    updated_ms: int = 0
    base_status: str = IDLE
    base_head: str = ""
    base_row: str = "0-0"
    base_run: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    answered: dict[str, str] = field(default_factory=dict)
    called: dict[str, str] = field(default_factory=dict)
    base_called: dict[str, str] = field(default_factory=dict)
    retention: dict[str, Any] = field(default_factory=dict)
    #: what the hash holds already
    stored: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)

    def begin(self, run: str, graph: str, fingerprint: str, at_ms: int, metadata: Mapping[str, Any]) -> None:
        """A run holds the thread from now on."""
        self.base_status, self.base_run, self.base_head, self.base_row = self.status, self.run, self.head, self.row
        self.base_called = dict(self.called)
        if self.status == BUSY:  # its run has vanished
            self.base_status = FAILED
        self.status, self.run, self.graph, self.fingerprint = BUSY, run, graph, fingerprint
        self.created_ms = self.created_ms or at_ms
        self.metadata = {**self.metadata, **metadata}

    def end(self, status: str, *, is_root: bool = True) -> None:
        """The run of the thread has ended with that status. One that has changed nothing leaves it as it was.

        So does one that is not of the root graph: it has changed the state of a graph within, which waits as before.
        """
        if not is_root or self.row == self.base_row:
            self.status, self.run = self.base_status, self.base_run
        else:
            self.status = {"paused": PAUSED, "failed": FAILED}.get(status, IDLE)

    def take_back(self) -> None:
        """What the run has added is gone. Ids of rows are not used again."""
        self.status, self.head, self.called = self.base_status, self.base_head, dict(self.base_called)

    def take_in(self, saves: Sequence[Save], graph: str, at_ms: int) -> None:
        """Somebody has added this from outside of any run."""
        made = [save for save in saves if isinstance(save, Checkpoint)]
        self.last = max([self.last, *(save.id for save in made)])
        self.version = max([self.version, *(max(save.versions.values(), default=0) for save in made)])
        self.graph = self.graph or graph
        self.created_ms = self.created_ms or at_ms
        if any(not save.ns for save in made):
            self.status = IDLE

    def note_answers(self, ids: Mapping[str, Any], run: str) -> None:
        """The run has answered these questions."""
        self.answered.update(dict.fromkeys((id_ for id_ in ids if id_), run))
        while len(self.answered) > ANSWERED_MAX:
            del self.answered[next(iter(self.answered))]


#: what nearly each commit changes, and what each run does: one field of the hash each
_NOW = ("row", "head", "last", "version", "updated_ms")
_BASE = ("base_status", "base_head", "base_row", "base_run")
_PACKED = {"now": _NOW, "base": _BASE}
_ALONE = [x for x in fields(ThreadHead) if x.name not in (*_NOW, *_BASE, "id") and x.compare]
_TEXTS = [x.name for x in _ALONE if x.type == "str"]
_NUMBERS = [x.name for x in _ALONE if x.type == "int"]
_DICTS = [x.name for x in _ALONE if str(x.type).startswith("dict")]
_TYPES: dict[str, type] = {x.name: int if x.type == "int" else str for x in fields(ThreadHead)}

#: digits of a number in a head
_DIGITS_MAX = 18


def changed_fields(codec: Codec, head: ThreadHead) -> dict[str, str | bytes | int]:
    """A head as fields of a hash: those that its hash does not hold yet. From now on it does."""
    found = {name: str(getattr(head, name)).encode() for name in (*_TEXTS, *_NUMBERS)}
    found.update((name, codec.encode(getattr(head, name))) for name in _DICTS)
    found.update((name, _packed(codec, head, names)) for name, names in _PACKED.items())
    changed: dict[str, str | bytes | int] = {
        name: data for name, data in found.items() if head.stored.get(name) != data
    }
    head.stored = found
    return changed


def _packed(codec: Codec, head: ThreadHead, names: Sequence[str]) -> bytes:
    """Several attributes in few bytes."""
    values = [getattr(head, name) for name in names]
    return codec.encode([packed_id(value) if type(value) is str else value for value in values])


def head_in(codec: Codec, thread: str, record: Mapping[str, bytes]) -> ThreadHead | None:
    """The head in a hash; None for an empty one. DecodeError for one that is none."""
    if not record:
        return None
    head = ThreadHead(thread, stored=dict(record))
    for name in _TEXTS:
        setattr(head, name, record.get(name, b"").decode("utf-8", "replace"))
    for name in _NUMBERS:
        text = record.get(name, b"0")
        if not text.isdigit() or len(text) > _DIGITS_MAX:
            raise DecodeError(f"the head of thread {thread!r} is damaged: {name} is no number")
        setattr(head, name, int(text))
    for name in _DICTS:
        value = codec.decode(record[name]) if name in record else {}
        if type(value) is not dict:
            raise DecodeError(f"the head of thread {thread!r} is damaged: {name} is no dict")
        setattr(head, name, value)
    for field_, names in _PACKED.items():
        for name, value in zip(names, _unpacked(codec, thread, record, field_, names), strict=False):
            setattr(head, name, value)
    return head


def _unpacked(
    codec: Codec, thread: str, record: Mapping[str, bytes], field_: str, names: Sequence[str]
) -> Sequence[Any]:
    """The attributes in a field of a hash; none if it lacks that. DecodeError."""
    if field_ not in record:
        return ()
    values = codec.decode(record[field_])
    if type(values) is list and len(values) == len(names):
        values = [unpacked_id(value) if type(value) is bytes else value for value in values]
        if all(type(value) is _TYPES[name] for name, value in zip(names, values, strict=True)):
            return values
    raise DecodeError(f"the head of thread {thread!r} is damaged: {field_} does not hold {', '.join(names)}")
