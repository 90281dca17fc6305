"""LangGraph's Python SDK against both gateways: threads that are made with a history, and for a time."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.errors import ConflictError, NotFoundError, UnprocessableEntityError

UPDATES = [({"said": ["hi"], "topic": "t"}, "__start__"), ({"said": ["heard 1"]}, "speak")]
STEPS = [{"updates": [{"values": values, "as_node": node}]} for values, node in UPDATES]


@pytest.fixture
def client(url: str) -> Any:
    return get_sync_client(url=url)


def test_a_thread_with_supersteps_is_as_one_that_was_changed_by_them(client: Any) -> None:
    made = client.threads.create(graph_id="ask", supersteps=STEPS)
    assert made["values"] == {"said": ["hi", "heard 1"], "topic": "t"} and made["metadata"]["graph_id"] == "ask"
    other = client.threads.create(graph_id="ask")["thread_id"]
    for values, node in UPDATES:
        client.threads.update_state(other, values, as_node=node)
    theirs, ours = (
        [(row["values"], row["next"], row["metadata"]["step"]) for row in client.threads.get_history(thread)]
        for thread in (other, made["thread_id"])
    )
    assert ours == theirs and ours[0][1] == ["ask"]
    asked = client.runs.wait(made["thread_id"], "ask", input=None)
    assert asked["__interrupt__"][0]["value"] == {"question": "t"}


def test_an_update_may_be_a_command(client: Any) -> None:
    command = {"update": {"said": ["told"]}, "goto": "ask"}
    steps = [*STEPS[:1], {"updates": [{"values": None, "command": command, "as_node": "speak"}]}]
    state = client.threads.get_state(client.threads.create(graph_id="ask", supersteps=steps)["thread_id"])
    assert state["values"]["said"] == ["hi", "told"] and state["next"] == ["ask"]


def test_what_cannot_be_leaves_no_thread(client: Any) -> None:
    at = str(uuid.uuid4())
    nobody = [{"updates": [{"values": {}, "as_node": "nobody"}]}]
    for given in ({"graph_id": "ask", "supersteps": nobody}, {"supersteps": STEPS}):
        with pytest.raises(UnprocessableEntityError):
            client.threads.create(thread_id=at, **given)
        with pytest.raises(NotFoundError):
            client.threads.get(at)
    made = client.threads.create(thread_id=at, graph_id="ask", supersteps=STEPS)
    with pytest.raises(ConflictError):
        client.threads.create(thread_id=at, graph_id="ask", supersteps=STEPS)
    again = client.threads.create(thread_id=at, graph_id="ask", supersteps=STEPS, if_exists="do_nothing")
    assert again["values"] == made["values"] and len(client.threads.get_history(at)) == 2
