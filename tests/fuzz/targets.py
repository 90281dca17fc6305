"""Where frames go, and what may come of them: an outcome by name. Anything else raises out of here: a finding."""

from __future__ import annotations

import operator
from collections.abc import Callable
from random import Random
from typing import Annotated, Any
from zlib import crc32

from tests.coordinator.seat import Seat
from tests.fuzz.mutations import frame, of_trees
from tests.protocol import messages as samples
from tests.protocol.annotations import well_formed
from tests.protocol.samples import CODEC
from typing_extensions import TypedDict

from drumline.graph import START, StateGraph
from drumline_graph.types import Command
from drumline_protocol import messages as m
from drumline_protocol import wire
from drumline_protocol.codec import Boxed
from drumline_protocol.errors import DecodeError, ProtocolTooNew
from drumline_protocol.failure import describe, rebuild
from drumline_transport.broker import Delivery
from drumline_worker.job import Job
from drumline_worker.outbox import Outbox
from drumline_worker.registry import Registry
from drumline_worker.task_codec import TaskCodec
from drumline_worker.values import Values

Target = Callable[[Random], str]

ENCODED = {
    "inbox": [wire.encode(CODEC, thing) for thing in samples.INBOX],
    "tasks": [wire.encode(CODEC, thing) for thing in samples.TASKS],
    "ctl": [wire.encode(CODEC, thing) for thing in samples.CTL],
    "log": [CODEC.encode([1, [wire.to_row(fact)]]) for fact in samples.FACTS]
    + [CODEC.encode([1, [wire.to_row(fact) for fact in samples.FACTS]])],
    "item": [wire.encode_item(CODEC, *item) for item in samples.ITEMS],
    "boxed": [
        *(CODEC.encode(each) for each in ([list(pair) for pair in samples.WRITES], [samples.PLANNED[0].arg])),
        CODEC.encode(Command(goto="b", update={"text": "y"}, graph=Command.PARENT)),
        CODEC.encode([samples.FACTS[9].interrupts[0]]),
        CODEC.encode(samples.FAILURE),
        CODEC.encode(wire.to_row(samples.SHARED)),
    ],
}
KINDS = {type(thing) for thing in samples.EVERYTHING}
ALL = [data for group in ENCODED.values() for data in group]


def _told(read: Callable[[bytes], Any], data: bytes) -> str:
    """What `read` makes of a frame: the name of a class, or of an allowed error."""
    try:
        found = read(data)
        for thing in found if type(found) is list else [found]:
            assert type(thing) not in KINDS or well_formed(thing), f"malformed: {thing!r:.500}"
        return type(found).__name__
    except (DecodeError, ProtocolTooNew) as error:
        str(error)
        return type(error).__name__


def _decode(group: str) -> Target:
    pool = ENCODED[group]

    def target(rng: Random) -> str:
        data = frame(rng, pool if rng.random() < 0.8 else ALL)
        return _told(lambda data: wire.decode(CODEC, data), data)

    return target


def _log(rng: Random) -> str:
    data = frame(rng, ENCODED["log"])
    whole = data if rng.random() < 0.2 else crc32(data).to_bytes(4, "big") + data
    return _told(lambda data: wire.decode_facts(CODEC, data), whole)


def _item(rng: Random) -> str:
    return _told(lambda data: wire.decode_item(CODEC, data), frame(rng, ENCODED["item"]))


def _boxed(rng: Random) -> str:
    data = frame(rng, ENCODED["boxed"])
    box = Boxed(data, CODEC)
    for read in (wire.decode_writes, wire.decode_command, wire.decode_interrupts):
        _told(lambda _data, read=read: read(box), data)  # type: ignore[misc]
    try:
        value = CODEC.decode(data)
    except DecodeError:
        return "DecodeError"
    if type(value) is type(samples.FAILURE):
        raised = rebuild(value)
        describe(raised, CODEC)
        return "exception"
    _told(wire.from_row, value)
    return "a value"


# -- the coordinator -------------------------------------------------------------------------------


class State(TypedDict):
    l: Annotated[list[Any], operator.add]  # noqa: E741
    text: str


def _node(_state: State) -> dict[str, Any]:
    return {"l": ["x"]}


def _graph(inner: Any = _node) -> Any:
    builder = StateGraph(State)
    builder.add_node("a", _node)
    builder.add_node("b", inner)
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    return builder.compile()


PROGRAMS = {"g": _graph().program, "s": _graph(_graph()).program}

#: frames that one partition takes before a good run must go through it, and a new one begins
FRAMES_A_SEAT = 60


