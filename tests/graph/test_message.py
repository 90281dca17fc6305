"""add_messages against LangGraph's, and its form without langchain-core."""

# ruff: noqa: ARG005 (nodes and routers must take the state)

from __future__ import annotations

import copy
from itertools import count
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, RemoveMessage
from langgraph.graph.message import REMOVE_ALL_MESSAGES as THEIR_REMOVE_ALL
from langgraph.graph.message import add_messages as their_add_messages
from tests.graph.driver import run

from drumline_graph import message_forms
from drumline_graph.builder import StateGraph
from drumline_graph.constants import START
from drumline_graph.message import REMOVE_ALL_MESSAGES, MessagesState, add_messages

ids = st.sampled_from("abcde")
texts = st.sampled_from(["x", "y", ""])
messages = st.one_of(
    st.builds(lambda i, t: HumanMessage(t, id=i), ids, texts),
    st.builds(lambda i, t: AIMessage(t, id=i), ids, texts),
    st.builds(lambda i, t: AIMessageChunk(t, id=i), ids, texts),  # type: ignore[call-arg]
    st.builds(lambda i, t: {"role": "user", "content": t, "id": i}, ids, texts),
)
changes = st.lists(
    st.one_of(
        messages,
        ids.map(RemoveMessage),
        st.just(RemoveMessage(REMOVE_ALL_MESSAGES)),
    ),
    max_size=5,
)


def outcome(function: Any, left: Any, right: Any) -> Any:
    try:
        return function(copy.deepcopy(left), copy.deepcopy(right))
    except ValueError:
        return ValueError


@given(left=st.lists(messages, max_size=5), right=st.one_of(changes, messages))
def test_merging_is_langgraphs(left: Any, right: Any) -> None:
    ours = outcome(add_messages, left, right)
    assert ours == outcome(their_add_messages, left, right)


nameless = st.builds(lambda kind, t: kind(t), st.sampled_from([HumanMessage, AIMessage, AIMessageChunk]), texts)
some = st.lists(st.one_of(messages, nameless), min_size=1, max_size=5)


@given(some.flatmap(lambda pool: st.tuples(*[st.lists(st.sampled_from(pool), max_size=4)] * 2)), st.booleans())
def test_ids_are_given_as_langgraph_gives_them(sides: tuple[list[Any], list[Any]], alone: bool) -> None:
    # one message may stand on both sides, or twice on one
    def merged(function: Any) -> Any:
        numbers = count()
        left, right = copy.deepcopy(sides)
        with patch("uuid.uuid4", lambda: f"new {next(numbers)}"):
            return function(left, right[0] if alone and right else right)

    assert merged(add_messages) == merged(their_add_messages)


@pytest.mark.parametrize("right", ["text", ("ai", "text"), {"role": "system", "content": "x"}, ["a", ("human", "b")]])
def test_what_looks_like_a_message_becomes_one_with_an_id(right: Any) -> None:
    ours, theirs = add_messages([], right), their_add_messages([], right)
    assert all(m.id for m in ours)
    for message in (*ours, *theirs):
        message.id = None
    assert ours == theirs


def test_neither_side_is_changed_and_unchanged_messages_stay_the_same_objects() -> None:
    left, right = [HumanMessage("a", id="1")], [AIMessage("b", id="2")]
    merged = add_messages(left, right)
    assert (len(left), len(right)) == (1, 1)
    assert merged[0] is left[0]


def test_a_message_without_id_gets_it_in_place() -> None:
    message = HumanMessage("a")
    assert add_messages([], message)[0].id == message.id is not None


def test_remove_all_is_langgraphs() -> None:
    assert REMOVE_ALL_MESSAGES == THEIR_REMOVE_ALL


def test_format_and_partial_form() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "x"}}
    write = {"role": "user", "content": [image], "id": "1"}
    reducer, their_reducer = (f(format="langchain-openai") for f in (add_messages, their_add_messages))  # type: ignore[call-arg]
    assert reducer([], [write])[0].content == their_reducer([], [write])[0].content  # type: ignore[operator]
    with pytest.raises(ValueError, match="Unrecognized format="):
        add_messages([], [], format="other")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="both sides, got only left"):
        add_messages([])


def test_messages_state_is_a_schema() -> None:
    graph = StateGraph(MessagesState).add_node("n", lambda state: {"messages": ("ai", "hi")})
    (_, last) = run(graph.add_edge(START, "n").compile(), {"messages": "hello"}).values
    assert [m.content for m in last["messages"]] == ["hello", "hi"]


class TestWithoutLangchain:
    @pytest.fixture(autouse=True)
    def _as_dicts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(message_forms, "_current", message_forms.dict_forms())

    def test_messages_are_dicts(self) -> None:
        merged = add_messages("a", [("assistant", "b"), {"role": "system", "content": "c"}])
        assert [(m["role"], m["content"]) for m in merged] == [
            ("user", "a"),
            ("assistant", "b"),
            ("system", "c"),
        ]
        assert len({m["id"] for m in merged}) == 3

    def test_same_id_replaces_and_remove_removes(self) -> None:
        left = [{"role": "user", "content": text, "id": text} for text in "abc"]
        before = copy.deepcopy(left)
        right = [{"role": "user", "content": "new", "id": "b"}, {"role": "remove", "id": "a"}]
        assert [m["content"] for m in add_messages(left, right)] == ["new", "c"]
        assert left == before
        assert add_messages(left, {"role": "remove", "id": REMOVE_ALL_MESSAGES}) == []
        with pytest.raises(ValueError, match="doesn't exist"):
            add_messages(left, {"role": "remove", "id": "unknown"})

    def test_other_things_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"drumline\[langchain\]"):
            add_messages([], 5)
