"""A client that comes late to a long run: what it reads of the log, what it gets, what it is told."""

from __future__ import annotations

import asyncio
import operator
import uuid
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from tests.inside import Inside
from typing_extensions import TypedDict

from drumline import Cluster, messages
from drumline.cluster.late import LateStart
from drumline.errors import LogTrimmed
from drumline.graph import END, START, StateGraph
from drumline.types import StreamWriter, interrupt
from drumline_coordinator.service import CoordinatorSettings
from drumline_transport.local_server import LocalServer

#: steps, events of each, and what a coordinator keeps of a log: the run takes many times as much
STEPS, EVENTS, BOUND = 150, 20, 20_000


class State(TypedDict, total=False):
    left: int
    seen: Annotated[list[int], operator.add]


def tick(state: State, writer: StreamWriter) -> dict[str, Any]:
    for number in range(EVENTS):
        writer(f"{state['left']}.{number}")
    return {"left": state["left"] - 1, "seen": [state["left"]]}


def ask(_state: State) -> dict[str, Any]:
    interrupt("go on?")
    return {}


def ticks(*, asks: bool = False) -> Any:
    builder = StateGraph(State)
    builder.add_node("tick", tick).add_node("ask", ask).add_edge(START, "tick")
    builder.add_conditional_edges("tick", lambda state: "tick" if state["left"] else "ask" if asks else END)
    return builder.compile()


def speak(state: State) -> dict[str, Any]:
    message = messages.start()
    for _ in range(EVENTS):
        message.write(f"{state['left']} ")
    return {"left": state["left"] - 1}


def speaks() -> Any:
    builder = StateGraph(State)
    builder.add_node("speak", speak).add_edge(START, "speak")
    builder.add_conditional_edges("speak", lambda state: "speak" if state["left"] else END)
    return builder.compile()


GRAPHS = {"ticks": ticks(), "asks": ticks(asks=True), "speaks": speaks()}
CONFIG: Any = {"recursion_limit": 10_000}


@pytest.fixture(scope="module", params=["kept", "trimmed"])
def inside(server: LocalServer, request: pytest.FixtureRequest) -> Iterator[Inside]:
    """A cluster whose heads are made often; and one that keeps a small part of each log."""
    with pytest.MonkeyPatch.context() as patched, Inside(server.url, GRAPHS) as made:
        patched.setattr("drumline_coordinator.staging.HEAD_AFTER_BYTES_MIN", 5_000)
        settings = CoordinatorSettings(run_log_bytes=BOUND) if request.param == "trimmed" else CoordinatorSettings()
        made.coordinator(settings)
        made.worker()
        yield made


@pytest.fixture
def cluster(inside: Inside) -> Cluster:
    return inside.client()


@pytest.fixture
def whole(request: pytest.FixtureRequest) -> bool:
    """Whether the logs of this cluster are kept as a whole."""
    return bool(request.node.callspec.params["inside"] == "kept")


