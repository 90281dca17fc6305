"""Classes and errors of a graph come back as LangGraph itself gives them: embedded, over the codec, on a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langgraph import types as their_types
from langgraph.graph import StateGraph as LangStateGraph
from tests.client import class_graphs as made
from tests.inside import Inside

from drumline import Cluster
from drumline import types as our_types
from drumline.errors import EncodeError, RemoteError
from drumline.graph import START, StateGraph
from drumline.langgraph import adapt
from drumline_protocol.codec_types import Opaque
from drumline_transport.local_server import LocalServer

THEIRS = {
    "twin_a": made.twin("a", LangStateGraph),
    "shapes": made.shapes(LangStateGraph),
    "documents": made.documents(LangStateGraph),
    "jobs": made.jobs(LangStateGraph, their_types.Send),
    "carried": made.carried(LangStateGraph, their_types.Send, their_types.Command),
    "Level": made.named_by(made.Level, LangStateGraph, their_types.Send, their_types.Command),
}
OURS = {
    "twin_a": made.twin("a", StateGraph),
    "twin_b": made.twin("b", StateGraph),
    "shapes": made.shapes(StateGraph),
    "documents": made.documents(StateGraph),
    "jobs": made.jobs(StateGraph, our_types.Send),
    "carried": made.carried(StateGraph, our_types.Send, our_types.Command),
    "Level": made.named_by(made.Level, StateGraph, our_types.Send, our_types.Command),
    "Plain": made.named_by(made.Plain, StateGraph, our_types.Send, our_types.Command),
    "failing": made.failing(StateGraph),
}
ADAPTED = {
    **{f"their_{name}": adapt(graph) for name, graph in THEIRS.items() if name != "Level"},
    "functional": adapt(made.functional),
    "their_failing": adapt(made.failing(LangStateGraph)),
}
GIVEN: dict[str, Any] = {"log": []}


@pytest.fixture(scope="module")
def inside(server: LocalServer) -> Iterator[Inside]:
    with Inside(server.url, {**OURS, **ADAPTED}) as cluster:
        cluster.coordinator()
        cluster.worker()
        yield cluster


@pytest.fixture(scope="module")
def cluster(inside: Inside) -> Cluster:
    return inside.client()


def given_to(name: str, graph: Any) -> dict[str, Any]:
    return {"item": graph.item(1), "log": []} if "twin" in name else GIVEN


def plain(value: Any) -> Any:
    """A value with the objects of a local class, and of two engines, made comparable."""
    text = repr(value).replace("langgraph.types", "drumline_graph.types")
    return text.replace("<Level.", "<").replace("Level.", "")


def stream_of(graph: Any, given: Any, **options: Any) -> list[str]:
    return sorted(plain(item) for item in graph.stream(given, stream_mode="updates", **options))


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("where", ["embedded", "strict", "cluster"])
def test_streams_are_langgraphs(cluster: Cluster, name: str, where: str) -> None:
    reference = stream_of(THEIRS[name], given_to(name, THEIRS[name]))
    ours: Any = OURS[name]
    if where == "strict":
        ours = type(ours)(ours.program, strict_wire=True)
    elif where == "cluster":
        ours = ours.on(cluster)
    found = stream_of(ours, given_to(name, OURS[name]))
    if name == "Level":  # LangGraph shows the member, which equals the name
        reference = [item.replace("<FIRST: 'first'>", "'first'") for item in reference]
        reference = [item.replace("<SECOND: 'second'>", "'second'") for item in reference]
        reference = sorted(item.replace("<LAST: 'last'>", "'last'") for item in reference)
    assert found == reference


@pytest.mark.parametrize("name", [name for name in ADAPTED if name.removeprefix("their_") in THEIRS])
@pytest.mark.parametrize("where", ["embedded", "strict", "cluster"])
def test_adapted_graphs_are_langgraphs(cluster: Cluster, name: str, where: str) -> None:
    theirs = THEIRS[name.removeprefix("their_")]
    given = given_to(name, theirs)
    graph: Any = ADAPTED[name]
    if where == "strict":
        graph = adapt(theirs, strict_wire=True)
    elif where == "cluster":
        graph = graph.on(cluster, name)
    assert stream_of(graph, given) == stream_of(theirs, given)


def test_members_of_any_enum_of_texts_are_names(cluster: Cluster) -> None:
    # DEVIATE: LangGraph refuses those that are no texts themselves, or runs nothing and says so in a log.
    reference = stream_of(OURS["Level"], GIVEN)
    assert "'joined'" in str(reference) and "'last'" in str(reference)
    assert stream_of(OURS["Plain"], GIVEN) == stream_of(OURS["Plain"].on(cluster), GIVEN) == reference


# -- two graphs whose classes share a name ---------------------------------------------------------


@pytest.mark.parametrize("name", ["twin_a", "twin_b"])
@pytest.mark.parametrize("strict", [False, True])
def test_each_of_two_graphs_gets_its_own_class(cluster: Cluster, name: str, strict: bool) -> None:
    graph: Any = OURS[name]
    label, item = name[-1], graph.item
    local = type(graph)(graph.program, strict_wire=strict)
    for where in (local, graph.on(cluster)):
        state = where.invoke({"item": item(1), "log": []})
        assert type(state["item"]) is item
        assert state["log"] == [f"{label} 1", f"{label} 2", f"{label} 0", True, f"{label} 2", True, f"{label} 99", True]


def test_a_client_without_the_graph_is_told_what_it_lacks(cluster: Cluster) -> None:
    graph: Any = OURS["twin_a"]
    run_id = cluster.graph("twin_a", graph=graph).start({"item": graph.item(1), "log": []})
    state = cluster.result(run_id)
    assert type(state["item"]) is Opaque
    with pytest.raises(AttributeError, match=r"Item' is not known in this process.*Cluster\(types="):
        _ = state["item"].shown
    assert state["item"].fields["x"] == 2


def test_a_new_coordinator_reads_each_graphs_own_class(server: LocalServer) -> None:
    """Given a run that waits for a worker when its coordinator goes."""
    with Inside(server.url, {name: OURS[name] for name in ("twin_b", "twin_a")}) as cluster:
        first = cluster.coordinator()
        client = cluster.client()
        runs = {
            name: client.graph(name, graph=OURS[name]).start({"item": OURS[name].item(1), "log": []})
            for name in ("twin_a", "twin_b")
        }
        first.stop()
        # When another one takes over
        cluster.coordinator()
        cluster.worker()
        # Then each run goes on with its own
        for name, run_id in runs.items():
            assert client.result(run_id)["log"][0] == f"{name[-1]} 1"
            assert client.result(run_id)["log"][3] is True


# -- errors ----------------------------------------------------------------------------------------


def check(error: BaseException, how: str) -> None:
    assert type(error) is made.CAUGHT[how] or isinstance(error, made.CAUGHT[how])
    if how == "declined":
        assert (error.code, error.body) == (402, {"why": [("no", "funds")]})  # type: ignore[attr-defined]
    if how == "cause":
        assert type(error.__cause__) is made.Declined
        assert error.__cause__.code == 1
    if how == "validation":
        (line,) = error.errors()  # type: ignore[attr-defined]
        assert (line["loc"], line["type"], line["input"]) == (("number",), "int_parsing", "x")
    if how == "missing":
        assert (error.errno, error.filename) == (2, "/nowhere/at/all")  # type: ignore[attr-defined]


@pytest.mark.parametrize("how", made.CAUGHT)
@pytest.mark.parametrize("name", ["failing", "their_failing", "functional"])
def test_errors_are_caught_by_their_classes_and_keep_what_they_hold(cluster: Cluster, name: str, how: str) -> None:
    graph: Any = OURS.get(name) or ADAPTED[name]
    given: Any = how if name == "functional" else {"any": how}
    for where in (graph, graph.on(cluster, name)):
        with pytest.raises(made.CAUGHT[how]) as caught:
            where.invoke(given)
        check(caught.value, how)


@pytest.mark.parametrize("how", ["validation", "missing", "recursion"])
@pytest.mark.parametrize("name", ["failing", "functional"])
def test_classes_of_libraries_need_no_graph(cluster: Cluster, name: str, how: str) -> None:
    with pytest.raises(made.CAUGHT[how]) as caught:
        cluster.graph(name).invoke(how if name == "functional" else {"any": how})
    check(caught.value, how)


def test_an_error_of_an_unknown_class_tells_what_it_held(cluster: Cluster) -> None:
    with pytest.raises(RemoteError) as caught:
        cluster.graph("failing").invoke({"any": "declined"})
    assert caught.value.attributes["code"] == 402


def test_tasks_show_errors_with_what_they_hold(cluster: Cluster) -> None:
    for graph, kind in ((OURS["failing"].on(cluster), made.Declined), (cluster.graph("failing"), RemoteError)):
        shown: list[Any] = []
        with pytest.raises(kind):
            shown.extend(graph.stream({"any": "declined"}, stream_mode="tasks"))  # keeps what came before
        (failed,) = [item["error"] for item in shown if item.get("error")]
        assert type(failed) is kind
        assert (failed.code if kind is made.Declined else failed.attributes["code"]) == 402  # type: ignore[union-attr]


def test_classes_of_a_functional_graph_are_known(cluster: Cluster) -> None:
    assert adapt(made.functional, strict_wire=True).invoke(made.Job(1)) == [made.Job(1), made.Job(3)]
    assert ADAPTED["functional"].on(cluster, "functional").invoke(made.Job(1)) == [made.Job(1), made.Job(3)]


def test_a_class_that_nobody_names_is_refused_where_it_arises() -> None:
    from tests.graph.typed_models import Unlisted

    def node(_: Any) -> Any:
        return {"any": {"deep": [Unlisted()]}}

    graph = StateGraph(made.State).add_node("node", node).add_edge(START, "node").compile(strict_wire=True)
    with pytest.raises(EncodeError, match=r"typed_models\.Unlisted.*schema.*register"):
        graph.invoke(GIVEN)  # type: ignore[call-overload]
