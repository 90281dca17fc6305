"""LangGraph's Python SDK against both gateways: assistants that a client makes, and what a run of one is given."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.errors import ConflictError, NotFoundError, UnprocessableEntityError
from tests.gateway.stand import serving, talk

from drumline_gateway.app import build
from drumline_gateway.embedded_service import EmbeddedService


def test_one_is_made_changed_turned_back_and_deleted(client: Any) -> None:
    made = client.assistants.create(
        "speak", {"tags": ["a"]}, context={"who": "ann"}, metadata={"of": "me"}, name="Mine", description="one"
    )
    assert uuid.UUID(made["assistant_id"]) and made["version"] == 1 and made["graph_id"] == "speak"
    assert made["config"] == {"tags": ["a"]} and made["context"] == {"who": "ann"}
    assert (made["name"], made["description"], made["metadata"]) == ("Mine", "one", {"of": "me"})
    assert client.assistants.get(made["assistant_id"]) == made
    at = made["assistant_id"]
    changed = client.assistants.update(at, graph_id="ask", context={}, metadata={"more": 1}, name="Ours")
    assert changed["version"] == 2 and changed["graph_id"] == "ask" and changed["config"] == {"tags": ["a"]}
    assert changed["context"] == {} and changed["metadata"] == {"of": "me", "more": 1}
    assert changed["updated_at"] >= made["updated_at"]
    assert [row["version"] for row in client.assistants.get_versions(at)] == [2, 1]
    assert client.assistants.get_versions(at, limit=1, offset=1)[0]["name"] == "Mine"
    assert [row["version"] for row in client.assistants.get_versions(at, metadata={"more": 1})] == [2]
    back = client.assistants.set_latest(at, 1)
    assert (back["version"], back["graph_id"], back["name"]) == (1, "speak", "Mine")
    assert client.assistants.update(at, name="Third")["version"] == 3
    with pytest.raises(NotFoundError):
        client.assistants.set_latest(at, 9)
    client.assistants.delete(at)
    for call in (client.assistants.get, client.assistants.delete, client.assistants.get_versions):
        with pytest.raises(NotFoundError):
            call(at)


def test_they_are_found_beside_those_of_graphs(client: Any) -> None:
    made = client.assistants.create("speak", metadata={"team": "found"}, name="Zebra")
    other = client.assistants.create("ask", metadata={"team": "found"}, name="Yak")
    ids = [row["assistant_id"] for row in client.assistants.search(metadata={"team": "found"}, sort_by="name")]
    assert ids == [other["assistant_id"], made["assistant_id"]]
    assert client.assistants.search(metadata={"team": "found"}, graph_id="speak") == [made]
    assert client.assistants.count(metadata={"team": "found"}) == 2
    assert client.assistants.search(name="zeb", select=["name", "version"]) == [{"name": "Zebra", "version": 1}]
    assert client.assistants.get_graph(made["assistant_id"]) == client.assistants.get_graph("speak")
    assert client.assistants.get_schemas(other["assistant_id"]) == client.assistants.get_schemas("ask")
    assert client.assistants.get_subgraphs(made["assistant_id"]) == {}


def test_one_that_is_there_is_not_made_again(client: Any) -> None:
    at = str(uuid.uuid4())
    made = client.assistants.create("speak", assistant_id=at, name="First")
    with pytest.raises(ConflictError):
        client.assistants.create("speak", assistant_id=at, name="Second")
    assert client.assistants.create("speak", assistant_id=at, name="Second", if_exists="do_nothing") == made
    with pytest.raises(NotFoundError):
        client.assistants.create("nobody's graph")
    for config in ({"configurable": {"__pregel_checkpointer": 1}}, {"tags": "no list"}, {"configurable": 1}):
        with pytest.raises(UnprocessableEntityError):
            client.assistants.create("speak", config)


def test_a_run_is_given_what_its_assistant_says_and_what_it_says_itself_comes_first(client: Any) -> None:
    made = client.assistants.create(
        "told",
        {"tags": ["theirs"], "configurable": {"model": "small", "heat": 1, "thread_id": "another"}},
        context={"who": "ann", "tone": "dry"},
    )
    at = made["assistant_id"]
    told = client.runs.wait(None, at, input={})["said"][0]
    assert told == {"model": "small", "heat": 1, "who": "ann", "tone": "dry", "tags": ["theirs"]}
    told = client.runs.wait(
        None,
        at,
        input={},
        config={"tags": ["own"], "configurable": {"heat": 2}},
        context={"who": "bob", "model": "big"},
    )["said"][0]
    assert told == {"model": "big", "heat": 2, "who": "bob", "tone": "dry", "tags": ["own", "theirs"]}
    client.assistants.update(at, config={}, context={"who": "eve"})
    assert client.runs.wait(None, at, input={})["said"][0] == {"who": "eve", "tags": []}
    client.assistants.set_latest(at, 1)
    assert client.runs.wait(None, at, input={})["said"][0]["who"] == "ann"


def test_threads_name_their_assistant_and_go_with_it_if_asked(client: Any) -> None:
    at = client.assistants.create("speak")["assistant_id"]
    thread, other = (client.threads.create()["thread_id"] for _ in range(2))
    client.runs.wait(thread, at, input={"said": ["hi"]})
    client.runs.wait(other, "speak", input={"said": ["hi"]})
    [run] = client.runs.list(thread)
    assert run["assistant_id"] == at
    assert [row["thread_id"] for row in client.threads.search(metadata={"assistant_id": at})] == [thread]
    client.assistants.delete(at, delete_threads=True)
    with pytest.raises(NotFoundError):
        client.threads.get(thread)
    assert client.threads.get(other)["thread_id"] == other
    with pytest.raises(NotFoundError):
        client.runs.create(None, at, input={})


def test_changes_at_once_are_all_there(client: Any) -> None:
    at = client.assistants.create("speak")["assistant_id"]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: client.assistants.update(at, metadata={f"n{n}": n}), range(8)))
    assert client.assistants.get(at)["metadata"] == {f"n{n}": n for n in range(8)}
    assert [row["version"] for row in client.assistants.get_versions(at)] == list(range(9, 0, -1))


def test_one_outlives_the_process(tmp_path: Path) -> None:
    programs = {"speak": talk()["speak"].program}
    with serving(build(EmbeddedService(programs, tmp_path))) as url:
        made = get_sync_client(url=url).assistants.create("speak", name="Lasting")
    with serving(build(EmbeddedService(programs, tmp_path))) as url:
        assert get_sync_client(url=url).assistants.get(made["assistant_id"]) == made
