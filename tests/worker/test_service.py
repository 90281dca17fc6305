"""The threads of a worker: how many nodes run at once, who takes meanwhile, how it stops. No broker, but queues."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from queue import Empty, Queue
from typing import Any

import pytest
from typing_extensions import TypedDict

from drumline_graph.builder import StateGraph
from drumline_graph.compile import compile_program
from drumline_graph.constants import START
from drumline_protocol import wire
from drumline_protocol.facts import CUSTOM
from drumline_protocol.messages import Events, Refused, RunShared, TaskMessage, TaskResult
from drumline_transport.broker import Delivery
from drumline_transport.errors import BrokerRefuses
from drumline_worker.context import current
from drumline_worker.registry import Registry
from drumline_worker.service import Worker, WorkerSettings

LIMIT_S = 20


class State(TypedDict):
    n: int


class ListBroker:
    """Of the worker's verbs those that a run without trouble needs."""

    partitions = 1

    def __init__(self) -> None:
        self.tasks: Queue[Delivery] = Queue()
        self.entries: Queue[bytes] = Queue()
        self.done: list[tuple[str, str]] = []
        self.left = threading.Event()

    def take(self, _pools: Any, _consumer: str, count: int, block_ms: int) -> list[Delivery]:
        found: list[Delivery] = []
        with suppress(Empty):
            found.append(self.tasks.get(timeout=block_ms / 1000))
            while len(found) < count:
                found.append(self.tasks.get_nowait())
        for _ in found:
            self.tasks.task_done()
        return found

    def publish(self, entries: list[tuple[int, str, bytes]], done: list[tuple[str, str]]) -> None:
        for _, _, data in entries:
            self.entries.put(data)
        self.done += done

    def renew(self, _consumer: str, entries: list[tuple[str, str]]) -> set[tuple[str, str]]:
        return set(entries)

    def read_ctl(self, _after: str, block_ms: int) -> list[tuple[str, bytes]]:
        self.left.wait(block_ms / 1000)
        return []

    def last_ctl(self) -> str:
        return "0-0"

    def read_values(self, _p: int, cells: list[Any], blobs: list[str]) -> Any:
        return [[] for _ in cells], [None for _ in blobs]

    def beat(self, _kind: str, _name: str, _info: bytes) -> None: ...

    def leave(self, _kind: str, _name: str) -> None:
        self.left.set()


class Bed:
    """A worker on its own thread, serving a graph of one node."""

    def __init__(self, node: Any, concurrency: int) -> None:
        builder = StateGraph(State)
        builder.add_node("node", node)
        builder.add_edge(START, "node")
        self.program = compile_program(builder)
        self.broker = ListBroker()
        self.registry = Registry({"g": self.program})
        broker: Any = self.broker
        self.worker = Worker(broker, self.registry, "w", WorkerSettings(concurrency=concurrency))
        self.thread = threading.Thread(target=self.worker.run, daemon=True)
        self.thread.start()

    def give(self, *numbers: int, alone: bool = False) -> None:
        codec = self.registry.codec
        shared = RunShared("run", "g", self.program.fingerprint, 0, {}, None, ("custom",), True)
        box = codec.box(wire.to_row(shared))
        for n in numbers:
            message = TaskMessage(box, (), "node", f"t{n}", 1, 1, 25, ("p",), (), "run", {"n": n}, alone=alone)
            self.broker.tasks.put(Delivery("default", f"1-{n}", wire.encode(codec, message)))

    def heard(self) -> Any:
        return wire.decode(self.registry.codec, self.broker.entries.get(timeout=LIMIT_S))

    def stop(self) -> None:
        self.worker.stop()
        self.thread.join(LIMIT_S)
        assert not self.thread.is_alive()


@pytest.fixture
def beds() -> Any:
    made: list[Bed] = []

    def make(node: Any, concurrency: int) -> Bed:
        made.append(Bed(node, concurrency))
        return made[-1]

    yield make
    for bed in made:
        bed.stop()


def test_as_many_nodes_run_at_once_as_there_are_slots_and_no_more(beds: Any) -> None:
    begun: Queue[int] = Queue()
    go_on = threading.Event()

    def node(state: State) -> State:
        begun.put(state["n"])
        assert go_on.wait(LIMIT_S)
        return state

    bed = beds(node, 3)
    bed.give(*range(8))
    assert sorted(begun.get(timeout=LIMIT_S) for _ in range(3)) == [0, 1, 2]
    with pytest.raises(Empty):
        begun.get(timeout=0.2)
    go_on.set()
    assert {bed.heard().task for _ in range(8)} == {f"t{n}" for n in range(8)}
    assert sorted(bed.broker.done) == [("default", f"1-{n}") for n in range(8)]


