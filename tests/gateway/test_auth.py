"""Who asks, what they may, and how much of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph_sdk import Auth
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from drumline.apps import AppNotFound
from drumline.settings import UsageError
from drumline_gateway.auth import (
    OWNER,
    Caps,
    Guard,
    Identity,
    Refused,
    cors,
    matches,
    refuse_foreign,
    refuse_reserved,
    stamp,
    visible,
)
from drumline_gateway.callers import identity_of
from drumline_gateway.owners import label_of


def request(*, path: str = "/threads", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": b"a=1",
            "headers": raw,
            "client": ("10.0.0.7", 1),
            "path_params": {"thread_id": "t"},
        }
    )


def who(guard: Guard, **headers: str) -> Identity:
    return asyncio.run(guard.identify(request(**headers)))


def may(guard: Guard, identity: Identity, resource: str, action: str, **value: Any) -> tuple[Any, dict[str, Any]]:
    return asyncio.run(guard.allow(identity, resource, action, value)), value


def refused(call: Any) -> int:
    with pytest.raises(Refused) as caught:
        call()
    assert caught.value.detail
    return caught.value.status


KEYS = {"DRUMLINE_API_KEYS": "ann:key-of-ann, bob:key-of-bob"}


# -- API keys ----------------------------------------------------------------------------------------


def test_without_keys_everybody_may_everything() -> None:
    guard = Guard.from_environment({})
    assert not guard.asks
    nobody = who(guard)
    assert nobody == Identity(peer="10.0.0.7") and nobody.for_nodes == {}
    assert may(guard, nobody, "threads", "read") == (None, {})
    assert may(guard, nobody, "store", "put", namespace=("a",)) == (None, {"namespace": ("a",)})


def test_one_key_for_all() -> None:
    guard = Guard.from_environment({"DRUMLINE_API_KEY": "a-long-key"})
    assert guard.asks
    assert who(guard, x_api_key="a-long-key").id == ""
    assert refused(lambda: who(guard)) == 401 and refused(lambda: who(guard, x_api_key="a-long-kez")) == 401
    assert may(guard, who(guard, x_api_key="a-long-key"), "threads", "search") == (None, {})


def test_a_key_for_each_caller() -> None:
    guard = Guard.from_environment(KEYS)
    ann, bob = who(guard, x_api_key="key-of-ann"), who(guard, authorization="Bearer key-of-bob")
    assert (ann.id, bob.id) == ("ann", "bob")
    for wrong in ({}, {"x_api_key": "key-of-"}, {"authorization": "Basic key-of-bob"}, {"x_api_key": "ann:key-of-ann"}):
        assert refused(lambda wrong=wrong: who(guard, **wrong)) == 401
    for action in ("create", "read", "update", "delete", "search", "create_run"):
        assert may(guard, ann, "threads", action)[0] == {OWNER: "ann"}
    assert may(guard, bob, "crons", "create")[0] == {OWNER: "bob"}
    assert may(guard, ann, "assistants", "read")[0] == {OWNER: "ann"}  # of those that callers have made
    _, value = may(guard, ann, "store", "put", namespace=["memories", "x"])
    assert value["namespace"] == (OWNER, "ann", "memories", "x")
    assert may(guard, ann, "store", "list_namespaces")[1]["namespace"] == (OWNER, "ann")


@pytest.mark.parametrize(
    "environment",
    [
        {"DRUMLINE_API_KEY": "short"},
        {"DRUMLINE_API_KEY": "long enough\n"},
        {"DRUMLINE_API_KEY": "a-long-key", **KEYS},
        {"DRUMLINE_API_KEYS": "no-name-here"},
        {"DRUMLINE_API_KEYS": "a:same-key-1,b:same-key-1"},
        {"DRUMLINE_API_KEYS": ":key-of-nobody"},
        {"DRUMLINE_API_KEYS": "a b:key-of-two"},
        {"DRUMLINE_API_KEYS": "a:short"},
    ],
)
def test_keys_that_cannot_be(environment: dict[str, str]) -> None:
    with pytest.raises(UsageError) as told:
        Guard.from_environment(environment)
    assert not any(key in str(told.value) for key in ("same-key-1", "a-long-key", "key-of"))


def test_two_ways_to_say_who_asks_are_one_too_many() -> None:
    with pytest.raises(UsageError):
        Guard({"a-long-key": "a"}, authenticate=lambda _request: "b")


# -- callables ---------------------------------------------------------------------------------------


async def by_name(asked: Request) -> Any:
    return asked.headers.get("x-name")


@pytest.mark.parametrize(
    ("told", "id_"),
    [
        ("ann", "ann"),
        ({"identity": "ann", "permissions": ["a", "b"], "plan": "pro"}, "ann"),
        (SimpleNamespace(identity="ann", permissions=("a", "b"), plan="pro"), "ann"),
        (Identity("ann", ("a", "b")), "ann"),
    ],
)
def test_what_a_callable_may_say_of_a_caller(told: Any, id_: str) -> None:
    found = identity_of(told, "10.0.0.7")
    assert (found.id, found.peer) == (id_, "10.0.0.7")
    if not isinstance(told, str):
        assert found.permissions == ("a", "b")
    if isinstance(told, dict):
        assert found.for_nodes["langgraph_auth_user"]["plan"] == "pro"
        assert found.for_nodes["langgraph_auth_user_id"] == "ann"


@pytest.mark.parametrize(
    "told", [None, "", {}, {"identity": ""}, {"identity": "a", "is_authenticated": False}, object()]
)
def test_nobody_is_let_in(told: Any) -> None:
    assert refused(lambda: identity_of(told)) == 401


def test_callables_say_who_asks_and_what_they_may() -> None:
    guard = Guard(authenticate=by_name)
    ann = who(guard, x_name="ann")
    assert may(guard, ann, "threads", "read")[0] == {OWNER: "ann"}
    assert refused(lambda: who(guard)) == 401

    def authorize(identity: Identity, action: str, resource: str) -> Any:
        return {"team": identity.id} if resource == "threads" and action != "delete" else action == "read"

    guard = Guard(authenticate=lambda asked: asked.headers["x-name"], authorize=authorize)
    assert may(guard, ann, "threads", "read")[0] == {"team": "ann"}
    assert may(guard, ann, "assistants", "read")[0] is None
    assert refused(lambda: may(guard, ann, "threads", "delete")) == 403


# -- an Auth object of langgraph_sdk -----------------------------------------------------------------


def their_auth() -> Auth:
    auth = Auth()

    @auth.authenticate
    async def authenticate(authorization: str | None, path: str, method: str, headers: dict[bytes, bytes]) -> Any:
        assert path == "/threads" and method == "GET" and isinstance(headers, dict)
        if not authorization:
            raise Auth.exceptions.HTTPException(status_code=401, detail="who?", headers={"X-Why": "no token"})
        return {"identity": authorization, "permissions": ["p"], "display_name": "A", "team": "red"}

    @auth.on
    async def deny(ctx: Any, value: Any) -> Any:  # noqa: ARG001
        return False

    @auth.on.threads
    async def threads(ctx: Any, value: Any) -> Any:
        value.setdefault("metadata", {})["team"] = ctx.user["team"]
        return {"team": ctx.user.team}

    @auth.on.threads.delete
    async def delete(ctx: Any, value: Any) -> Any:  # noqa: ARG001
        return "admin" in ctx.permissions

    @auth.on.threads.create_run
    async def create_run(ctx: Any, value: Any) -> Any:  # noqa: ARG001
        assert (ctx.resource, ctx.action, ctx.user.display_name) == ("threads", "create_run", "A")
        assert ctx.user.is_authenticated and "team" in ctx.user and list(ctx.user)

    @auth.on.store
    async def store(ctx: Any, value: Any) -> Any:
        value["namespace"] = (ctx.user.identity, *value["namespace"])

    @auth.on.assistants.read
    async def assistants(ctx: Any, value: Any) -> Any:  # noqa: ARG001
        raise Auth.exceptions.HTTPException(status_code=404, detail="none")

    return auth


def test_an_auth_object_is_asked_as_langgraphs_server_asks_it() -> None:
    guard = Guard(auth=their_auth())
    ann = who(guard, authorization="ann")
    assert (ann.id, ann.permissions) == ("ann", ("p",))
    with pytest.raises(Refused) as why:
        who(guard)
    assert (why.value.status, why.value.detail, why.value.headers) == (401, "who?", {"X-Why": "no token"})
    assert may(guard, ann, "threads", "search") == ({"team": "red"}, {"metadata": {"team": "red"}})
    assert refused(lambda: may(guard, ann, "threads", "delete")) == 403
    assert may(guard, ann, "threads", "create_run") == (None, {})
    assert may(guard, ann, "store", "get", namespace=["x"])[1] == {"namespace": ("ann", "x")}
    assert refused(lambda: may(guard, ann, "assistants", "read")) == 404
    assert refused(lambda: may(guard, ann, "assistants", "search")) == 403
    assert refused(lambda: may(guard, ann, "crons", "create")) == 403


def test_an_auth_object_without_handlers_lets_all_pass_who_are_somebody() -> None:
    auth = Auth()

    @auth.authenticate
    async def authenticate(request: Request) -> str:
        return request.headers["x-name"]

    guard = Guard(auth=auth)
    assert may(guard, who(guard, x_name="ann"), "threads", "read")[0] is None
    with pytest.raises(KeyError):
        who(guard)
    with pytest.raises(UsageError):
        Guard(auth=object())


def test_the_auth_object_that_a_langgraph_json_names(tmp_path: Path) -> None:
    assert not Guard.of_project({}, tmp_path).asks
    said = {"graphs": {"a": "./a.py:graph"}, "auth": {"path": "./their_auth.py:auth"}}
    (tmp_path / "langgraph.json").write_text(json.dumps(said))
    with pytest.raises(AppNotFound):
        Guard.of_project({}, tmp_path)
    made = "async def authenticate(authorization):\n    return authorization\n\n\nauth.authenticate(authenticate)\n"
    (tmp_path / "their_auth.py").write_text(f"from langgraph_sdk import Auth\n\nauth = Auth()\n\n\n{made}")
    guard = Guard.of_project({}, tmp_path)
    assert guard.asks and who(guard, authorization="ann").id == "ann"


# -- owners ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metadata", "wanted", "passes"),
    [
        (None, None, True),
        ({"a": 1}, {}, True),
        ({}, {OWNER: "ann"}, False),
        ({OWNER: "ann"}, {OWNER: "ann"}, True),
        ({OWNER: "bob"}, {OWNER: "ann"}, False),
        ({OWNER: ["ann"]}, {OWNER: "ann"}, False),
        ({"a": 1}, {"a": {"$eq": 1}}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": ["x", "y"]}, {"a": {"$contains": "x"}}, True),
        ({"a": ["x", "y"]}, {"a": {"$contains": ["x", "z"]}}, False),
        ({"a": "xy"}, {"a": {"$contains": "x"}}, False),
        ({"a": 1}, {"a": {"$gt": 0}}, False),
        ({"a": 1}, {"a": {}}, False),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, False),
    ],
)
def test_filters(metadata: Any, wanted: Any, passes: bool) -> None:
    assert matches(metadata, wanted) is passes


METADATA = st.dictionaries(st.sampled_from(["a", "b", OWNER]), st.text() | st.lists(st.text()) | st.integers())
WANTED = st.dictionaries(
    st.sampled_from(["a", "b", OWNER]),
    st.text()
    | st.fixed_dictionaries({"$eq": st.text()})
    | st.fixed_dictionaries({"$contains": st.text() | st.lists(st.text())}),
)


@given(METADATA, WANTED)
def test_what_is_stamped_passes_whatever_a_client_said(metadata: Any, wanted: Any) -> None:
    stamped = stamp(metadata, wanted)
    assert matches(stamped, wanted)
    if OWNER not in wanted:
        assert OWNER not in stamped
    assert OWNER not in visible(stamped)


@given(st.text(), st.text())
def test_labels_tell_identities_apart(one: str, other: str) -> None:
    assert (label_of(one) == label_of(other)) == (one == other)
    assert "." not in label_of(one) and "\0" not in label_of(one)


# -- what clients may not set, caps, other origins ---------------------------------------------------


def test_keys_that_are_not_a_clients_to_set() -> None:
    refuse_reserved({"thread_id": "t", "model": "x"})
    refuse_reserved(None)
    for key in ("__pregel_send", "__drumline", "langgraph_auth_user", "langgraph_auth_user_id"):
        assert refused(lambda key=key: refuse_reserved({key: 1})) == 422


def test_one_caller_takes_nothing_from_another() -> None:
    caps = Caps(streams_max=2, requests_max=1)
    ann, bob = Identity("ann", peer="1"), Identity("bob", peer="1")
    first, _second = caps.stream(ann), caps.stream(ann)
    assert refused(lambda: caps.stream(ann)) == 429
    caps.stream(bob)
    first()
    first()
    caps.stream(ann)
    assert refused(lambda: caps.stream(ann)) == 429
    caps.request(Identity(peer="1"))
    caps.request(Identity(peer="2"))
    assert refused(lambda: caps.request(Identity(peer="1"))) == 429


def test_a_page_of_another_origin_makes_no_request_behind_a_browsers_back() -> None:
    for fine in ({}, {"origin": "http://gate.example:2024"}, {"origin": "https://page.example"}):
        refuse_foreign(request(host="gate.example:2024", **fine), ["https://page.example"])
    refuse_foreign(request(host="x", origin="null"), ["*"])
    for foreign in ("https://evil.example", "null", "http://gate.example", "http://gate.example:2024.evil.example"):
        ask = request(host="gate.example:2024", origin=foreign)
        assert refused(lambda ask=ask: refuse_foreign(ask, ["https://page.example"])) == 403


@pytest.mark.parametrize(
    ("origins", "allowed"), [((), None), (("https://a.example",), "https://a.example"), (("*",), "*")]
)
def test_other_origins_may_ask_if_told(origins: Any, allowed: str | None) -> None:
    async def endpoint(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("x", headers={"Content-Location": "/runs/r"})

    made = cors(origins)
    app = Starlette(routes=[Route("/", endpoint)], middleware=[] if made is None else [made])
    client = TestClient(app)
    answer = client.get("/", headers={"Origin": "https://a.example"})
    assert answer.headers.get("access-control-allow-origin") == allowed
    if allowed:
        assert "Content-Location" in answer.headers["access-control-expose-headers"]
        asks = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
        asks["Access-Control-Request-Headers"] = "x-api-key, last-event-id"
        assert client.options("/", headers=asks).status_code == 200
    else:
        assert "access-control-expose-headers" not in answer.headers
