"""Nodes that start runs on a cluster and hand their config on, the usual way."""

from __future__ import annotations

import asyncio
import contextvars
import operator
import threading
import uuid
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import langgraph.graph
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableConfig, RunnableLambda
from tests.client import graphs
from tests.client.graphs import waits
from tests.inside import LIMIT_S, Inside
from tests.worker.stand import Stand
from typing_extensions import TypedDict

import drumline.graph
from drumline import Cluster
from drumline.config import get_config
from drumline.errors import RunCancelled
from drumline.graph import START
from drumline.langgraph import adapt
from drumline_transport.memory import MemoryBroker
from drumline_worker.context import TaskContext, enter
from drumline_worker.outbox import Execution
from drumline_worker.values import Values

Told = dict[str, Any]


class State(TypedDict, total=False):
    who: str
    seen: Any
    done: Annotated[list[str], operator.add]


def shows(_state: State, config: RunnableConfig) -> Told:
    """What arrives at the child."""
    metadata = {k: v for k, v in config["metadata"].items() if not k.startswith("langgraph_")}
    configurable = {k: v for k, v in config["configurable"].items() if not k.startswith(("__", "checkpoint_"))}
    kept = {k: config[k] for k in ("recursion_limit", "max_concurrency") if k in config}  # type: ignore[literal-required]
    return {"seen": {"metadata": metadata, "configurable": configurable, "tags": sorted(config["tags"]), **kept}}


def one(module: Any, node: Any, name: str = "node", **options: Any) -> Any:
    return module.StateGraph(State).add_node(name, node, **options).add_edge(START, name).compile(name=f"a_{name}")


#: the client that nodes use; they run in this process
clients: list[Cluster] = []


def child(name: str) -> Any:
    return clients[-1].graph(name)


# -- how a node hands its config on -------------------------------------------------------------------


def as_it_is(state: State, config: RunnableConfig) -> Any:
    return child("shows").invoke(state, config)


def with_keywords(state: State, config: RunnableConfig) -> Any:
    return child("shows").invoke(state, config=config, stream_mode="values")


def as_a_dict(state: State, config: RunnableConfig) -> Any:
    return child("shows").invoke(state, {**dict(config)})


def with_callbacks(state: State, config: RunnableConfig) -> Any:
    return child("shows").invoke(state, {**config, "callbacks": [BaseCallbackHandler()]})


def from_context(state: State) -> Any:
    return child("shows").invoke(state, get_config())


def not_at_all(state: State) -> Any:
    return child("shows").invoke(state)


def as_a_stream(state: State, config: RunnableConfig) -> Any:
    return list(child("shows").stream(state, config))[-1]


def as_a_start(state: State, config: RunnableConfig) -> Any:
    return clients[-1].result(child("shows").start(state, config))


def bound(state: State, config: RunnableConfig) -> Any:
    return GRAPHS["shows"].on(clients[-1], "shows").invoke(state, config)


def in_a_batch(state: State, config: RunnableConfig) -> Any:
    return GRAPHS["shows"].on(clients[-1], "shows").batch([state, state], config)[1]


def through_a_runnable(state: State, config: RunnableConfig) -> Any:
    return RunnableLambda(as_it_is).invoke(state, config)


def in_a_thread(state: State, config: RunnableConfig) -> Any:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(as_it_is(state, config)))
    thread.start()
    thread.join()
    return found[0]


async def awaited(state: State, config: RunnableConfig) -> Any:
    return await child("shows").ainvoke(state, config)


async def awaited_stream(state: State, config: RunnableConfig) -> Any:
    return [item async for item in child("shows").astream(state, config)][-1]


async def awaited_start(state: State, config: RunnableConfig) -> Any:
    return await clients[-1].aresult(await child("shows").astart(state, config))


async def awaited_bound(state: State, config: RunnableConfig) -> Any:
    return (await GRAPHS["shows"].on(clients[-1], "shows").abatch([state], config))[0]


SYNC: list[Any] = [
    as_it_is,
    with_keywords,
    as_a_dict,
    with_callbacks,
    from_context,
    not_at_all,
    as_a_stream,
    as_a_start,
    bound,
    in_a_batch,
    through_a_runnable,
    in_a_thread,
]
ASYNC: list[Any] = [awaited, awaited_stream, awaited_start, awaited_bound]
WAYS = [*SYNC, *ASYNC]


