"""The events of a thread as one stream, and commands to it, as bytes on the wire show them."""

from __future__ import annotations

import random
import threading
import time
import uuid
from itertools import pairwise
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_sync_client
from tests.gateway.thread_reader import ALL, Event, command, data, ends, events, ids, is_root, until


@pytest.fixture
def thread() -> str:
    """The id of a thread that is not there yet."""
    return str(uuid.uuid4())


def two_runs(url: str, thread: str) -> list[Event]:
    """All that a reader gets of a run that asks and of the one that goes on with the answer."""
    reader = events(url, thread)
    begun: list[Event] = []
    started = threading.Thread(
        target=lambda: begun.append(command(url, thread, "run.start", assistant_id="ask", input={"topic": "why"}))
    )
    started.start()  # the reader asks for a thread that is not there yet, or just begins to be
    found = until(reader, ends)
    started.join()
    question = data(found, "input.requested")[0]["interrupt_id"]
    answered = command(url, thread, "input.respond", namespace=[], interrupt_id=question, response="because")
    assert answered["type"] == "success", answered
    found += until(reader, ends)
    assert [begun[0]["result"]["run_id"], answered["result"]["run_id"]] == [
        event["event_id"].split(":")[1]
        for event in found
        if is_root(event) and event["params"]["data"]["event"] == "running"
    ]
    reader.close()  # type: ignore[attr-defined]
    return found


def test_a_stream_opens_before_its_thread_and_goes_on_between_its_runs(url: str, thread: str) -> None:
    found = two_runs(url, thread)
    assert [each["event"] for each in data([event for event in found if is_root(event)], "lifecycle")] == [
        "running",
        "interrupted",
        "running",
        "completed",
    ]
    asked = data(found, "input.requested")
    assert [each["payload"] for each in asked] == [{"question": "why"}] == [each["value"] for each in asked]
    assert data(found, "values")[-1] == {"topic": "why", "said": ["heard 0", "because"]}
    assert all("__interrupt__" not in values for values in data(found, "values"))
    assert data(found, "updates") == [
        {"node": "speak", "values": {"said": ["heard 0"]}},
        {"node": "ask", "values": {"said": ["because"]}},
    ]
    checkpoints = list(
        {each["id"]: each for each in data(found, "checkpoints")}.values()
    )  # a run tells where it begins
    assert [each["step"] for each in checkpoints] == [-1, 0, 1, 2]
    assert [each["parent_id"] for each in checkpoints[1:]] == [each["id"] for each in checkpoints[:-1]]
    after = [one["method"] for one, other in pairwise(found) if other["method"] == "values"]
    assert set(after) == {"checkpoints"}  # which is how a client knows of which checkpoint the values are


def test_every_reader_gets_everything_with_the_same_ids_whatever_it_asks_for(url: str, thread: str) -> None:
    found = two_runs(url, thread)
    assert len(set(ids(found))) == len(found)
    assert [event["seq"] for event in found] == sorted(event["seq"] for event in found)
    again = events(url, thread)
    assert until(again, ends) + until(again, ends) == found
    narrow = events(url, thread, channels=["messages", "lifecycle", "values"])
    some = until(narrow, ends) + until(narrow, ends)
    assert some == [event for event in found if event["method"] in ("messages", "lifecycle", "values")]


def test_readers_that_are_cut_anywhere_have_the_log_in_the_end(url: str, thread: str) -> None:
    found = two_runs(url, thread)
    last, chance = found[-1]["event_id"], random.Random(11)
    for remembers in (True, False):  # Python's client sends `since`, JavaScript's reads anew
        kept: dict[str, Event] = {}
        order: list[str] = []
        for _ in range(50):
            since = {"since": kept[order[-1]]["seq"]} if remembers and order else {}
            for event in events(url, thread, cut=chance.randint(1, 6000), **since):
                if event["event_id"] not in kept:
                    kept[event["event_id"]] = event
                    order.append(event["event_id"])
                if event["event_id"] == last:
                    break
            if last in kept:
                break
        rest = {"since": kept[order[-1]]["seq"]} if order else {}
        for event in until(events(url, thread, **rest), lambda event: event["event_id"] == last):
            if event["event_id"] not in kept:
                kept[event["event_id"]] = event
                order.append(event["event_id"])
        assert [kept[id_] for id_ in order] == found


def test_what_came_of_a_command_begins_behind_the_number_in_its_answer(url: str, thread: str) -> None:
    two_runs(url, thread)
    begun = command(url, thread, "run.start", assistant_id="speak", input={"said": ["again"]})
    found = until(events(url, thread, since=begun["meta"]["applied_through_seq"]), ends)
    assert found[0]["event_id"].startswith(f"synth:{begun['result']['run_id']}:")
    assert {event["event_id"].removeprefix("synth:").split(":")[0] for event in found} == {begun["result"]["run_id"]}


