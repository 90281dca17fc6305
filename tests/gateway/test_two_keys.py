"""Two API keys: of what one has, nothing is visible to the other, over every route, whatever ids it sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.gateway.stand import serving, talk

from drumline.testing import local_cluster
from drumline_gateway.app import asgi, build
from drumline_gateway.auth import OWNER, Guard
from drumline_gateway.embedded_service import EmbeddedService
from drumline_gateway.route import NO, Row
from drumline_gateway.routes import ROUTES
from drumline_gateway.thread_commands import COMMANDS

KEYS = {"key-of-ann": "ann", "key-of-bob": "bob"}
GUARDED = [row for row in ROUTES if not row.is_open]
#: the others say to everybody that they are not built
BUILT = [row for row in GUARDED if row.built != NO]
#: streams that go on behind the last run of their thread
ENDLESS = ("/threads/{thread_id}/stream", "/threads/{thread_id}/stream/events")


def named(row: Row) -> str:
    return f"{row.method} {row.path}"


@dataclass
class Gateway:
    """A gateway with two callers. Ann has a thread with a run and a question, a run on no thread, and an item."""

    ann: httpx.Client
    bob: httpx.Client
    nobody: httpx.Client
    eve: httpx.Client
    thread: str
    run: str
    free_run: str
    checkpoint: str
    bobs_thread: str
    bobs_run: str
    assistant: str

    def seen_by_ann(self) -> Any:
        """All of what is Ann's, as she sees it."""
        thread = self.ann.get(f"/threads/{self.thread}").json()
        runs = self.ann.get(f"/threads/{self.thread}/runs").json()
        history = self.ann.post(f"/threads/{self.thread}/history", json={}).json()
        free = self.ann.get(f"/runs/{self.free_run}").json()
        item = self.ann.get("/store/items", params={"namespace": "shelf", "key": "k"}).json()
        assistant = self.ann.get(f"/assistants/{self.assistant}").json()
        return json.loads(json.dumps([thread, runs, history, free, item, assistant]))

    def ids(self, path: str, thread: str, run: str) -> str:
        named = {"checkpoint_id": self.checkpoint, "assistant_id": self.assistant, "namespace": "inner"}
        return path.format(thread_id=thread, run_id=run, cron_id="c", **named)


def client(url: str, key: str | None) -> httpx.Client:
    return httpx.Client(base_url=url, headers={} if key is None else {"x-api-key": key}, timeout=30)


def filled(url: str) -> Gateway:
    ann, bob = client(url, "key-of-ann"), client(url, "key-of-bob")
    threads, runs = [], []
    for caller, topic in ((ann, "secret"), (bob, "plain")):
        threads.append(caller.post("/threads", json={"metadata": {"topic": "mine"}}).json()["thread_id"])
        body = {"assistant_id": "ask", "input": {"said": ["hi"], "topic": topic}}
        answer = caller.post(f"/threads/{threads[-1]}/runs/wait", json=body)
        assert answer.status_code == 200, answer.text
        runs.append(caller.get(f"/threads/{threads[-1]}/runs").json()[0]["run_id"])
    free = ann.post("/runs", json={"assistant_id": "speak", "input": {"said": ["free"]}}).json()["run_id"]
    ann.get(f"/runs/{free}/join")
    put = ann.put("/store/items", json={"namespace": ["shelf"], "key": "k", "value": {"secret": 1}})
    assert put.status_code in (200, 204), put.text
    state = ann.get(f"/threads/{threads[0]}/state").json()
    made = ann.post("/assistants", json={"graph_id": "speak", "config": {"tags": ["secret"]}})
    assert made.status_code == 200, made.text
    return Gateway(
        ann,
        bob,
        client(url, None),
        client(url, "key-of-eve"),
        threads[0],
        runs[0],
        free,
        state["checkpoint"]["checkpoint_id"],
        threads[1],
        runs[1],
        made.json()["assistant_id"],
    )