# -- nodes whose child waits --------------------------------------------------------------------------


def sits(state: State, config: RunnableConfig) -> Any:
    try:
        return child("waits").invoke(state, config)
    except RunCancelled:
        graphs.told[f"{state['who']} parent"].put("told")
        raise


async def hangs(state: State, config: RunnableConfig) -> Any:
    return await child("waits").ainvoke(state, config)


def nests(state: State, config: RunnableConfig) -> Any:
    """A graph that the node calls itself, and that one's node waits for a child."""
    return GRAPHS["sits"].invoke(state, config)


def loops(state: State, config: RunnableConfig) -> Any:
    """An event loop of the node's own."""
    return asyncio.run(hangs(state, config))


def lets_go(state: State, config: RunnableConfig) -> Any:
    return {"seen": child("waits").start(state, config)}


def deep(state: State, config: RunnableConfig) -> Any:
    return child("middle").invoke(state, config)


def middle(state: State, config: RunnableConfig) -> Any:
    return child("shows").invoke(state, config)


async def gathers(state: State, config: RunnableConfig) -> Any:
    found = await asyncio.gather(*(child("middle").ainvoke(state, config) for _ in range(3)))
    return found[0]


NODES = [shows, waits, *WAYS, sits, hangs, nests, loops, lets_go, deep, middle, gathers]
GRAPHS: dict[str, Any] = {node.__name__: one(drumline.graph, node, node.__name__) for node in NODES}
GRAPHS |= {f"lg_{way.__name__}": adapt(one(langgraph.graph, way, way.__name__)) for way in WAYS}


@pytest.fixture(scope="module", autouse=True)
def made(server: Any) -> Iterator[Inside]:
    with Inside(server.url, GRAPHS) as inside:
        inside.coordinator()
        inside.worker(concurrency=2)
        clients.append(inside.client())
        yield inside
        clients.clear()


CONFIG: dict[str, Any] = {
    "tags": ["t"],
    "metadata": {"m": 1},
    "configurable": {"thread_id": "th", "mine": {"a": 1}},
    "recursion_limit": 31,
    "max_concurrency": 5,
}


def on_cluster(graph: Any, name: str) -> Any:
    return graph.on(clients[-1], name)


def embedded(graph: Any, _name: str) -> Any:
    return graph


def adapted(_graph: Any, name: str) -> Any:
    return GRAPHS[f"lg_{name}"]


def adapted_on_cluster(_graph: Any, name: str) -> Any:
    return GRAPHS[f"lg_{name}"].on(clients[-1], f"lg_{name}")


def natively(_graph: Any, name: str) -> Any:
    (way,) = [way for way in WAYS if way.__name__ == name]
    return one(langgraph.graph, way, name)


