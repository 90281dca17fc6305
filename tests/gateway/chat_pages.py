"""What tests of the vendors' hooks share: a page whose server is a gateway over the chats, and what is said there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.gateway.chats import Gate, chats, gateway_over
from tests.gateway.page_driver import Page, node_and_modules, page_at

__all__ = ["AMID", "HI", "WHOLE", "asks", "gate", "page", "said", "url"]

#: what the graph `chat` says to HI until it waits for the gate, and in all
AMID, WHOLE = "you said hi", "you said hi amid the talk"


def asks(text: str, id_: str) -> dict[str, Any]:
    """The input of a chat: one message of a person."""
    return {"messages": [{"type": "human", "content": text, "id": id_}]}


HI = asks("hi", "m1")


@pytest.fixture(scope="module")
def gate() -> Gate:
    return Gate()


@pytest.fixture(scope="module", params=["cluster", "embedded"])
def url(request: pytest.FixtureRequest, gate: Gate) -> Iterator[str]:
    """A gateway over a cluster, or over graphs of its process."""
    node_and_modules()
    with gateway_over(request.param, chats(gate)) as url:
        yield url


@pytest.fixture(scope="module")
def page(url: str) -> Iterator[Page]:
    """A page of that gateway."""
    with page_at(url) as page:
        yield page


def said(shown: dict[str, Any]) -> list[str]:
    """The texts of the messages that a page shows."""
    return [message["content"] for message in shown["messages"]]
