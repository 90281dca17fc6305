"""The page's files, its stream of facts and its overview, over a cluster and over graphs of this process."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.gateway.stand import serving, talk

from drumline.testing import local_cluster
from drumline_gateway import page_files
from drumline_gateway.app import asgi, build
from drumline_gateway.auth import Guard
from drumline_gateway.embedded_service import EmbeddedService

PAGE = Path(page_files.__file__).parent / "page"


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as client:
        yield client


def test_every_file_of_the_page_is_served_with_its_type_and_tag(client: httpx.Client) -> None:
    index = client.get("/")
    assert index.headers["content-type"] == "text/html; charset=utf-8"
    names = {path.name for path in PAGE.iterdir()}
    assert {"index.html", "page.css", "main.js", "reducer.js"} <= names
    for name in names - {"index.html"}:
        found = client.get(f"/page/{name}")
        assert (found.status_code, found.content) == (200, (PAGE / name).read_bytes()), name
        again = client.get(f"/page/{name}", headers={"If-None-Match": f'"other", W/{found.headers["etag"]}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", found.headers["etag"])
    assert client.get("/", headers={"If-None-Match": '"another"'}).status_code == 200


@pytest.mark.parametrize(
    "name", ["index.html", "nothing.js", "..%2fapp.py", "%2e%2e%2fof_page.py", "page", "main.js%00"]
)
def test_nothing_else_is_served(client: httpx.Client, name: str) -> None:
    assert client.get(f"/page/{name}").status_code == 404
    assert client.get("/page/../of_page.py").status_code == 404


def test_the_page_may_ask_nobody_but_its_gateway(client: httpx.Client) -> None:
    for path in ("/", "/page/main.js"):
        headers = client.get(path).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'" and policy["script-src"] == policy["connect-src"] == "'self'"
        assert policy["style-src"] == "'self'" and policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert headers["x-content-type-options"] == "nosniff"


#: what would take data for markup or for code
MARKUP = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function"


@pytest.mark.parametrize("path", sorted(PAGE.iterdir()), ids=lambda path: path.name)
def test_the_files_name_no_other_host_and_make_no_markup_of_data(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|//[a-z]+\.", text.replace("// ", ""))
    assert not re.search(MARKUP, text)
    assert not re.search(r"<script>|<style|\son[a-z]+=|style=", text), "the policy forbids it"


# -- facts ----------------------------------------------------------------------------------------------


def begun(client: httpx.Client, graph: str, **input: Any) -> str:
    """Where the facts of a new run are."""
    thread = client.post("/threads", json={}).json()["thread_id"]
    run = client.post(f"/threads/{thread}/runs", json={"assistant_id": graph, "input": input}).json()
    return f"/drumline/threads/{thread}/runs/{run['run_id']}/facts"


def frames(text: str) -> list[dict[str, str]]:
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]  # type: ignore[misc]


def told(found: list[dict[str, str]]) -> list[str]:
    items = [json.loads(frame["data"]) for frame in found if frame["event"] == "item"]
    return [item["data"]["fact"] if item["type"] == "facts" else item["type"] for item in items]


def test_facts_tell_who_ran_what_and_what_came_of_it(client: httpx.Client, kind: str) -> None:
    found = frames(client.get(begun(client, "ask", topic="why")).text)
    items = [json.loads(frame["data"]) for frame in found[:-1]]
    facts = {item["data"]["fact"]: item["data"] for item in items if item["type"] == "facts"}
    assert facts["RunStarted"]["nodes"] == {"": ["speak", "ask"]}
    assert [task["name"] for task in facts["PlanMade"]["tasks"]] == ["ask"]
    assert facts["TaskFinished"]["executor"].startswith("worker" if kind == "cluster" else "embedded")
    (asked,) = facts["TaskInterrupted"]["interrupts"]
    assert asked["value"] == {"question": "why"} and asked["id"]
    assert facts["RunFinished"]["status"] == "paused"
    values = [item["data"] for item in items if item["type"] == "values"]
    assert values[-1] == {"said": ["heard 0"], "topic": "why"}
    assert found[-1]["event"] == "end"


def test_facts_of_graphs_in_nodes_have_their_namespace(client: httpx.Client) -> None:
    found = frames(client.get(begun(client, "nested", topic="x")).text)
    items = [json.loads(frame["data"]) for frame in found[:-1]]
    plans = [(item["ns"], item["data"]["tasks"][0]["name"]) for item in items if item["data"].get("fact") == "PlanMade"]
    assert [name for ns, name in plans if ns and ns[0].startswith("inner:")] == ["__start__", "speak"]
    assert any(item["type"] == "values" and item["ns"] for item in items)


def test_a_run_that_fails_tells_its_error_as_a_fact_and_ends_its_stream_with_it(client: httpx.Client) -> None:
    found = frames(client.get(begun(client, "fail", topic="x")).text)
    last = json.loads(found[-2]["data"])["data"]
    error = {"error": "ValueError", "message": "this graph always fails"}
    assert (last["fact"], last["status"], last["error"]) == ("RunFinished", "failed", error)
    assert (found[-1]["event"], json.loads(found[-1]["data"])) == ("error", error)


@pytest.mark.parametrize("graph", ["ask", "nested", "fail"])
def test_a_stream_that_is_cut_anywhere_goes_on_there(client: httpx.Client, graph: str) -> None:
    place = begun(client, graph, topic="x")
    whole = frames(client.get(place).text)
    assert frames(client.get(place).text) == whole
    assert len({frame["id"] for frame in whole[:-1]}) == len(whole) - 1
    for cut, frame in enumerate(whole[:-1], 1):
        rest = client.get(place, headers={"Last-Event-ID": frame["id"]}).text
        assert frames(rest) == whole[cut:], f"cut behind {frame}"


@pytest.mark.parametrize("id_", ["-1", "", "0"])
def test_some_ids_are_the_beginning(client: httpx.Client, id_: str) -> None:
    place = begun(client, "speak", topic="x")
    assert told(frames(client.get(place, headers={"Last-Event-ID": id_}).text))[0] == "RunStarted"


@pytest.mark.parametrize("id_", ["$", "rubbish", "12'--", "9" * 300, "1.1.deadbeef."])
def test_an_id_that_was_never_given_out_is_refused(client: httpx.Client, id_: str) -> None:
    answer = client.get(begun(client, "speak", topic="x"), headers={"Last-Event-ID": id_})
    assert answer.status_code == 400 or frames(answer.text)[-1]["event"] == "error"
    assert "RunStarted" not in answer.text


def test_facts_come_while_the_run_goes_on(client: httpx.Client, gate: Any) -> None:
    place = begun(client, "wait", topic="wait")
    with client.stream("GET", place) as answer:
        text = ""
        for part in answer.iter_text():
            text += part
            if '"name":"wait"' in text and not gate.is_set():
                assert "RunFinished" not in text
                gate.set()
    assert told(frames(text))[-1] == "RunFinished"


def test_a_run_that_records_less_shows_what_it_records() -> None:
    graphs = talk()
    with local_cluster(graphs) as cluster, serving(asgi(cluster, graphs=cluster.graphs)) as url:
        stream = cluster.graph("speak").stream({"topic": "x"}, stream_mode="updates")
        list(stream)
        found = frames(httpx.get(f"{url}/drumline/runs/{stream.run_id}/facts", timeout=30).text)
    assert told(found)[0] == "RunStarted" and "values" in told(found) and found[-1]["event"] == "end"


def test_facts_of_an_unknown_run(client: httpx.Client) -> None:
    assert client.get("/drumline/runs/nothing/facts").status_code == 404
    assert client.get("/drumline/threads/nothing/runs/nothing/facts").status_code == 404


# -- the overview ---------------------------------------------------------------------------------------


def test_the_overview_tells_how_everything_stands(client: httpx.Client, kind: str, gate: Any) -> None:
    failed = begun(client, "fail", topic="x")
    client.get(failed)
    open_ = begun(client, "wait", topic="wait")
    found = client.get("/drumline/overview").json()
    names = {"partitions", "unowned_partitions", "coordinators", "workers", "pools", "open_runs", "runs", "failed"}
    assert names <= set(found)
    row = next(row for row in found["runs"] if row["run_id"] == open_.split("/")[-2])
    assert (row["graph"], row["thread_id"]) == ("wait", open_.split("/")[3])
    last = next(row for row in found["failed"] if row["run_id"] == failed.split("/")[-2])
    assert (last["graph"], last["thread_id"]) == ("fail", failed.split("/")[3])
    assert "this graph always fails" in last["error"]
    if kind == "cluster":
        assert [worker["alive"] for worker in found["workers"]] == [True, True]
        assert found["unowned_partitions"] == [] and found["pools"][0]["name"] == "default"
    gate.set()


def test_of_another_caller_the_page_shows_nothing(kind: str) -> None:
    guard = Guard({"key-of-ann": "ann", "key-of-bob": "bob"})
    graphs = talk()

    def look(url: str) -> None:
        with (
            httpx.Client(base_url=url, headers={"x-api-key": "key-of-ann"}, timeout=30) as ann,
            httpx.Client(base_url=url, headers={"x-api-key": "key-of-bob"}, timeout=30) as bob,
        ):
            place = begun(ann, "fail", topic="secret of ann")
            assert "secret of ann" in ann.get(place).text
            assert bob.get(place).status_code == 404
            run = place.split("/")[-2]
            assert bob.get(f"/drumline/runs/{run}/facts").status_code == 404
            assert [row["run_id"] for row in ann.get("/drumline/overview").json()["failed"]] == [run]
            assert run not in bob.get("/drumline/overview").text
            for path in ("/drumline/overview", place):
                assert httpx.get(url + path, timeout=30).status_code == 401
            assert httpx.get(url, timeout=30).status_code == 200  # the page itself asks for the key

    if kind == "cluster":
        with local_cluster(graphs) as cluster, serving(asgi(cluster, graphs=cluster.graphs, guard=guard)) as url:
            look(url)
    else:
        programs = {name: graph.program for name, graph in graphs.items()}
        with serving(build(EmbeddedService(programs), guard=guard)) as url:
            look(url)