class PartitionTarget:
    """Frames through `Partition.handle`, among them many that are nearly what a worker would say."""

    def __init__(self) -> None:
        self._left = 0

    def __call__(self, rng: Random) -> str:
        if not self._left:
            self._begin(rng)
        self._left -= 1
        before = len(self._seat.commits)
        for _ in range(rng.choice((1, 1, 1, 3))):
            self._send(rng)
        if rng.random() < 0.05:
            self._poison(rng)
        self._seat.turn()
        if rng.random() < 0.1:
            self._seat.lease()
        if not self._left:
            self._good_run()
        dead = any(commit.dead for commit in self._seat.commits[before:])
        return "set aside" if dead else "handled"

    def _begin(self, rng: Random) -> None:
        self._left = FRAMES_A_SEAT
        self._seat = seat = Seat(PROGRAMS)
        self._said: list[tuple[bytes, str, bool]] = []
        for name in ("r1", "r2", "r3"):
            for task in seat.start(name, rng.choice(("g", "s"))):
                self._learn(seat, name, task)
        request = m.RunRequest(
            "r9", "g", seat.codec.box({"l": []}), {"tags": ["t"], "metadata": {"k": 1}}, None, ("values",)
        )
        for thing in (
            request,
            m.WorkersChanged(0),
            m.DeleteRun("r9"),
            m.CancelRun("r9", "no"),
            m.RunDamaged("r9", "?"),
        ):
            self._add(thing)

    def _learn(self, seat: Seat, run: str, task: m.TaskMessage) -> None:
        attempt = (run, task.task, task.attempt, "w1")
        result = seat.result(task, run, wire.from_row(task.shared.value).graph)
        result.writes = seat.codec.box(result.writes)
        for thing in (
            result,
            m.Events(*attempt, 0, [samples.ITEM], task.token),
            m.TaskError(*attempt, samples.FAILURE, task.token, 0),
            m.TaskBubbled(*attempt, seat.codec.box(Command(goto="b", graph=Command.PARENT)), task.token, 0),
            m.TaskInterrupt(*attempt, seat.codec.box(samples.FACTS[9].interrupts), task.token, 0),
            m.Refused(*attempt, "no", task.token),
            m.AttemptLost(run, task.task, task.attempt, "gone"),
            m.CancelRun(run, "enough"),
            m.RunDamaged(run, "its log is gone"),
        ):
            self._add(thing)

    def _add(self, thing: Any) -> None:
        run: str = getattr(thing, "run", None) or getattr(thing, "run_id", "")  # type: ignore[assignment]
        self._said.append((wire.encode(self._seat.codec, thing), run, isinstance(thing, (m.RunRequest, m.CancelRun))))

    def _send(self, rng: Random) -> None:
        data, run, request = rng.choice(self._said)
        frames = [said[0] for said in self._said]
        if rng.random() < 0.7:
            data = of_trees(rng, data, frames) if rng.random() < 0.7 else frame(rng, frames)
        if rng.random() < 0.05:
            run = rng.choice(("", "r1", "r2", "nobody", "x" * 300))
        self._seat.send(data, run, request if rng.random() < 0.9 else not request)

    def _poison(self, rng: Random) -> None:
        for entry in self._seat.entries()[:1]:
            commit = self._seat.partition.poison(entry, rng.choice((1, 3)), float(self._seat.server.now_ms))
            self._seat.apply(commit)

    def _good_run(self) -> None:
        """A run of somebody else goes through the partition that all this went through."""
        seat = self._seat
        seat.settle()
        waiting = [("good", task) for task in seat.start("good")]
        while waiting:
            run, task = waiting.pop()
            shared = wire.from_row(task.shared.value)
            if shared.run_id == run:
                seat.say(seat.result(task, run))
                seat.settle()
                waiting += [(run, task) for task in seat.tasks()]
        end = seat.end("good")
        assert end is not None and end.status == "done", f"the good run ended as {end}"


# -- the worker ------------------------------------------------------------------------------------


def _nothing(_partition: int, cells: list[Any], blobs: list[str]) -> Any:
    """A broker that holds no large value."""
    return [[] for _ in cells], [None for _ in blobs]


class TaskCodecTarget:
    """Frames through a worker's `TaskCodec`."""

    def __init__(self) -> None:
        registry = Registry(PROGRAMS)
        self._task_codec = TaskCodec(registry, Outbox(registry.codec), "w1", Values(_nothing), 1)
        seat = Seat(PROGRAMS)
        tasks = []
        for name in PROGRAMS:
            for task in seat.start(f"run-{name}", name):
                tasks.append(task)
                seat.say(seat.result(task, f"run-{name}", name))
                seat.settle()
        tasks += seat.tasks()
        self._samples = [wire.encode(seat.codec, task) for task in tasks] + ENCODED["tasks"]

    def __call__(self, rng: Random) -> str:
        data = frame(rng, self._samples)
        opened = self._task_codec.decode(Delivery("default", "1-1", data))
        if opened is None:
            return "left"
        job = self._task_codec.job(*opened)
        return "job" if isinstance(job, Job) else "answered"


#: what each target gets of a hundred thousand frames
SHARES = {
    "inbox": 27_000, "tasks": 15_000, "ctl": 5_000, "log": 15_000, "item": 10_000, "boxed": 12_000, "task_codec": 8_000,
    "partition": 8_000,
}  # fmt: skip


def targets() -> dict[str, Target]:
    """All targets, made anew: what they did before must not be seen in what they do next."""
    return {
        "inbox": _decode("inbox"),
        "tasks": _decode("tasks"),
        "ctl": _decode("ctl"),
        "log": _log,
        "item": _item,
        "boxed": _boxed,
        "task_codec": TaskCodecTarget(),
        "partition": PartitionTarget(),
    }