@pytest.fixture(scope="module", params=["cluster", "embedded"])
def gateway(request: pytest.FixtureRequest) -> Iterator[Gateway]:
    graphs = talk()
    if request.param == "cluster":
        # One partition: any two runs lie side by side, and only their threads tell them apart.
        with local_cluster(graphs, partitions=1) as cluster:
            app = asgi(cluster, graphs=cluster.graphs, guard=Guard(KEYS))
            with serving(app) as url:
                yield filled(url)
    else:
        service = EmbeddedService({name: graph.program for name, graph in graphs.items()})
        with serving(build(service, guard=Guard(KEYS))) as url:
            yield filled(url)


def body_for(row: Row, gateway: Gateway, thread: str, run: str) -> Any:
    """A body with which the route does something."""
    if row.path.endswith(("/runs", "/runs/stream", "/runs/wait")):
        return {"assistant_id": "speak", "input": {"said": ["from outside"]}}
    bodies: dict[str, Any] = {
        "/threads/{thread_id}/commands": {"id": 1, "method": "state.get", "params": {"namespace": []}},
        "/threads/{thread_id}/stream/events": {"channels": ["values"]},
        "/runs/batch": [{"assistant_id": "speak", "input": {"said": []}}],
        "/runs/cancel": {"thread_id": thread, "run_ids": [run]},
        "/threads/{thread_id}/state": {"values": {"said": ["changed"]}},
        "/threads/{thread_id}/state/checkpoint": {"checkpoint": {"checkpoint_id": gateway.checkpoint}},
        "/threads/prune": {"thread_ids": [thread]},
        "/assistants": {"graph_id": "speak"},
        "/assistants/{assistant_id}": {"name": "taken"},
        "/assistants/{assistant_id}/latest": {"version": 1},
        "/threads/{thread_id}": {"metadata": {"topic": "taken"}},
        "/store/namespaces": {"prefix": ["shelf"]},
        "/store/items/search": {"namespace_prefix": ["shelf"]},
    }
    if row.path == "/store/items":
        return {"namespace": ["shelf"], "key": "k", "value": {"mine": 2}}
    return bodies.get(row.path, {})


def ask(caller: httpx.Client, gateway: Gateway, row: Row, thread: str, run: str) -> httpx.Response:
    path = gateway.ids(row.path, thread, run)
    params = {"namespace": "shelf", "key": "k"} if row.path == "/store/items" and row.method == "GET" else None
    body = body_for(row, gateway, thread, run) if row.method not in ("GET",) else None
    with caller.stream(row.method, path, params=params, json=body) as answer:
        if answer.status_code == 200 and row.path in ENDLESS:
            return httpx.Response(200, content=next(answer.iter_raw()))  # how it begins
        answer.read()
        return answer


@pytest.mark.parametrize("row", GUARDED, ids=named)
def test_without_a_key_nothing_is_answered(gateway: Gateway, row: Row) -> None:
    assert ask(gateway.nobody, gateway, row, gateway.thread, gateway.run).status_code == 401
    assert ask(gateway.eve, gateway, row, gateway.thread, gateway.run).status_code == 401


@pytest.mark.parametrize("row", BUILT, ids=named)
def test_what_is_anothers_is_not_there(gateway: Gateway, row: Row) -> None:
    before = gateway.seen_by_ann()
    runs = [gateway.run, gateway.free_run] if "{run_id}" in row.path else [gateway.run]
    for run in runs:
        answer = ask(gateway.bob, gateway, row, gateway.thread, run)
        if any(name in row.path for name in ("{thread_id}", "{run_id}", "{assistant_id}", "/runs/cancel")):
            assert answer.status_code == 404, answer.text
        assert "secret" not in answer.text and gateway.checkpoint not in answer.text
        assert gateway.thread not in answer.text or answer.status_code == 404
    assert gateway.seen_by_ann() == before


