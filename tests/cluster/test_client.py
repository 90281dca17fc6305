"""What a client of a cluster sees: the same items as embedded, any position, errors that say what was wrong."""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.apps import GRAPHS, Joke, Trouble
from tests.cluster.conftest import APP, pids_in
from tests.cluster.processes import running

from drumline import Cluster
from drumline.errors import (
    EncodeError,
    GraphMismatch,
    InvalidPosition,
    InvalidUpdateError,
    ModeNotRecorded,
    NoBroker,
    NoWorker,
    RemoteError,
    RunCancelled,
    UnknownGraph,
    UnknownRun,
)
from drumline.graph import START, StateGraph
from drumline.types import StreamMode
from drumline_transport.local_server import LocalServer

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def cluster(server: LocalServer) -> Iterator[Cluster]:
    """One coordinator, three workers, one of them for the pool `gpu` too."""
    with running(server.url, APP, workers=2) as (processes, client):
        processes.start("worker", "w2", "--pool", "default", "--pool", "gpu")
        yield client


def test_the_guide_updates(cluster: Cluster) -> None:
    assert list(cluster.graph("joke").stream({"topic": "ice cream"}, stream_mode="updates")) == [
        {"refine_topic": {"topic": "ice cream and cats"}},
        {"generate_joke": {"joke": "This is a joke about ice cream and cats"}},
    ]


@pytest.mark.parametrize("modes", ["values", ["values", "updates", "custom"], ["updates"]])
@pytest.mark.parametrize("options", [{}, {"subgraphs": True}, {"version": "v2"}, {"output_keys": ["joke"]}])
def test_the_same_items_as_embedded(cluster: Cluster, modes: Any, options: dict[str, Any]) -> None:
    embedded = list(GRAPHS["joke"].stream({"topic": "ice"}, stream_mode=modes, **options))
    assert list(cluster.graph("joke").stream({"topic": "ice"}, stream_mode=modes, **options)) == embedded
    assert list(GRAPHS["joke"].on(cluster).stream({"topic": "ice"}, stream_mode=modes, **options)) == embedded


def test_async_twin(cluster: Cluster) -> None:
    async def read() -> list[Any]:
        return [item async for item in cluster.graph("joke").astream({"topic": "ice"}, stream_mode="values")]

    expected = list(GRAPHS["joke"].stream({"topic": "ice"}, stream_mode="values"))
    assert asyncio.run(read()) == expected
    assert asyncio.run(read()) == expected, "one Cluster serves several loops one after another"


def test_invoke(cluster: Cluster) -> None:
    expected = GRAPHS["joke"].invoke({"topic": "ice"})
    assert cluster.graph("joke").invoke({"topic": "ice"}) == expected
    assert GRAPHS["joke"].on(cluster).invoke({"topic": "ice"}) == expected
    assert asyncio.run(cluster.graph("joke").ainvoke({"topic": "ice"})) == expected


