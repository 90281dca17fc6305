"""Commands of the thread protocol: what each does, and what is answered to one that cannot be obeyed."""

from __future__ import annotations

import operator
import threading
import uuid
from collections.abc import Iterator
from typing import Annotated, Any

import httpx
import pytest
from tests.gateway.stand import serving
from tests.gateway.thread_reader import Event, command, data, ends, events, until
from typing_extensions import TypedDict

from drumline.graph import START, StateGraph
from drumline.testing import local_cluster
from drumline.types import interrupt
from drumline_gateway.app import asgi, build
from drumline_gateway.embedded_service import EmbeddedService


class State(TypedDict, total=False):
    said: Annotated[list[Any], operator.add]
    topic: str


def both() -> Any:
    """A graph whose two nodes ask at once, and a third that is run on demand only."""

    def one(_state: State) -> State:
        return {"said": [f"one: {interrupt('one?')}"]}

    def other(_state: State) -> State:
        return {"said": [f"other: {interrupt('other?')}"]}

    def aside(state: State) -> State:
        return {"said": [f"aside on {state.get('topic')}"]}

    built = StateGraph(State).add_node(one).add_node(other).add_node(aside)
    return built.add_edge(START, "one").add_edge(START, "other").compile(name="both")


@pytest.fixture(scope="module", params=["cluster", "embedded"])
def asking(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a gateway with that graph."""
    graphs = {"both": both()}
    if request.param == "cluster":
        with local_cluster(graphs) as cluster, serving(asgi(cluster, graphs=cluster.graphs)) as url:
            yield url
    else:
        with serving(build(EmbeddedService({"both": graphs["both"].program}))) as url:
            yield url


@pytest.fixture
def thread() -> str:
    return str(uuid.uuid4())


def asked(url: str, thread: str) -> dict[str, str]:
    """Start it; the ids of its questions."""
    command(url, thread, "run.start", assistant_id="both", input={"said": ["begun"], "topic": "that"})
    found = until(events(url, thread), ends)
    return {each["payload"]: each["interrupt_id"] for each in data(found, "input.requested")}


def state(url: str, thread: str) -> Any:
    return command(url, thread, "state.get", namespace=[])["result"]


def test_several_questions_are_answered_at_once(asking: str, thread: str) -> None:
    questions = asked(asking, thread)
    assert sorted(questions) == ["one?", "other?"]
    responses = [{"namespace": [], "interrupt_id": id_, "response": text} for text, id_ in questions.items()]
    answered = command(asking, thread, "input.respond", responses=responses)
    found = until(events(asking, thread, since=answered["meta"]["applied_through_seq"]), ends)
    assert found[-1]["params"]["data"]["event"] == "completed"
    assert state(asking, thread)["values"]["said"] == ["begun", "one: one?", "other: other?"]


def test_one_question_of_several_is_answered_and_the_other_stays(asking: str, thread: str) -> None:
    questions = asked(asking, thread)
    answered = command(asking, thread, "input.respond", namespace=[], interruptId=questions["one?"], response=1)
    found = until(events(asking, thread, since=answered["meta"]["applied_through_seq"]), ends)
    assert found[-1]["params"]["data"]["event"] == "interrupted"
    assert [each["interrupt_id"] for each in data(found, "input.requested")] == [questions["other?"]]


def test_an_answer_that_writes_and_goes_elsewhere_is_one_step(asking: str, thread: str) -> None:
    questions = asked(asking, thread)
    before = command(asking, thread, "state.listCheckpoints")["result"]["checkpoints"]
    responses = [{"interrupt_id": id_, "response": 2} for id_ in questions.values()]
    answered = command(asking, thread, "input.respond", responses=responses, update={"topic": "this"}, goto="aside")
    until(events(asking, thread, since=answered["meta"]["applied_through_seq"]), ends)
    values = state(asking, thread)["values"]
    assert values["topic"] == "this" and sorted(values["said"]) == ["aside on this", "begun", "one: 2", "other: 2"]
    after = command(asking, thread, "state.listCheckpoints", limit=50)["result"]["checkpoints"]
    assert after[1:] == before and after[0]["step"] == before[0]["step"] + 1


def test_an_input_answers_the_question_that_is_open(url: str, thread: str) -> None:
    for given in ({"topic": "why"}, "because"):
        begun = command(url, thread, "run.start", assistant_id="ask", input=given)
        until(events(url, thread, since=begun["meta"]["applied_through_seq"]), ends)
    assert state(url, thread)["values"] == {"topic": "why", "said": ["heard 0", "because"]}


def test_states_are_looked_at_and_run_anew(url: str, thread: str) -> None:
    command(url, thread, "run.start", assistant_id="ask", input={"topic": "why"})
    until(events(url, thread), ends)
    now = state(url, thread)
    assert now["values"] == {"topic": "why", "said": ["heard 0"]}
    assert command(url, thread, "state.get", keys=["topic"])["result"]["values"] == {"topic": "why"}
    checkpoints = command(url, thread, "state.listCheckpoints")["result"]["checkpoints"]
    assert [each["step"] for each in checkpoints] == [1, 0, -1] and checkpoints[0]["id"] == now["checkpoint"]["id"]
    older = command(url, thread, "state.listCheckpoints", before=checkpoints[0]["id"], limit=1)["result"]["checkpoints"]
    assert older == checkpoints[1:2]
    forked = command(url, thread, "state.fork", checkpoint_id=checkpoints[1]["id"], input={"topic": "what"})
    assert forked["result"]["thread_id"] == thread
    found = until(events(url, thread, since=forked["meta"]["applied_through_seq"]), ends)
    assert data(found, "input.requested")[0]["payload"] == {"question": "what"}


def test_the_tree_has_the_graphs_and_how_they_stand(url: str, thread: str) -> None:
    command(url, thread, "run.start", assistant_id="deep", input={"topic": "why"})
    until(events(url, thread), ends)
    tree = command(url, thread, "agent.getTree")["result"]["tree"]
    (within,) = tree.pop("children")
    assert tree == {"namespace": [], "status": "interrupted", "graph_name": "deep"}
    assert (within["status"], within["graph_name"]) == ("interrupted", "asking")
    values = command(url, thread, "state.get", namespace=within["namespace"])
    assert values["result"]["values"]["topic"] == "why"


def test_the_tree_of_a_run_that_goes_on(url: str, thread: str, gate: threading.Event) -> None:
    begun = command(url, thread, "run.start", assistant_id="wait", input={"topic": "wait"})
    found = command(url, thread, "agent.getTree", run_id=begun["result"]["run_id"])
    assert found["result"]["tree"] == {"namespace": [], "status": "running", "graph_name": "wait"}
    again = command(url, thread, "run.start", assistant_id="speak", input={"said": []})  # it waits for its turn
    gate.set()
    until(events(url, thread, since=again["meta"]["applied_through_seq"]), ends)
    assert state(url, thread)["values"]["said"] == ["waited", "heard 1"]


REFUSED: dict[str, tuple[Event, str]] = {
    "no such command": ({"id": 1, "method": "run.dance", "params": {}}, "unknown_command"),
    "no method": ({"id": 1}, "unknown_command"),
    "no id": ({"method": "state.get"}, "invalid_argument"),
    "params": ({"id": 1, "method": "state.get", "params": []}, "invalid_argument"),
    "no assistant": ({"id": 1, "method": "run.start", "params": {"input": {}}}, "invalid_argument"),
    "other assistant": ({"id": 1, "method": "run.start", "params": {"assistant_id": "none"}}, "invalid_argument"),
    "no question": ({"id": 1, "method": "input.respond", "params": {"interrupt_id": "x"}}, "no_such_interrupt"),
    "no answers": ({"id": 1, "method": "input.respond", "params": {"responses": []}}, "invalid_argument"),
    "no checkpoint": ({"id": 1, "method": "state.fork", "params": {"checkpoint_id": "x"}}, "no_such_checkpoint"),
    "no namespace": ({"id": 1, "method": "state.get", "params": {"namespace": ["a:b"]}}, "no_such_namespace"),
    "no run": ({"id": 1, "method": "agent.getTree", "params": {"run_id": "none"}}, "no_such_run"),
    "inject": ({"id": 1, "method": "input.inject", "params": {}}, "not_supported"),
}


@pytest.fixture(scope="module")
def waiting(addresses: dict[str, str]) -> dict[str, str]:
    """A thread of each gateway that waits for an answer."""
    threads = {kind: str(uuid.uuid4()) for kind in addresses}
    for kind, thread in threads.items():
        command(addresses[kind], thread, "run.start", assistant_id="ask", input={"topic": "why"})
        until(events(addresses[kind], thread), ends)
    return threads


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_obeyed_is_told(url: str, kind: str, waiting: dict[str, str], name: str) -> None:
    given, code = REFUSED[name]
    answer = httpx.post(f"{url}/threads/{waiting[kind]}/commands", json=given)
    found = answer.json()
    assert (answer.status_code, found["type"], found["id"], found["error"]) == (200, "error", given.get("id"), code)
    assert found["message"]


def test_what_is_not_there_is_not_found(url: str, thread: str) -> None:
    for method in ("state.get", "input.respond", "state.fork", "agent.getTree", "state.listCheckpoints"):
        answer = httpx.post(f"{url}/threads/{thread}/commands", json={"id": 1, "method": method})
        assert answer.status_code == 404, (method, answer.text)
    assert httpx.get(f"{url}/threads/{thread}").status_code == 404
