"""Which requests of one run id are the same."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.codec_types import TypeTable
from drumline_protocol.errors import RunIdTaken
from drumline_protocol.facts import RunStarted
from drumline_protocol.failure import describe, rebuild
from drumline_protocol.messages import RunRequest
from drumline_protocol.request_digest import Asked, digest_of


@dataclass
class Point:
    x: Any


CODEC = Codec(TypeTable().with_types([Point]))


def digest(input: Any = None, config: Any = None, context: Any = None, **options: Any) -> str:
    request = RunRequest("r", "g", input, config or {}, context, **options)
    return digest_of(request, CODEC.encode(input), CODEC)


SAME = [
    ({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}),
    ([{"a": 1, "b": 2}], [{"b": 2, "a": 1}]),
    ({"s": {"x", "y", "z"}}, {"s": {"z", "y", "x"}}),
    ({1: "a", "1": "b"}, {"1": "b", 1: "a"}),
    ({"p": Point({"a": 1})}, {"p": Point({"a": 1})}),
    ({"u": uuid.UUID(int=5)}, {"u": uuid.UUID(int=5)}),
    ({"t": "\ud800"}, {"t": "\ud800"}),
    (None, None),
]
OTHER = [
    ({"a": 1}, {"a": 2}),
    ({"a": 1}, {"a": "1"}),
    ({"a": 1}, {"a": True}),
    ({"a": [1, 2]}, {"a": [2, 1]}),
    ({"a": [1, 2]}, {"a": (1, 2)}),
    ({"a": b"x"}, {"a": "x"}),
    ({"a": {}}, {"a": []}),
    ({"a": {"b": 1}}, {"a": ["b", 1]}),
    ({"a": {"b": 1, "c": 2}}, {"a": {"b": 2, "c": 1}}),
    ({"p": Point(1)}, {"p": Point(2)}),
    ({}, None),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_equal_inputs_have_one_digest(one: Any, other: Any) -> None:
    assert digest(one) == digest(other)
    assert digest(None, {"configurable": one}, one) == digest(None, {"configurable": other}, other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_other_inputs_have_another(one: Any, other: Any) -> None:
    assert digest(one) != digest(other)
    assert digest(None, {"configurable": one}) != digest(None, {"configurable": other})
    assert digest(None, None, one) != digest(None, None, other)


def test_labels_and_readers_choices_do_not_count() -> None:
    labels = {"tags": ["t"], "metadata": {"at": 1}, "run_name": "n"}
    assert digest(1, labels, recorded=("updates",), subgraphs=False, is_async=True, fingerprint="f") == digest(1)
    for steering in ({"configurable": {"a": 1}}, {"recursion_limit": 5}, {"max_concurrency": 1}):
        assert digest(1, steering) != digest(1)


def test_a_value_as_deep_as_the_codec_takes_it_has_a_digest() -> None:
    deep: Any = 1
    for _ in range(60):
        deep = {"a": [deep]}
    assert digest(deep) == digest(deep) != digest({"a": deep})


REFUSALS = [
    (("h", "e", digest(1)), ["graph"]),
    (("h", "", digest(1)), ["graph"]),
    (("g", "other", digest(1)), ["version of the graph"]),
    (("g", "f", digest(2)), ["input"]),
    (("g", "f", digest(1, {"configurable": {"a": 1}})), ["config"]),
    (("g", "f", digest(1, None, 1)), ["context"]),
    (("g", "f", digest(2, {"recursion_limit": 1}, 1)), ["input", "config", "context"]),
]


@pytest.mark.parametrize(("found", "differing"), REFUSALS)
def test_a_refusal_names_what_differs(found: tuple[str, str, str], differing: list[str]) -> None:
    with pytest.raises(RunIdTaken) as caught:
        Asked("g", "f", digest(1)).check("r", *found)
    error = caught.value
    assert (error.run_id, error.graph, error.held, error.differing) == ("r", "g", found[0], differing)
    assert all(word in str(error) for word in (["'g'", "'h'"] if differing == ["graph"] else differing))
    again = rebuild(describe(error, CODEC))
    assert isinstance(again, RunIdTaken) and str(again) == str(error) and again.differing == differing


def test_a_graph_that_is_served_under_another_name_is_the_same() -> None:
    Asked("LangGraph", "f", digest(1)).check("r", "served_as", "f", digest(1))
    with pytest.raises(RunIdTaken, match="input"):
        Asked("LangGraph", "f", digest(1)).check("r", "served_as", "f", digest(2))
    with pytest.raises(RunIdTaken):
        Asked("LangGraph", None, digest(1)).check("r", "served_as", "f", digest(1))


def test_what_an_older_version_left_out_does_not_differ() -> None:
    Asked("g", None, digest(1)).check("r", "g", "f", digest(1))
    Asked("g", "f", digest(1)).check("r", "g", "", "")
    Asked("g", "f", "").check("r", "", "f", digest(1))


def test_it_travels_with_the_request_and_stands_in_the_first_fact() -> None:
    request = RunRequest("r", "g", None, digest=digest(1))
    assert wire.decode(CODEC, wire.encode(CODEC, request)).digest == digest(1)
    started = RunStarted("r", "g", "f", (), {}, {}, (), 0.0, digest=digest(1))
    assert wire.decode_facts(CODEC, wire.encode_facts(CODEC, [started]))[0].digest == digest(1)
