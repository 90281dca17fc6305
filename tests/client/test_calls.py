"""One call of a graph, wherever it goes: the same arguments, the same refusals, the same defaults, and async twins."""

from __future__ import annotations

import asyncio
import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langgraph.runtime import RunControl as TheirControl
from tests.client.graphs import GRAPHS
from tests.client.scripted import Script
from tests.inside import Inside

from drumline import AsyncRunStream, Cluster, ClusterGraph, RunStream
from drumline.call import Callee, parse_call
from drumline.cluster.threads import ThreadsOfCluster
from drumline.errors import NoCoordinator
from drumline.graph.state import CompiledStateGraph
from drumline_graph.errors import FeatureNotBuilt
from drumline_graph.warnings import DrumlineWarning

Faces = dict[str, Any]


@pytest.fixture
def faces(script: Script, short_waits: None) -> Faces:
    """The same graph, called in each of the ways that there are."""
    del short_waits
    graph, cluster = GRAPHS["says"], script.cluster()
    return {
        "embedded": graph,
        "bound": graph.on(cluster),
        "by name": cluster.graph("says"),
        "with graph": cluster.graph("says", graph=graph),
    }


FACES = ["embedded", "bound", "by name", "with graph"]


#: ways to call, each of which checks its arguments: streams before anybody asks for an item
CALLS: dict[str, Callable[..., Any]] = {
    "stream": lambda graph, **options: graph.stream({"n": 1}, **options),
    "astream": lambda graph, **options: graph.astream({"n": 1}, **options),
    "invoke": lambda graph, **options: graph.invoke({"n": 1}, **options),
    "ainvoke": lambda graph, **options: asyncio.run(graph.ainvoke({"n": 1}, **options)),
    "batch": lambda graph, **options: graph.batch([{"n": 1}], **options),
    "abatch": lambda graph, **options: asyncio.run(graph.abatch([{"n": 1}], **options)),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"stream_mode": "vales"}, ValueError, "unknown stream mode 'vales'"),
        ({"stream_mode": ["values", "vales"]}, ValueError, "unknown stream mode 'vales'"),
        ({"print_mode": "vales"}, ValueError, "unknown stream mode 'vales'"),
        ({"version": "v3"}, ValueError, "unknown stream version 'v3'"),
        ({"config": {"recursion_limit": 0}}, ValueError, "recursion_limit must be at least 1"),
        ({"control": object()}, TypeError, "control= takes a RunControl"),
        ({"streem_mode": "values"}, TypeError, "streem_mode"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_is_refused_alike(
    faces: Faces, script: Script, face: str, call: Callable[..., Any], wrong: dict[str, Any], error: Any, says: str
) -> None:
    with pytest.raises(error, match=says):
        call(faces[face], **wrong)
    assert not script.opened, "nothing of a call that cannot be goes to a broker"


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("face", sorted(set(FACES) - {"embedded"}))
def test_a_cluster_takes_no_control_of_langgraphs(
    faces: Faces, script: Script, face: str, call: Callable[..., Any]
) -> None:
    with pytest.raises(FeatureNotBuilt, match=r"RunControl.*Cluster\.drain"):
        call(faces[face], control=TheirControl())
    assert not script.opened


@pytest.mark.parametrize("face", ["embedded", "bound", "with graph"])
def test_keys_of_a_graph_at_hand(faces: Faces, face: str) -> None:
    with pytest.raises(ValueError, match="Key 'nonsense' of output_keys"):
        faces[face].stream({"n": 1}, output_keys=["nonsense"])


def test_durability_says_nothing_without_a_checkpointer(faces: Faces) -> None:
    """On a cluster each thread lasts, whatever its graph was compiled with."""
    with pytest.warns(DrumlineWarning, match="durability= has no effect"):
        faces["embedded"].stream({"n": 1}, durability="exit")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for face in set(FACES) - {"embedded"}:
            faces[face].stream({"n": 1}, durability="exit").close()


@pytest.mark.parametrize("face", ["bound", "by name", "with graph"])
def test_one_call_is_one_request(faces: Faces, script: Script, face: str) -> None:
    config = {"tags": ["t"], "recursion_limit": 7, "configurable": {"c": 2}, "callbacks": []}
    with pytest.raises(NoCoordinator):
        faces[face].invoke({"n": 1}, config, context={"k": 1}, stream_mode=["custom", "values"], debug=True)
    request = script.requests()[-1]
    assert request.config == {key: value for key, value in config.items() if key != "callbacks"}
    assert (request.recorded, request.context) == (("custom", "values", "updates"), {"k": 1})


def test_a_graph_at_hand_keeps_its_defaults(script: Script) -> None:
    """The mode and `debug` that were set on the graph are those of its calls on a cluster."""
    graph = GRAPHS["says"].copy({"stream_mode": ["custom"], "debug": True})
    for face in (graph.on(script.cluster()), script.cluster().graph("says", graph=graph)):
        with pytest.raises(NoCoordinator):
            list(face.stream({"n": 1}))
        assert script.requests()[-1].recorded == ("custom", "updates", "values")


@pytest.mark.parametrize("text", [None, "values", ["values"], ["updates", "values"], ("custom",)])
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_modes_are_parsed_once(text: Any, version: str) -> None:
    reading = parse_call(Callee("some"), None, stream_mode=text, version=version).reading
    assert reading.modes == tuple(["updates"] if text is None else [text] if isinstance(text, str) else text)
    assert reading.listed == (text is not None and not isinstance(text, str))
    assert reading.is_of_values == (text == "values")
    assert reading.version == version


# -- signatures -----------------------------------------------------------------------------------------


def parameters(function: Any) -> dict[str, Any]:
    return {name: (one.kind, one.default) for name, one in inspect.signature(function).parameters.items()}


@pytest.mark.parametrize("name", ["stream", "astream", "invoke", "ainvoke", "batch", "abatch"])
def test_a_graph_on_a_cluster_takes_what_a_compiled_one_takes(name: str) -> None:
    ours, theirs = parameters(getattr(ClusterGraph, name)), parameters(getattr(CompiledStateGraph, name))
    if "stream" in name:
        assert ours.pop("on_close") == (inspect.Parameter.KEYWORD_ONLY, "cancel")
        assert ours.pop("multitask_strategy") == (inspect.Parameter.KEYWORD_ONLY, None)
        assert not any(kind is inspect.Parameter.VAR_KEYWORD for kind, _ in ours.values()), "keywords are spelled out"
    assert ours == theirs


TWINS = [Cluster, ClusterGraph, ThreadsOfCluster, RunStream, AsyncRunStream, CompiledStateGraph]


@pytest.mark.parametrize("cls", TWINS)
def test_what_waits_has_an_async_twin(cls: type) -> None:
    """A coroutine or an async stream `aname` for each `name`, with the same parameters, and the other way round."""
    names = {name for name in dir(cls) if not name.startswith("_") and callable(getattr(cls, name, None))}
    for name in sorted(names & {f"a{other}" for other in names}):
        assert parameters(getattr(cls, name)) == parameters(getattr(cls, name[1:])), name
    lonely = {name for name in names if f"a{name}" not in names and name[1:] not in names}
    assert lonely == LONELY[cls]


#: what waits for nobody
_LOOKS = {
    "copy",
    "validate",
    "with_config",
    "on",
    "prepare_call",
    "as_result",
    "as_snapshot",
    "get_name",
    "config_schema",
}
_SCHEMAS = {"get_input_schema", "get_output_schema", "get_input_jsonschema", "get_output_jsonschema"}
LONELY: dict[type, set[str]] = {
    Cluster: {"graph", "broker"},
    ClusterGraph: {"with_config", "get_name", *_SCHEMAS},
    ThreadsOfCluster: set(),
    RunStream: {"close"},
    AsyncRunStream: {"aclose"},
    CompiledStateGraph: {*_LOOKS, *_SCHEMAS, "get_context_jsonschema", "get_config_jsonschema"},
}


# -- the cluster itself ---------------------------------------------------------------------------------


@pytest.fixture
def own(inside: Inside) -> Iterator[Cluster]:
    """A client that the test may close."""
    with inside.client() as made:
        yield made


def test_a_cluster_is_an_async_context_manager(own: Cluster) -> None:
    async def main() -> tuple[Any, bool]:
        async with own as entered:
            output = await entered.graph("says").ainvoke({"n": 1})
            return output, entered is own

    assert asyncio.run(main()) == ({"n": 1, "out": 1}, True)
    assert own.link._broker is None
    assert own.graph("says").invoke({"n": 2}) == {"n": 2, "out": 2}, "the next use connects again"


def test_aclose_does_not_hold_up_its_loop(own: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        loop, closing = asyncio.get_running_loop(), asyncio.Event()
        released = asyncio.Event()

        def flush() -> None:
            loop.call_soon_threadsafe(closing.set)
            asyncio.run_coroutine_threadsafe(released.wait(), loop).result()

        monkeypatch.setattr(own.link.canceller, "flush", flush)
        task = asyncio.create_task(own.aclose())
        await closing.wait()
        released.set()
        await task

    asyncio.run(main())


def test_streams_name_what_they_are(own: Cluster) -> None:
    graph: ClusterGraph[Any, Any, Any, Any] = own.graph("says")
    stream: RunStream[Any] = graph.stream({"n": 1}, stream_mode="custom")
    assert isinstance(stream, RunStream) and list(stream) == [0]
    assert isinstance(own.join(stream.run_id), RunStream) and isinstance(own.ajoin(stream.run_id), AsyncRunStream)
    assert isinstance(GRAPHS["says"].on(own).stream({"n": 1}), RunStream)


def test_batches_come_in_order(own: Cluster) -> None:
    inputs = [{"n": n} for n in range(4)]
    wanted = [{"n": n, "out": n} for n in range(4)]
    graph = own.graph("says")
    assert graph.batch(inputs, {"max_concurrency": 2}) == wanted
    assert asyncio.run(graph.abatch(inputs)) == wanted
    assert [output for _, output in sorted(graph.batch_as_completed(inputs))] == wanted