def test_the_environment_names_the_cluster(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The calling code does not change at all; the graph must be registered under its name."""
    monkeypatch.setenv("DRUMLINE_BROKER", cluster.url)
    monkeypatch.setenv("DRUMLINE_PREFIX", cluster.prefix)
    stream = GRAPHS["joke"].stream({"topic": "ice"}, stream_mode="values")
    assert hasattr(stream, "run_id")
    assert list(stream)[-1]["joke"] == "This is a joke about ice and cats"


def test_start_join_result_and_status(cluster: Cluster) -> None:
    run_id = cluster.graph("joke").start({"topic": "ice"})
    assert cluster.result(run_id) == GRAPHS["joke"].invoke({"topic": "ice"})
    assert cluster.status(run_id)["status"] == "done"
    assert list(cluster.join(run_id, stream_mode="updates")) == list(
        GRAPHS["joke"].stream({"topic": "ice"}, stream_mode="updates")
    )


def test_a_reader_goes_on_from_any_position(cluster: Cluster, mark: Path) -> None:
    run_id = cluster.graph("tokens").start({"count": 20, "pause_s": 0.0, "mark": str(mark)})
    modes: list[StreamMode] = ["values", "custom", "updates"]
    first = cluster.join(run_id, stream_mode=modes)
    items, positions = [], [first.position]
    for item in first:
        items.append(item)
        positions.append(first.position)
    assert len(items) > 25
    for index, position in enumerate(positions):
        assert list(cluster.join(run_id, after=position, stream_mode=modes)) == items[index:]


def test_many_readers_of_one_run(cluster: Cluster, mark: Path) -> None:
    run_id = cluster.graph("tokens").start({"count": 50, "pause_s": 0.002, "mark": str(mark)})
    read: list[list[Any]] = []
    threads = [
        threading.Thread(target=lambda: read.append(list(cluster.join(run_id, stream_mode="custom")))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert read == [[{"token": number} for number in range(50)]] * 8


def test_nodes_of_one_step_run_on_several_workers(cluster: Cluster, mark: Path) -> None:
    output = cluster.graph("fan").invoke({"width": 40, "mark": str(mark)})
    assert output["done"] == list(range(40))
    assert len(set(pids_in(mark))) >= 2


def test_a_wide_fan_out_leaves_in_windows(cluster: Cluster) -> None:
    output = cluster.graph("wide").invoke({"width": 2300, "mark": ""})
    assert output["done"] == list(range(2300))


def test_a_pool_of_its_own(cluster: Cluster) -> None:
    assert cluster.graph("gpu").invoke({"topic": "x"})["joke"] == "trained"


def test_large_values_travel_as_blobs(cluster: Cluster) -> None:
    big = "x" * 300_000
    assert cluster.graph("joke").invoke({"topic": big})["topic"] == big + " and cats"


# -- errors ---------------------------------------------------------------------------------------


def test_errors_of_nodes_keep_their_type(cluster: Cluster) -> None:
    with pytest.raises(ValueError, match="no such thing") as caught:
        cluster.graph("broken").invoke({"how": "value"})
    assert caught.value.args == ("no such thing", 7)
    with pytest.raises(RemoteError, match=r"^tests\.cluster\.apps\.Trouble: deep|Trouble: deep"):
        cluster.graph("broken").invoke({"how": "own"})
    with pytest.raises(Trouble, match="deep"):
        GRAPHS["broken"].on(cluster).invoke({"how": "own"})


@pytest.mark.parametrize(
    ("how", "error", "text"),
    [
        ("unencodable", EncodeError, r"state\['out'\]\['deep'\]\[0\] of type object"),
        ("emit", EncodeError, r"\['handle'\] of type object"),
        ("exit", RemoteError, "SystemExit: 3"),
        ("goto", InvalidUpdateError, "'nowhere'"),
    ],
)
def test_bad_nodes_fail_their_run_with_a_clear_error(
    cluster: Cluster, how: str, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        list(cluster.graph("broken").stream({"how": how}, stream_mode=["updates", "custom"]))
    assert cluster.graph("broken").invoke({"how": "fine"}) == {"how": "fine", "out": "fine"}


def test_unknown_graph_lists_the_known(cluster: Cluster) -> None:
    with pytest.raises(UnknownGraph, match="'joke'"):
        cluster.graph("jokes").invoke({"topic": "x"})


def test_another_version_of_a_graph_is_refused(cluster: Cluster) -> None:
    other = StateGraph(Joke).add_node("only", lambda _state: None).add_edge(START, "only").compile(name="joke")
    with pytest.raises(GraphMismatch, match="joke"):
        other.on(cluster).invoke({"topic": "x"})


def test_an_input_that_cannot_cross_raises_in_the_client(cluster: Cluster) -> None:
    with pytest.raises(EncodeError, match=r"input\['topic'\]"):
        cluster.graph("joke").invoke({"topic": object()})


def test_an_input_that_the_graph_refuses(cluster: Cluster) -> None:
    with pytest.raises(InvalidUpdateError):
        cluster.graph("joke").invoke("not a dict")


def test_unknown_run(cluster: Cluster) -> None:
    for call in (cluster.result, cluster.status, cluster.cancel, lambda run: list(cluster.join(run))):
        with pytest.raises(UnknownRun, match="no-such-run"):
            call("no-such-run")


def test_positions_that_no_stream_gave(cluster: Cluster) -> None:
    run_id = cluster.graph("joke").start({"topic": "x"})
    position = cluster.join(run_id).position
    fact, items, tag = position.split(".")
    mended = (f"{fact}.{items}.", f"{fact}.-1.{tag}", f"{'9' * 5000}.1.{tag}", f"\u0663.1.{tag}")
    for wrong in ("-1", "abc", "1", "1.x", "", "1.1", *mended):
        with pytest.raises(InvalidPosition, match="not a position that a stream gave out"):
            cluster.join(run_id, after=wrong)
    assert cluster.result(run_id)
    with pytest.raises(InvalidPosition, match=r"'999\.1\..*ended with fact"):
        list(cluster.join(run_id, after=f"999.1.{tag}"))


def test_a_position_of_another_run(cluster: Cluster) -> None:
    graph = cluster.graph("joke")
    first, second = graph.start({"topic": "x"}), graph.start({"topic": "y"})
    stream = cluster.join(first)
    next(stream)
    assert len(stream.position) < 40
    with pytest.raises(InvalidPosition, match=f"another run gave it out, not one of '{second}'"):
        cluster.join(second, after=stream.position)
    with pytest.raises(InvalidPosition, match="another run"):
        cluster.ajoin(second, after=stream.position)
    assert list(cluster.join(first, after=stream.position)) == list(stream)


def test_a_mode_that_was_not_recorded(cluster: Cluster) -> None:
    stream = cluster.graph("joke").stream({"topic": "x"}, stream_mode="updates")
    assert len(list(stream)) == 2
    with pytest.raises(ModeNotRecorded, match="custom"):
        list(cluster.join(stream.run_id, stream_mode="custom"))


def test_events_of_subgraphs_that_were_not_recorded(cluster: Cluster) -> None:
    stream = cluster.graph("joke").stream({"topic": "x"}, stream_mode="custom")
    assert list(stream) == []
    with pytest.raises(ModeNotRecorded, match="custom of subgraphs"):
        list(cluster.join(stream.run_id, stream_mode="custom", subgraphs=True))


def test_output_keys_that_the_graph_does_not_have(cluster: Cluster) -> None:
    with pytest.raises(ValueError, match="'jokes' of output_keys"):
        list(cluster.graph("joke").stream({"topic": "x"}, output_keys=["jokes"]))


def test_unknown_modes(cluster: Cluster) -> None:
    with pytest.raises(ValueError, match="modes are"):
        cluster.graph("joke").stream({"topic": "x"}, stream_mode="update")  # type: ignore[arg-type]


def test_no_worker_for_a_pool_is_a_warning_and_the_run_waits(server: LocalServer) -> None:
    made = running(server.url, APP, workers=1)
    with made as (processes, client), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        stream = client.graph("gpu").stream({"topic": "x"}, stream_mode="updates")
        started: list[Any] = []
        reader = threading.Thread(target=lambda: started.extend(stream))
        reader.start()
        while not any(isinstance(warning.message, NoWorker) for warning in caught):
            reader.join(0.05)
            assert reader.is_alive()
        assert "'gpu'" in str(caught[-1].message)
        processes.start("worker", "w1", "--pool", "gpu")
        reader.join(30)
    assert started == [{"train": {"joke": "trained"}}]


def test_no_broker() -> None:
    with Cluster("redis://127.0.0.1:1") as client, pytest.raises(NoBroker, match=r"127\.0\.0\.1:1"):
        client.graph("joke").invoke({"topic": "x"})


# -- ending a run ---------------------------------------------------------------------------------


def await_lines(mark: Path, count: int) -> None:
    """Wait until nodes have left that many marks."""
    import time

    deadline = time.monotonic() + 20
    while len(pids_in(mark)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_closing_a_stream_cancels_its_run(cluster: Cluster, mark: Path) -> None:
    stream = cluster.graph("waiting").stream({"mark": str(mark)}, stream_mode="custom")
    assert next(stream) == "waiting"
    stream.close()
    await_lines(mark, 2)  # the node was cancelled: its finally ran
    with pytest.raises(RunCancelled):
        cluster.result(stream.run_id)


def test_closing_a_stream_may_leave_the_run_alone(cluster: Cluster, mark: Path) -> None:
    stream = cluster.graph("tokens").stream(
        {"count": 30, "pause_s": 0.005, "mark": str(mark)}, stream_mode="custom", on_close="continue"
    )
    assert next(stream) == {"token": 0}
    stream.close()
    assert cluster.result(stream.run_id)["said"].endswith("29")


def test_cancel(cluster: Cluster, mark: Path) -> None:
    run_id = cluster.graph("waiting").start({"mark": str(mark)})
    await_lines(mark, 1)
    cluster.cancel(run_id, "enough")
    with pytest.raises(RunCancelled, match="enough"):
        cluster.result(run_id)
    await_lines(mark, 2)
    assert cluster.status(run_id)["status"] == "cancelled"
    cluster.cancel(run_id)  # twice is once


def test_cancelling_an_async_reader_cancels_its_run(cluster: Cluster, mark: Path) -> None:
    async def read() -> str:
        stream = cluster.graph("waiting").astream({"mark": str(mark)}, stream_mode="custom")
        assert await stream.__anext__() == "waiting"
        waiting = asyncio.ensure_future(stream.__anext__())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return stream.run_id

    run_id = asyncio.run(read())
    with pytest.raises(RunCancelled):
        cluster.result(run_id)