@pytest.fixture
def entries_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many entries streams have read of logs."""
    from drumline.cluster import stream

    read: list[int] = []
    genuine = stream._Stream._took
    monkeypatch.setattr(stream._Stream, "_took", lambda self, found: read.append(len(found)) or genuine(self, found))
    return read


def finished(cluster: Cluster, name: str = "ticks") -> str:
    run_id = cluster.graph(name).start({"left": STEPS}, CONFIG)
    cluster.result(run_id)
    return run_id


@pytest.mark.parametrize("name", ["ticks", "asks"])
def test_the_result_of_a_long_run_is_read_from_its_newest_head(
    cluster: Cluster, entries_read: list[int], name: str
) -> None:
    run_id = finished(cluster, name)
    del entries_read[:]
    expected = GRAPHS[name].invoke({"left": STEPS}, CONFIG)
    found = cluster.result(run_id)
    assert {**found, "__interrupt__": len(found.get("__interrupt__", ()))} == {
        **expected,
        "__interrupt__": len(expected.get("__interrupt__", ())),
    }
    assert asyncio.run(cluster.aresult(run_id)) == found
    assert 0 < sum(entries_read) < STEPS, "two readers, and neither has read one entry of three"


def test_a_call_under_the_id_of_a_run_that_is_there_begins_at_its_head(
    cluster: Cluster, entries_read: list[int]
) -> None:
    config: Any = {**CONFIG, "run_id": uuid.uuid4()}
    first = cluster.graph("ticks").invoke({"left": STEPS}, config)
    del entries_read[:]
    assert cluster.graph("ticks").invoke({"left": STEPS}, config) == first
    assert 0 < sum(entries_read) < STEPS / 2


def test_a_stream_behind_a_position_begins_at_a_head(
    cluster: Cluster, entries_read: list[int], monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    stream = cluster.graph("ticks").stream(
        {"left": STEPS}, CONFIG, stream_mode=["values", "updates", "custom", "tasks"], on_close="continue"
    )
    items = [(item, stream.position) for item in stream]
    del entries_read[:]
    modes: Any = ["values", "updates", "custom", "tasks"]
    for index in (len(items) - 1, len(items) - 2, len(items) - 30):
        again = cluster.join(stream.run_id, items[index][1], stream_mode=modes)
        assert [(item, again.position) for item in again] == items[index + 1 :]

        async def read(after: str) -> list[Any]:
            return [item async for item in cluster.ajoin(stream.run_id, after, stream_mode=modes)]

        assert asyncio.run(read(items[index][1])) == [item for item, _ in items[index + 1 :]]
    assert 0 < sum(entries_read) < 6 * STEPS / 3
    # And it is the same if it reads the whole log, as far as that is there
    monkeypatch.setattr(LateStart, "enter", lambda _self, _reader: [])
    if whole:
        assert list(cluster.join(stream.run_id, items[-30][1], stream_mode=modes)) == [item for item, _ in items[-29:]]


def test_a_stream_from_the_beginning_is_whole_or_says_where_it_can_begin(cluster: Cluster, whole: bool) -> None:
    run_id = finished(cluster)
    everything = [f"{left}.{number}" for left in range(STEPS, 0, -1) for number in range(EVENTS)]
    if whole:
        assert list(cluster.join(run_id, stream_mode="custom")) == everything
        return
    with pytest.raises(LogTrimmed) as caught:
        list(cluster.join(run_id, stream_mode="custom"))

    async def read(after: str | None) -> list[Any]:
        return [item async for item in cluster.ajoin(run_id, after, stream_mode="custom")]

    with pytest.raises(LogTrimmed):
        asyncio.run(read(None))
    position = caught.value.position
    assert position in str(caught.value)
    left = list(cluster.join(run_id, position, stream_mode="custom"))
    assert 0 < len(left) < len(everything) and everything[-len(left) :] == left
    assert asyncio.run(read(position)) == left


def test_a_stream_whose_log_is_trimmed_while_it_reads_is_told(cluster: Cluster, whole: bool) -> None:
    stream = cluster.graph("ticks").stream({"left": STEPS}, CONFIG, stream_mode="custom", on_close="continue")
    seen = [next(stream)]
    cluster.result(stream.run_id)  # meanwhile the run comes to its end
    if whole:
        assert len(seen) + sum(1 for _ in stream) == STEPS * EVENTS
        return
    with pytest.raises(LogTrimmed):
        seen += stream
    assert seen == [f"{STEPS - n // EVENTS}.{n % EVENTS}" for n in range(len(seen))], "until then all of it came"


def test_a_stream_of_messages_reads_all_that_is_there(cluster: Cluster, entries_read: list[int], whole: bool) -> None:
    """Which messages were shown is known from all facts only. Of a log that is trimmed it reads what is left."""
    stream = cluster.graph("speaks").stream({"left": STEPS}, CONFIG, stream_mode="messages", on_close="continue")
    items = [(message.content, stream.position) for message, _ in stream]
    assert len(items) == STEPS * EVENTS
    whole_log = sum(entries_read)
    del entries_read[:]
    again = cluster.join(stream.run_id, items[-30][1], stream_mode="messages")
    assert [(message.content, again.position) for message, _ in again] == items[-29:]
    assert (sum(entries_read) == whole_log) == whole
