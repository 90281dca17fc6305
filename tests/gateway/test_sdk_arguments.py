"""Every argument of LangGraph's Python SDK: what of it the gateway reads, and what it says of the rest.

A call is made with all of its arguments. What the SDK sends is compared with what a handler has looked at; whatever it
passed over must be named in `Drumline-Ignored`. An SDK with a new method, argument or key fails here until somebody has
decided.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import APIStatusError
from starlette.datastructures import QueryParams
from starlette.requests import HTTPConnection
from tests.gateway.stand import talk

from drumline_gateway import app as gateway_app
from drumline_gateway.app import build
from drumline_gateway.bodies import read_body
from drumline_gateway.embedded_service import EmbeddedService

#: what every method takes: headers and parameters of the caller's own
OF_HTTP = {"headers", "params"}
#: what the SDK keeps to itself
OF_CLIENT = {"on_run_created", "raise_error", "response_format", "version", "return_minimal"}
#: said of a run without effect, by the keys that are sent
TOLD = {"webhook", "feedback_keys", "on_completion", "strict_resume", "langsmith_tracer"}
#: and of one that is on no thread
TOLD_ALONE = {"multitask_strategy", "if_not_exists", "checkpoint", "checkpoint_id", "checkpoint_during", "durability"}
#: sent, and true of all runs: each stream can be read again
ALWAYS = {"stream_resumable"}

PLACE = {"checkpoint_ns": ""}
RUN: dict[str, Any] = {
    "input": {"said": ["x"]},
    "stream_mode": ["values"],
    "stream_subgraphs": True,
    "stream_resumable": True,
    "metadata": {"a": 1},
    "config": {"tags": ["x"]},
    "context": {"who": "me"},
    "checkpoint": PLACE,
    "interrupt_before": ["nobody"][1:],
    "interrupt_after": ["nobody"][1:],
    "webhook": "http://nobody.invalid",
    "multitask_strategy": "enqueue",
    "if_not_exists": "create",
    "on_completion": "delete",
    "on_disconnect": "continue",
    "after_seconds": 0.001,
    "langsmith_tracing": {"project_name": "p"},
    "feedback_keys": ["k"],
    "durability": "sync",
    "strict_resume": True,
    "on_run_created": lambda _run: None,
    "raise_error": True,
    "version": "v2",
}
PAGE = {"limit": 2, "offset": 0}
SORTED = {"sort_by": "created_at", "sort_order": "asc"}
CALLS: dict[str, dict[str, Any]] = {
    "assistants.count": {"metadata": {"a": 1}, "graph_id": "speak", "name": "s"},
    "assistants.create": {"graph_id": "speak", "config": {}, "context": {}, "metadata": {"a": 1}, "assistant_id": "a2",
                          "if_exists": "do_nothing", "name": "n", "description": "d"},
    "assistants.delete": {"assistant_id": "gone", "delete_threads": True},
    "assistants.get": {"assistant_id": "speak"},
    "assistants.get_graph": {"assistant_id": "speak", "xray": 1},
    "assistants.get_schemas": {"assistant_id": "speak"},
    "assistants.get_subgraphs": {"assistant_id": "nested", "namespace": "inner", "recurse": True},
    "assistants.get_versions": {"assistant_id": "speak", "metadata": {"a": 1}, **PAGE},
    "assistants.search": {"metadata": {"a": 1}, "graph_id": "speak", "name": "s", "select": ["name"],
                          "response_format": "object", **PAGE, **SORTED},
    "assistants.set_latest": {"assistant_id": "a", "version": 1},
    "assistants.update": {"assistant_id": "a", "graph_id": "speak", "config": {"tags": ["x"]}, "context": {"a": 1},
                          "metadata": {"a": 1}, "name": "n", "description": "d"},
    "threads.copy": {"thread_id": "t"},
    "threads.count": {"metadata": {"a": 1}, "values": {"a": 1}, "status": "idle"},
    "threads.create": {"metadata": {"a": 1}, "thread_id": "new", "if_exists": "do_nothing", "graph_id": "speak",
                       "supersteps": [{"updates": [{"values": {"said": ["x"]}, "as_node": "__start__"}]}], "ttl": 5},
    "threads.delete": {"thread_id": "gone"},
    "threads.get": {"thread_id": "t", "include": ["ttl"]},
    "threads.get_history": {"thread_id": "t", "limit": 1, "before": "1", "metadata": {"a": 1}, "checkpoint": PLACE,
                            "select": ["values"]},
    "threads.get_state": {"thread_id": "t", "checkpoint": PLACE, "subgraphs": True, "select": ["values.said"]},
    "threads.prune": {"thread_ids": ["nobody"], "strategy": "keep_latest"},
    "threads.search": {"metadata": {"a": 1}, "values": {"a": 1}, "ids": ["t"], "status": "idle", "select": ["status"],
                       "extract": {"last": "values.said[-1]"}, **PAGE, **SORTED},
    "threads.update": {"thread_id": "t", "metadata": {"a": 1}, "ttl": 5, "return_minimal": True},
    "threads.update_state": {"thread_id": "t", "values": {"said": ["y"]}, "as_node": "speak", "checkpoint": PLACE},
    "runs.cancel": {"thread_id": "t", "run_id": "", "wait": True, "action": "interrupt"},
    "runs.cancel_many": {"thread_id": "t", "run_ids": ["x"], "status": "all", "action": "interrupt"},
    "runs.create": {"thread_id": "t", "assistant_id": "speak", **RUN},
    "runs.create_batch": {"payloads": []},
    "runs.delete": {"thread_id": "t", "run_id": ""},
    "runs.get": {"thread_id": "t", "run_id": ""},
    "runs.join": {"thread_id": "t", "run_id": ""},
    "runs.join_stream": {"thread_id": "t", "run_id": "", "cancel_on_disconnect": True, "stream_mode": "values",
                         "last_event_id": "-1"},
    "runs.list": {"thread_id": "t", "status": "success", "select": ["run_id"], **PAGE},
    "runs.stream": {"thread_id": "t", "assistant_id": "speak", **RUN},
    "runs.wait": {"thread_id": "t", "assistant_id": "speak", **RUN},
    "store.delete_item": {"namespace": ["a"], "key": "k"},
    "store.get_item": {"namespace": ["a"], "key": "k", "refresh_ttl": True},
    "store.list_namespaces": {"prefix": ["a"], "suffix": ["a"], "max_depth": 2, **PAGE},
    "store.put_item": {"namespace": ["a"], "key": "k", "value": {"a": 1}, "index": ["a"], "ttl": 5},
    "store.search_items": {"namespace_prefix": ["a"], "filter": {"a": 1}, "query": "a", "refresh_ttl": True, **PAGE},
}  # fmt: skip
#: arguments that exclude others of their call
MORE: dict[str, list[dict[str, Any]]] = {
    "threads.get_state": [
        {"thread_id": "t", "checkpoint_id": "", "subgraphs": True, "select": ["values"]},
        {"thread_id": "t", "subgraphs": True, "select": ["values"]},
    ],
    "threads.update_state": [{"thread_id": "t", "values": {"said": ["y"]}, "checkpoint_id": ""}],
    **{
        f"runs.{name}": [
            {"thread_id": "t", "assistant_id": "speak", "command": {"update": {"said": ["c"]}}},
            {"thread_id": "t", "assistant_id": "speak", "input": RUN["input"], "checkpoint_id": ""},
            {"thread_id": "t", "assistant_id": "speak", "input": RUN["input"], "checkpoint_during": True},
        ]
        for name in ("create", "stream", "wait")
    },
}
#: streams of threads are walked through in files of their own
ELSEWHERE = {"threads.stream": "test_thread_sdk", "threads.join_stream": "test_thread_join"}


class Heard(dict[str, Any]):
    """An object that knows which of its keys somebody has asked for."""

    def __init__(self, given: dict[str, Any]) -> None:
        super().__init__(given)
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> Any:
        self.asked.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return super().__contains__(key)


class HeardQuery(QueryParams):
    asked: set[str]

    def get(self, key: Any, default: Any = None) -> Any:
        self.asked.add(str(key))
        return super().get(key, default)

    def getlist(self, key: Any) -> list[str]:
        self.asked.add(str(key))
        return super().getlist(key)


@dataclass
class Wire:
    """What went over it: keys that were sent, keys that were looked at, and what was said of those without effect."""

    sent: set[str] = field(default_factory=set)
    bodies: list[Heard] = field(default_factory=list)
    queries: list[HeardQuery] = field(default_factory=list)
    ignored: set[str] = field(default_factory=set)
    statuses: list[int] = field(default_factory=list)

    def clear(self) -> None:
        self.sent, self.ignored, self.bodies, self.queries, self.statuses = set(), set(), [], [], []

    @property
    def heard(self) -> set[str]:
        return set().union(*(body.asked for body in self.bodies), *(query.asked for query in self.queries))

    async def on_request(self, request: httpx.Request) -> None:
        body = json.loads(request.content) if request.content else None
        self.sent.update(body if isinstance(body, dict) else ())
        self.sent.update(key for key, _ in parse_qsl(request.url.query.decode(), keep_blank_values=True))

    async def on_response(self, response: httpx.Response) -> None:
        self.statuses.append(response.status_code)
        self.ignored.update(response.headers.get("drumline-ignored", "").replace(" ", "").split(","))
        self.ignored.discard("")


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    wire = Wire()

    async def read(request: Any, size_max: int) -> Any:
        found = await read_body(request, size_max)
        if isinstance(found, dict) and found:
            wire.bodies.append(Heard(found))
            return wire.bodies[-1]
        return found

    def query_params(self: HTTPConnection) -> HeardQuery:
        found = HeardQuery(self.scope["query_string"])
        found.asked = set()
        wire.queries.append(found)
        return found

    monkeypatch.setattr(gateway_app, "read_body", read)
    monkeypatch.setattr(HTTPConnection, "query_params", property(query_params))
    return wire


def during(do: Any, wire: Wire) -> None:
    """Do it with a client of a gateway on which there are a thread, a run and an assistant."""

    async def whole() -> None:
        app = build(EmbeddedService({name: graph.program for name, graph in talk().items()}))
        hooks: dict[str, list[Any]] = {"request": [wire.on_request], "response": [wire.on_response]}
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://x", event_hooks=hooks) as http:
                client = LangGraphClient(http)
                for thread in ("t", "gone"):
                    await client.threads.create(thread_id=thread)
                run = await client.runs.create("t", "speak", input=RUN["input"])
                await client.runs.join("t", run["run_id"])
                for assistant in ("a", "gone"):
                    await client.assistants.create("speak", assistant_id=assistant)
                state = await client.threads.get_state("t")
                known = {"run_id": run["run_id"], "checkpoint_id": state["checkpoint"]["checkpoint_id"]}
                wire.clear()
                await do(client, known)

    asyncio.run(asyncio.wait_for(whole(), 60))


async def call(client: Any, name: str, given: dict[str, Any], known: dict[str, str]) -> None:
    kind, _, method = name.partition(".")
    given = {key: known[key] if value == "" else value for key, value in given.items()}
    ask = getattr(getattr(client, kind), method)
    parts = inspect.signature(ask).parameters.values()
    placed = [given.pop(part.name) for part in parts if part.kind is part.POSITIONAL_ONLY]
    found = ask(*placed, **given)
    if inspect.isasyncgen(found):
        async for _part in found:
            pass
    else:
        await found


def methods() -> Iterator[tuple[str, set[str]]]:
    client = LangGraphClient(httpx.AsyncClient())
    for kind in ("assistants", "threads", "runs", "store"):
        of_kind = getattr(client, kind)
        for method in dir(of_kind):
            if not method.startswith("_") and callable(getattr(of_kind, method)):
                yield f"{kind}.{method}", set(inspect.signature(getattr(of_kind, method)).parameters)


def of_call(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """The arguments among these that the method takes."""
    takes = dict(methods())[name]
    return {key: value for key, value in given.items() if key in takes}


@pytest.mark.filterwarnings("ignore:.*checkpoint_during:DeprecationWarning")
@pytest.mark.parametrize(("name", "takes"), [pytest.param(*each, id=each[0]) for each in methods()])
def test_nothing_that_can_be_said_is_passed_over_in_silence(name: str, takes: set[str], wire: Wire) -> None:
    if name in ELSEWHERE:
        return
    calls = [of_call(name, given) for given in (CALLS[name], *MORE.get(name, ()))]
    said = {key for given in calls for key in given}
    assert said == takes - OF_HTTP, "an argument that nobody has tried"

    async def do(client: Any, known: dict[str, str]) -> None:
        for given in calls:
            wire.clear()
            await call(client, name, given, known)
            wants_told = TOLD & wire.sent
            assert wire.ignored == wants_told
            assert wire.sent - wire.heard - wire.ignored - ALWAYS == set()
            assert set(given) - OF_CLIENT - ALWAYS  # the client has sent what it was given

    during(do, wire)


@pytest.mark.filterwarnings("ignore:.*checkpoint_during:DeprecationWarning")
@pytest.mark.parametrize("method", ["create", "stream", "wait"])
def test_what_is_said_of_a_thread_is_without_effect_where_there_is_none(method: str, wire: Wire) -> None:
    async def do(client: Any, known: dict[str, str]) -> None:
        for given in (RUN, {"input": RUN["input"], "checkpoint_id": "1", "checkpoint_during": True}):
            wire.clear()
            asked = {"thread_id": None, "assistant_id": "speak", **of_call(f"runs.{method}", given)}
            await call(client, f"runs.{method}", asked, known)
            assert wire.ignored == (TOLD | TOLD_ALONE) & wire.sent
            assert wire.sent - wire.heard - ALWAYS == set()

    during(do, wire)


def test_a_batch_tells_what_is_without_effect_in_any_of_its_runs(wire: Wire) -> None:
    async def do(client: Any, _known: dict[str, str]) -> None:
        runs = [{"assistant_id": "speak", "webhook": "http://x"}, {"assistant_id": "speak", "strict_resume": True}]
        await client.runs.create_batch(runs)
        assert wire.ignored == {"webhook", "strict_resume"}

    during(do, wire)


CRONS: dict[str, dict[str, Any]] = {
    "count": {},
    "create": {"assistant_id": "speak", "schedule": "* * * * *"},
    "create_for_thread": {"thread_id": "t", "assistant_id": "speak", "schedule": "* * * * *"},
    "delete": {"cron_id": "c"},
    "search": {},
    "update": {"cron_id": "c", "enabled": False},
}


def test_crons_are_refused_as_a_whole(wire: Wire) -> None:
    async def do(client: Any, _known: dict[str, str]) -> None:
        assert {name for name in dir(client.crons) if not name.startswith("_") and name != "http"} == set(CRONS)
        for method, given in CRONS.items():
            with pytest.raises(APIStatusError, match="Crons is not built in drumline's gateway") as refused:
                await getattr(client.crons, method)(**given)
            assert refused.value.status_code == 501

    during(do, wire)