@pytest.mark.parametrize("where", [embedded, on_cluster, adapted, adapted_on_cluster, natively])
@pytest.mark.parametrize("way", WAYS)
def test_a_config_is_handed_on(way: Any, where: Callable[[Any, str], Any]) -> None:
    if where in (adapted, adapted_on_cluster, natively) and way in (from_context, not_at_all):
        pytest.skip("LangGraph's own get_config() is that of its nodes")
    graph, config = where(GRAPHS[way.__name__], way.__name__), {**CONFIG, "run_id": uuid.uuid4()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if way in ASYNC:
            seen = asyncio.run(graph.ainvoke({"who": "x"}, config))["seen"]
        else:
            seen = graph.invoke({"who": "x"}, config)["seen"]
    metadata = seen["metadata"]
    assert metadata["m"] == 1
    assert "t" in seen["tags"]
    assert seen["configurable"] == CONFIG["configurable"]
    assert (seen["recursion_limit"], seen["max_concurrency"]) == (31, 5)
    if where is not natively:
        assert metadata["parent_run_id"] == str(config["run_id"])
    assert not [key for key in metadata if key.startswith(("__", "checkpoint"))]


def test_only_what_a_user_wrote_is_sent() -> None:
    """The same from outside of nodes: engines' keys in a config that somebody kept."""
    kept: list[Any] = []
    one(langgraph.graph, lambda _state, config: kept.append(config)).invoke({"who": "x"}, CONFIG)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seen = child("shows").invoke({"who": "x"}, kept[0])["seen"]
    assert seen["configurable"] == CONFIG["configurable"]


# -- ends ---------------------------------------------------------------------------------------------


@pytest.fixture
def who() -> Iterator[str]:
    name = uuid.uuid4().hex
    yield name
    graphs.gates[name].set()


def heard(who: str) -> str:
    return graphs.told[who].get(timeout=LIMIT_S)


@pytest.mark.parametrize("node", [sits, hangs, nests, loops])
def test_cancelling_a_run_cancels_the_runs_of_its_nodes(who: str, node: Any) -> None:
    run_id = child(node.__name__).start({"who": who})
    assert heard(who) == "waiting"
    clients[-1].cancel(run_id)
    assert heard(who) == "cancelled"
    if node is sits:
        assert heard(f"{who} parent") == "told", "the thread of the node is free again"


@pytest.mark.parametrize("node", [sits, hangs, nests])
def test_closing_an_embedded_stream_cancels_the_runs_of_its_nodes(who: str, node: Any) -> None:
    """Two nodes, so that the sync one runs in a thread: closing waits for it."""
    builder = drumline.graph.StateGraph(State).add_node("n", node).add_node("quick", lambda _state: {"done": ["quick"]})
    graph = builder.add_edge(START, "n").add_edge(START, "quick").compile()
    stream = graph.stream({"who": who}, stream_mode="updates")
    assert next(stream) == {"quick": {"done": ["quick"]}}
    assert heard(who) == "waiting"
    stream.close()  # type: ignore[attr-defined]
    assert heard(who) == "cancelled"


@pytest.mark.parametrize("node", [sits, hangs])
def test_cancelling_an_embedded_caller_cancels_the_runs_of_its_nodes(who: str, node: Any) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(GRAPHS[node.__name__].ainvoke({"who": who}))
        assert await asyncio.to_thread(heard, who) == "waiting"
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(main())
    assert heard(who) == "cancelled"


def test_a_run_that_a_node_has_only_started_goes_on(who: str) -> None:
    run_id = child("lets_go").start({"who": who})
    started = clients[-1].result(run_id)["seen"]
    assert heard(who) == "waiting"
    graphs.gates[who].set()
    assert clients[-1].result(started)["done"] == ["waits"]


# -- attempts and slots -------------------------------------------------------------------------------


def test_each_attempt_of_a_task_asks_for_the_same_runs() -> None:
    """What a second worker does when the first one dies: it joins the runs that are there, and nothing runs twice."""
    stand, asked = Stand(), defaultdict(list)
    values = Values(MemoryBroker(stand.server).read_values)
    inputs = [{"who": "a"}, {"who": "b"}, {"who": "a"}]

    def ask(attempt: int, task: int) -> None:
        job = stand.registry.job(stand.message(task, attempt=attempt), lambda *_: None, "w", values)
        job.fate = Execution("default", "1-0", 0, "run", job.task, attempt, f"w{attempt}")
        enter(TaskContext(job))
        for input in inputs if attempt == 1 else inputs[::-1]:
            asked[attempt, task].append(child("shows").stream(input).run_id)

    for attempt, task in ((1, 1), (2, 1), (1, 2)):
        contextvars.copy_context().run(ask, attempt, task)
    assert len(set(asked[1, 1])) == 3
    assert set(asked[1, 1]) == set(asked[2, 1])
    assert set(asked[1, 1]).isdisjoint(asked[1, 2])


@pytest.mark.parametrize("name", ["deep", "gathers"])
def test_a_node_that_waits_lends_its_slot(server: Any, name: str) -> None:
    """A worker with one slot: up to eight nodes wait at once, which is as many as it lends slots for."""
    with Inside(server.url, GRAPHS) as inside:
        inside.coordinator()
        worker = inside.worker(concurrency=1)
        clients.append(inside.client())
        try:
            runs = [child(name).start({"who": "x"}, CONFIG) for _ in range(2)]
            for run in runs:
                assert clients[-1].result(run)["seen"]["configurable"] == CONFIG["configurable"]
        finally:
            clients.pop()
        assert not worker.failure