def test_a_reader_whose_events_are_gone_is_told(url: str, thread: str) -> None:
    command(url, thread, "run.start", assistant_id="speak", input={"said": ["one"]})
    first = until(events(url, thread), ends)
    run = first[0]["event_id"].split(":")[1]
    assert httpx.delete(f"{url}/threads/{thread}/runs/{run}").status_code == 204
    command(url, thread, "run.start", assistant_id="speak", input={"said": ["two"]})
    missed, *rest = until(events(url, thread, since=first[0]["seq"]), ends)
    assert (missed["type"], missed["id"]) == ("error", None) and "missed" in missed["message"]
    assert not {event["event_id"] for event in rest} & set(ids(first))


def test_who_only_looks_begins_with_what_goes_on(url: str, thread: str) -> None:
    looks: Any = {"channels": ["lifecycle", "input"]}
    command(url, thread, "run.start", assistant_id="speak", input={"said": []})
    assert until(events(url, thread, **looks), ends)[-1]["params"]["data"]["event"] == "completed"
    # now that somebody was told of its end, it is over: the next one is what this reader waits for
    reader = events(url, thread, **looks)
    heard: list[list[Event]] = []
    reads = threading.Thread(target=lambda: heard.append(until(reader, ends)))
    reads.start()
    begun = command(url, thread, "run.start", assistant_id="ask", input={"topic": "again"})
    reads.join(30)
    assert {event["event_id"].split(":")[1] for event in heard[0] if is_root(event)} == {begun["result"]["run_id"]}
    assert [event["method"] for event in until(events(url, thread, **looks), ends)][-2:] == [
        "input.requested",
        "lifecycle",
    ]


def test_a_failure_is_told_and_the_stream_goes_on(url: str, thread: str) -> None:
    command(url, thread, "run.start", assistant_id="fail", input={"said": []})
    reader = events(url, thread)
    assert until(reader, ends)[-1]["params"]["data"] == {
        "event": "failed",
        "graph_name": "fail",
        "error": "ValueError: this graph always fails",
    }
    command(url, thread, "run.start", assistant_id="speak", input={"said": []})
    assert until(reader, ends)[-1]["params"]["data"]["event"] == "completed"


def test_graphs_within_are_told_and_can_be_asked_for(url: str, thread: str) -> None:
    command(url, thread, "run.start", assistant_id="nested", input={"said": ["x"]})
    found = until(events(url, thread), ends)
    within = [event for event in found if event["method"] == "lifecycle" and event["params"]["namespace"]]
    assert [event["params"]["data"] for event in within] == [
        {"event": "started", "graph_name": "inner", "cause": {"type": "edge", "from_node": "__start__"}},
        {"event": "completed", "graph_name": "inner"},
    ]
    namespace = within[0]["params"]["namespace"]
    for asked in ([["inner"]], [namespace]):
        some = until(events(url, thread, namespaces=[*asked, ["elsewhere"]]), lambda event: event == within[1])
        assert some == [event for event in found[: found.index(within[1]) + 1] if event["params"]["namespace"]]
    root = until(events(url, thread, namespaces=[[]], depth=0), ends)
    assert root == [event for event in found if not event["params"]["namespace"]]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"channels": []},
        {"channels": "values"},
        {"channels": ["values"] * 101},
        {"channels": ["x" * 501]},
        {"channels": ["values"], "since": -1},
        {"channels": ["values"], "since": "0"},
        {"channels": ["values"], "since": 2**53},
        {"channels": ["values"], "depth": True},
        {"channels": ["values"], "namespaces": ["a"]},
        {"channels": ["values"], "namespaces": [["a"] * 51]},
        {"channels": ["values"], "namespaces": [["a"]] * 201},
    ],
)
def test_what_cannot_be_asked_for_is_refused(addresses: dict[str, str], body: dict[str, Any]) -> None:
    answer = httpx.post(f"{addresses['embedded']}/threads/t/stream/events", json=body)
    assert answer.status_code == 422 and answer.json()["detail"], answer.text


def test_channels_that_are_not_known_here_give_nothing(url: str, thread: str) -> None:
    command(url, thread, "run.start", assistant_id="speak", input={"said": []})
    found = until(events(url, thread, channels=["holograms", "lifecycle"]), ends)
    assert {event["method"] for event in found} == {"lifecycle"} < set(ALL)


def test_the_clock_of_the_gateways_host_does_not_matter(
    addresses: dict[str, str], thread: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who watches a thread begins with the run that was started just now, by the clock of the cluster."""
    url, now = addresses["cluster"], time.time()
    run = command(url, thread, "run.start", assistant_id="speak", input={"said": []})["result"]["run_id"]
    get_sync_client(url=url).runs.join(thread, run)
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    assert ends(until(events(url, thread, channels=["lifecycle", "input"]), ends)[-1])
