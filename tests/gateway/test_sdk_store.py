"""LangGraph's Python SDK against both gateways: every method of `store`."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from langgraph_sdk.errors import UnprocessableEntityError


@pytest.fixture
def root() -> str:
    return uuid.uuid4().hex


def test_items_are_put_found_and_deleted(client: Any, root: str) -> None:
    for n in range(3):
        client.store.put_item([root, "docs"], f"k{n}", {"n": n, "even": n % 2 == 0})
    item = client.store.get_item([root, "docs"], "k1")
    assert (item["namespace"], item["key"], item["value"]) == ([root, "docs"], "k1", {"n": 1, "even": False})
    assert item["created_at"] and item["updated_at"]
    assert client.store.get_item([root, "docs"], "nobody") is None
    found = client.store.search_items([root], filter={"even": True})["items"]
    assert sorted(item["key"] for item in found) == ["k0", "k2"]
    assert len(client.store.search_items([root], limit=2, offset=2)["items"]) == 1
    client.store.put_item([root, "docs"], "k1", {"n": 10}, index=False, ttl=5)
    assert client.store.get_item([root, "docs"], "k1", refresh_ttl=True)["value"] == {"n": 10}
    client.store.delete_item([root, "docs"], "k1")
    client.store.delete_item([root, "docs"], "k1")
    assert client.store.get_item([root, "docs"], "k1") is None


def test_namespaces_are_listed(client: Any, root: str) -> None:
    for path in ([root, "a", "x"], [root, "a", "y"], [root, "b", "x"]):
        client.store.put_item(path, "k", {})
    listed = client.store.list_namespaces
    assert sorted(listed(prefix=[root])["namespaces"]) == [[root, "a", "x"], [root, "a", "y"], [root, "b", "x"]]
    assert sorted(listed(prefix=[root], max_depth=2)["namespaces"]) == [[root, "a"], [root, "b"]]
    assert sorted(listed(prefix=[root], suffix=["x"])["namespaces"]) == [[root, "a", "x"], [root, "b", "x"]]
    assert len(listed(prefix=[root], limit=1, offset=1)["namespaces"]) == 1


def test_what_is_no_item_is_refused(client: Any, root: str) -> None:
    for namespace, key, value in (
        ([root], "", {}),
        ([root], "k", "text"),
        ([root] * 50, "k", {}),
        ([root], "k" * 2000, {}),
    ):
        with pytest.raises(UnprocessableEntityError):
            client.store.put_item(namespace, key, value)
    with pytest.raises(UnprocessableEntityError):
        client.store.put_item([], "k", {})


def test_graphs_and_clients_share_the_store(client: Any, root: str) -> None:
    client.store.put_item([root], "greeting", {"text": "hello"})
    assert client.runs.wait(None, "remember", input={"topic": root})["said"] == ["hello"]
    assert client.store.get_item([root], "seen")["value"] == {"by": "remember"}