@pytest.mark.parametrize(
    "row", [row for row in GUARDED if "{thread_id}" in row.path and "{run_id}" in row.path], ids=named
)
def test_anothers_run_is_not_on_ones_own_thread(gateway: Gateway, row: Row) -> None:
    before = gateway.seen_by_ann()
    for run in (gateway.run, gateway.free_run):
        answer = ask(gateway.bob, gateway, row, gateway.bobs_thread, run)
        assert answer.status_code == 404, answer.text
    assert gateway.seen_by_ann() == before


@pytest.mark.parametrize("path", ["/runs", "/runs/wait", "/threads/{thread_id}/runs/wait"])
@pytest.mark.parametrize("smuggled", ["configurable", "context", "checkpoint", "metadata"])
def test_no_body_leads_to_anothers_thread(gateway: Gateway, path: str, smuggled: str) -> None:
    before = gateway.seen_by_ann()
    place = {"thread_id": gateway.thread, "checkpoint_id": gateway.checkpoint, "checkpoint_ns": ""}
    body: dict[str, Any] = {"assistant_id": "speak", "input": {"said": ["smuggled"]}}
    body |= {"config": {"configurable": place}} if smuggled == "configurable" else {smuggled: place}
    answer = gateway.bob.post(gateway.ids(path, gateway.bobs_thread, ""), json=body)
    assert "secret" not in answer.text
    gateway.bob.get(answer.headers.get("content-location", "/ok") + "/join")
    assert gateway.seen_by_ann() == before


@pytest.mark.parametrize("key", ["langgraph_auth_user", "langgraph_auth_user_id", "__pregel_checkpointer"])
@pytest.mark.parametrize("where", ["configurable", "context"])
def test_no_body_says_who_its_sender_is(gateway: Gateway, key: str, where: str) -> None:
    body: dict[str, Any] = {"assistant_id": "speak", "input": {"said": []}}
    body |= {"config": {"configurable": {key: "ann"}}} if where == "configurable" else {where: {key: "ann"}}
    assert gateway.bob.post("/runs/wait", json=body).status_code == 422


@pytest.mark.parametrize("method", sorted(COMMANDS))
def test_no_command_reaches_anothers_thread(gateway: Gateway, method: str) -> None:
    before = gateway.seen_by_ann()
    question = gateway.ann.get(f"/threads/{gateway.thread}/state").json()["interrupts"][0]["id"]
    params = {"assistant_id": "ask", "input": {"said": []}, "interrupt_id": question, "response": "mine"}
    params |= {"checkpoint_id": gateway.checkpoint, "run_id": gateway.run}
    command = {"id": 1, "method": method, "params": params}
    answer = gateway.bob.post(f"/threads/{gateway.thread}/commands", json=command)
    assert answer.status_code == 404, answer.text
    assert gateway.seen_by_ann() == before


def test_who_waits_for_a_thread_does_not_see_it_when_another_makes_it(gateway: Gateway) -> None:
    body = {"channels": ["values"]}
    with gateway.bob.stream("POST", "/threads/not-there-yet/stream/events", json=body) as stream:
        run = {"assistant_id": "speak", "input": {"said": ["secret"]}, "if_not_exists": "create"}
        assert gateway.ann.post("/threads/not-there-yet/runs/wait", json=run).status_code == 200
        said = stream.read().decode()
    gateway.ann.delete("/threads/not-there-yet")
    assert "no_such_run" in said and "secret" not in said and "heard" not in said


def test_searches_find_ones_own(gateway: Gateway) -> None:
    for metadata in ({}, {"topic": "mine"}, {OWNER: "ann"}):
        found = gateway.bob.post("/threads/search", json={"metadata": metadata, "limit": 100}).json()
        assert gateway.thread not in [thread["thread_id"] for thread in found]
        assert all(OWNER not in thread["metadata"] for thread in found)
    mine = gateway.ann.post("/threads/search", json={"metadata": {"topic": "mine"}, "limit": 100}).json()
    assert [thread["thread_id"] for thread in mine] == [gateway.thread]
    assert gateway.bob.post("/threads/prune", json={"thread_ids": [gateway.thread]}).json() == {"pruned_count": 0}