def test_tasks_are_taken_while_a_node_blocks(beds: Any) -> None:
    second = threading.Event()

    def node(state: State) -> State:
        if state["n"] == 1:
            assert second.wait(LIMIT_S), "nobody took the second task"
        else:
            second.set()
        return state

    bed = beds(node, 2)
    bed.give(1)
    bed.give(2)
    assert {bed.heard().task, bed.heard().task} == {"t1", "t2"}


def test_async_nodes_take_slots_and_no_threads(beds: Any) -> None:
    begun: Queue[asyncio.Event] = Queue()
    loops = []

    async def node(state: State) -> State:
        event = asyncio.Event()
        loops.append(asyncio.get_running_loop())
        begun.put(event)
        await event.wait()
        return state

    others = set(threading.enumerate())
    bed = beds(node, 50)
    bed.give(*range(60))
    waiting = [begun.get(timeout=LIMIT_S) for _ in range(50)]
    mine = [thread.name for thread in threading.enumerate() if thread not in others]
    assert mine.count("drumline-node") == 1
    for _ in range(60):
        loops[0].call_soon_threadsafe((waiting.pop() if waiting else begun.get(timeout=LIMIT_S)).set)
    assert len({bed.heard().task for _ in range(60)}) == 60


def test_events_come_before_the_result_also_when_the_node_sends_itself(beds: Any) -> None:
    def node(state: State) -> State:
        emit = current.get().job.emit  # type: ignore[union-attr]
        for i in range(1000):
            emit(CUSTOM, i, None)
        return state

    bed = beds(node, 2)
    bed.give(1)
    seen: list[int] = []
    while not isinstance(message := bed.heard(), TaskResult):
        assert isinstance(message, Events)
        assert message.n == len(seen)
        seen += [wire.decode_item(bed.registry.codec, item)[1] for item in message.items]
    assert seen == list(range(1000))


def test_a_worker_that_is_stopped_finishes_what_it_took_and_takes_no_more(beds: Any) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def node(state: State) -> State:
        begun.set()
        assert go_on.wait(LIMIT_S)
        return state

    bed = beds(node, 1)
    bed.give(1, 2)
    assert begun.wait(LIMIT_S)
    bed.worker.stop()
    assert bed.worker.runner._stopping.wait(LIMIT_S)
    assert not bed.broker.left.is_set()
    go_on.set()
    assert bed.heard().task == "t1"
    assert bed.broker.left.wait(LIMIT_S)
    assert bed.broker.done == [("default", "1-1")]
    assert bed.broker.tasks.qsize() == 1


def test_suspects_run_one_by_one_and_one_that_was_not_begun_goes_back(beds: Any) -> None:
    begun: Queue[int] = Queue()
    go_on = threading.Semaphore(0)

    def node(state: State) -> State:
        begun.put(state["n"])
        assert go_on.acquire(timeout=LIMIT_S)
        return state

    bed = beds(node, 4)
    bed.give(1)
    assert begun.get(timeout=LIMIT_S) == 1
    bed.give(2, alone=True)
    bed.give(3)
    go_on.release()
    assert bed.heard().task == "t1"
    assert begun.get(timeout=LIMIT_S) == 2
    assert bed.broker.tasks.qsize() == 1 and begun.empty(), "nothing is taken beside it"
    go_on.release()
    assert bed.heard().task == "t2"
    assert begun.get(timeout=LIMIT_S) == 3
    bed.give(4, alone=True)
    bed.broker.tasks.join()  # it has been taken
    bed.worker.stop()
    assert isinstance(bed.heard(), Refused)
    go_on.release()
    assert bed.heard().task == "t3"
    assert begun.empty()


# -- a broker that is not ready when the worker is ------------------------------------------------------


class LateBroker(ListBroker):
    """Takes no beat at first, as a server without the scripts."""

    def __init__(self, refusals: float) -> None:
        super().__init__()
        self.refusals = refusals
        self.refused = threading.Event()

    def beat(self, _kind: str, _name: str, _info: bytes) -> None:
        if self.refusals > 0:
            self.refusals -= 1
            self.refused.set()
            raise BrokerRefuses("redis://late", "UNLOADED the script 'beat' is not loaded")


def test_a_worker_waits_for_a_broker_that_is_not_ready() -> None:
    broker, ready = LateBroker(3), threading.Event()
    worker = Worker(broker, Registry({}), "w", WorkerSettings(), on_ready=ready.set)  # type: ignore[arg-type]
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    assert ready.wait(LIMIT_S) and broker.refusals == 0
    worker.stop()
    thread.join(LIMIT_S)
    assert not thread.is_alive()


def test_a_worker_that_waits_for_its_broker_can_be_stopped() -> None:
    broker = LateBroker(float("inf"))
    worker = Worker(broker, Registry({}), "w", WorkerSettings(), on_ready=lambda: pytest.fail("it is not ready"))  # type: ignore[arg-type]
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    assert broker.refused.wait(LIMIT_S)
    worker.stop()
    thread.join(LIMIT_S)
    assert not thread.is_alive()