def test_nobody_runs_anothers_assistant(gateway: Gateway) -> None:
    body = {"assistant_id": gateway.assistant, "input": {"said": []}}
    assert gateway.bob.post("/runs/wait", json=body).status_code == 404
    assert gateway.ann.post("/runs/wait", json=body).status_code == 200
    for caller in (gateway.ann, gateway.bob):
        rows = caller.post("/assistants/search", json={"graph_id": "speak", "limit": 100}).json()
        assert (gateway.assistant in [row["assistant_id"] for row in rows]) == (caller is gateway.ann)
        assert all(OWNER not in row["metadata"] for row in rows)
    again = {"graph_id": "speak", "assistant_id": gateway.assistant, "if_exists": "do_nothing"}
    assert gateway.bob.post("/assistants", json=again).status_code == 404
    assert gateway.ann.post("/assistants", json=again).json()["config"] == {"tags": ["secret"]}


def test_nobody_gives_a_thread_to_another_by_its_metadata(gateway: Gateway) -> None:
    made = gateway.bob.post("/threads", json={"metadata": {OWNER: "ann"}}).json()["thread_id"]
    gateway.bob.patch(f"/threads/{made}", json={"metadata": {OWNER: "ann"}})
    assert gateway.ann.get(f"/threads/{made}").status_code == 404
    assert gateway.bob.get(f"/threads/{made}").status_code == 200


def test_a_thread_that_is_there_is_not_made_ones_own(gateway: Gateway) -> None:
    body: dict[str, Any] = {"thread_id": gateway.thread, "if_exists": "do_nothing"}
    assert gateway.bob.post("/threads", json=body).status_code in (404, 409)
    body = {"assistant_id": "speak", "input": {"said": []}, "if_not_exists": "create"}
    assert gateway.bob.post(f"/threads/{gateway.thread}/runs/wait", json=body).status_code == 404
    assert gateway.bob.get(f"/threads/{gateway.thread}").status_code == 404


def test_each_has_a_store_of_its_own(gateway: Gateway) -> None:
    gateway.bob.put("/store/items", json={"namespace": ["shelf"], "key": "k", "value": {"mine": 2}})
    at = {"namespace": "shelf", "key": "k"}
    assert gateway.ann.get("/store/items", params=at).json()["value"] == {"secret": 1}
    assert gateway.bob.get("/store/items", params=at).json()["namespace"] == ["shelf"]
    for caller, value in ((gateway.ann, {"secret": 1}), (gateway.bob, {"mine": 2})):
        found = caller.post("/store/items/search", json={"namespace_prefix": []}).json()["items"]
        assert [item["value"] for item in found] == [value]
        assert caller.post("/store/namespaces", json={}).json()["namespaces"] == [["shelf"]]
    for prefix in ([OWNER], [OWNER, "ann"], [OWNER, "ann", "shelf"]):
        found = gateway.bob.post("/store/items/search", json={"namespace_prefix": prefix}).json()
        assert found.get("items", []) == []


def test_what_is_ones_own_is_there(gateway: Gateway) -> None:
    """Over every route, those that delete last."""
    rows = sorted(BUILT, key=lambda row: (row.method == "DELETE", "/runs/{run_id}" not in row.path, row.path))
    skipped = {"POST /threads/prune", "GET /metrics"}
    for row in rows:
        if named(row) in skipped:
            continue
        run = gateway.run if "{thread_id}" in row.path else gateway.free_run
        answer = ask(gateway.ann, gateway, row, gateway.thread, run)
        assert answer.status_code < 400, (named(row), answer.status_code, answer.text)
