"""Names of large values: out of a result and back again it is the same result, and nothing large stays in it."""

from __future__ import annotations

import copy
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocol import changes
from tests.protocol.samples import CODEC, values

from drumline_graph.constants import TASKS
from drumline_graph.delta import patch
from drumline_graph.types import Command, Send
from drumline_protocol import facts as f
from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.errors import BlobMissing, DecodeError, EncodeError
from drumline_protocol.named import Named, looks_large, move_out, names_in, resolve

LEAST = 40
channels = st.sampled_from(["a", "b", "branch:to:x"])
sends = st.builds(Send, st.sampled_from(["n", "m"]), values)
writes = st.lists(st.one_of(st.tuples(channels, values), st.tuples(st.just(TASKS), sends)), max_size=6)
commands = st.builds(
    Command,
    update=st.one_of(st.none(), st.dictionaries(channels, values, max_size=3), st.lists(st.tuples(channels, values))),
    goto=st.one_of(sends, st.lists(st.one_of(sends, st.just("n")), max_size=3), st.just("n")),
)


def decoded(blobs: list[tuple[str, bytes]]) -> dict[str, Any]:
    return {blob: CODEC.decode(data) for blob, data in blobs}


@settings(max_examples=200, deadline=None)
@given(st.one_of(writes, commands))
def test_out_and_back_again(found: Any) -> None:
    before = CODEC.encode(found)
    out, blobs = move_out(CODEC, found, "r:1-", LEAST)
    assert CODEC.encode(found) == before, "what was given is not changed"
    assert all(len(data) > LEAST for _, data in blobs)
    assert len({blob for blob, _ in blobs}) == len(blobs)
    # What crosses a wire is as good.
    crossed = CODEC.decode(CODEC.encode(out))
    assert {name.blob for name in names_in(crossed)} == {blob for blob, _ in blobs}
    assert CODEC.encode(resolve(crossed, decoded(blobs))) == before
    if not blobs:
        assert out is found and names_in(found) == []
        assert resolve(found, {}) is found


@settings(max_examples=100, deadline=None)
@given(writes)
def test_nothing_large_stays(found: list[Any]) -> None:
    out, _ = move_out(CODEC, found, "p", LEAST)
    for channel, value in out:
        if type(value) is Command:  # it is gone into, and its other fields stay
            continue
        stays = value.arg if channel == TASKS else value
        assert type(stays) is Named or len(CODEC.encode(stays)) <= LEAST


def test_one_object_that_many_sends_carry_is_one_blob_and_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[Any] = []
    genuine = Codec.encode
    monkeypatch.setattr(Codec, "encode", lambda self, value, *a: (encoded.append(value), genuine(self, value, *a))[1])
    shared = {"text": "x" * 1000}
    found: list[tuple[str, Any]] = [(TASKS, Send("n", shared)) for _ in range(20)]
    found += [("a", 1), ("b", None)]
    out, blobs = move_out(CODEC, found, "p", LEAST)
    assert len(blobs) == 1 and encoded == [shared]
    assert [cast(Send, value).arg for channel, value in out if channel == TASKS] == [Named(*_size(blobs[0]))] * 20


def _size(blob: tuple[str, bytes]) -> tuple[str, int]:
    return blob[0], len(blob[1])


def test_sends_in_a_list_and_in_the_goto_of_a_command_among_the_writes() -> None:
    big = "x" * 100
    found: list[tuple[str, Any]] = [
        (TASKS, [Send("n", big), Send("m", 1)]),
        ("c", Command(goto=[Send("n", [big])])),
    ]
    out, blobs = move_out(CODEC, found, "p", 50)
    assert [blob for blob, _ in blobs] == ["p0", "p1"]
    (_, [send, other]), (_, command) = cast(Any, out)
    assert send.arg == Named("p0", len(CODEC.encode(big))) and other.arg == 1
    assert type(command.goto[0].arg) is Named


def test_a_name_is_never_moved_out_again_and_numbers_go_on() -> None:
    found = [("a", "x" * 100), ("b", "y" * 30)]
    out, first = move_out(CODEC, found, "p", 50)
    out, second = move_out(CODEC, out, "p", 20, first=len(first))
    assert [blob for blob, _ in first + second] == ["p0", "p1"]
    assert resolve(out, decoded(first + second)) == found


def test_what_cannot_be_encoded_is_refused_here() -> None:
    with pytest.raises(EncodeError):
        move_out(CODEC, [("a", object())], "p")


def test_a_name_without_a_value_is_told() -> None:
    with pytest.raises(BlobMissing, match="'p0'"):
        resolve([("a", Named("p0", 5))], {})


@given(st.text(min_size=1, max_size=99), st.integers(0, 2**53))
def test_a_name_crosses(blob: str, size: int) -> None:
    name = Named(blob, size)
    assert CODEC.decode(CODEC.encode([name, {"k": (name,)}])) == [name, {"k": (name,)}]


@pytest.mark.parametrize("parts", [[], ["b"], [1, 2], ["", 2], ["b", -1], ["b", "2"], ["b" * 513, 1], {"b": 1}])
def test_a_damaged_name_is_refused(parts: Any) -> None:
    payload = CODEC.encode(parts)
    with pytest.raises(DecodeError):
        CODEC.decode(b"\xc9" + len(payload).to_bytes(4, "big") + b"\x23" + payload)


@pytest.mark.parametrize(
    ("found", "large"),
    [
        ([("a", "x" * 50)], True),
        ([("a", "x" * 30), ("b", "x" * 30)], False),
        ([("a", ["x" * 30, "y" * 30])], False),
        ([("a", b"x" * 50)], True),
        ([(TASKS, Send("n", ["x" * 30, "y" * 30]))], True),
        ([(TASKS, Send("n", "x" * 50))], True),
        ([(TASKS, Send("n", {"k": "x" * 50}))], True),
        ([("a", 10**30), ("b", None), (TASKS, Send("n", None))], False),
    ],
)
def test_the_guess(found: Any, large: bool) -> None:
    assert looks_large(found, LEAST) is large


# -- facts ------------------------------------------------------------------------------------------

NAME = Named("r:1-0", 900)
VALUE = {"text": "x" * 900}


def _plan(*tasks: f.PlannedTask) -> f.PlanMade:
    return f.PlanMade((), 1, 9, list(tasks), 0.0)


def _task(arg: Any, **more: Any) -> f.PlannedTask:
    return f.PlannedTask("t", "n", ("p", 0), ("t",), arg, **more)


FACTS: dict[str, Any] = {
    "finished": lambda value: f.TaskFinished((), "t", 1, "e", [("a", value), ("b", 1)], 0.0),
    "finished with a Send": lambda value: f.TaskFinished((), "t", 1, "e", [(TASKS, Send("n", value))], 0.0),
    "finished with a Command": lambda value: f.TaskFinished(
        (), "t", 1, "e", [("__leave__", Command(update={"a": value}, goto=Send("n", value)))], 0.0
    ),
    "tail": lambda value: f.RoutingStarted((), "t", [("a", value)]),
    "plan": lambda value: _plan(_task(None), _task(value)),
    "plan of START": lambda value: _plan(_task([("a", value)], hidden=True)),
    "set": lambda value: f.StepCommitted((), 1, {"a": ("s", value), "b": ("x",)}, ("a",), 0.0),
    "append": lambda value: f.StepCommitted((), 1, {"a": ("+", [1, value]), "s": ("+", "text")}, ("a",), 0.0),
    "put": lambda value: f.StepCommitted((), 1, {"a": ("p", {"k": value})}, ("a",), 0.0),
    "replace": lambda value: f.StepCommitted((), 1, {"a": ("r", {0: value}, [value])}, ("a",), 0.0),
    "take keys": lambda value: f.StepCommitted((), 1, {"a": ("-", ["b"], {"k": value})}, ("a",), 0.0),
    "take items": lambda value: f.StepCommitted((), 1, {"a": ("d", [0], {1: value}, [value])}, ("a",), 0.0),
    "cells": lambda value: f.GraphEntered((), "", {"a": value}),
}


@pytest.mark.parametrize("kind", FACTS)
@pytest.mark.parametrize("crossed", [False, True])
def test_names_in_facts_are_found_and_resolved(kind: str, crossed: bool) -> None:
    fact, full = FACTS[kind](NAME), FACTS[kind](VALUE)
    if crossed:
        fact, full = (wire.decode_facts(CODEC, wire.encode_facts(CODEC, [each]))[0] for each in (fact, full))
    kept = copy.deepcopy(fact)
    assert set(names_in(fact)) == {NAME}
    assert resolve(fact, {NAME.blob: VALUE}) == full
    assert fact == kept, "the fact itself is not changed"
    assert names_in(full) == [] and resolve(full, {}) is full
    with pytest.raises(BlobMissing):
        resolve(fact, {})


def _all_names(found: Any) -> set[Named]:
    if type(found) is Named:
        return {found}
    inside = found.values() if type(found) is dict else found if type(found) in (list, tuple) else ()
    return {name for each in inside for name in _all_names(each)}


def _full(cell: Any) -> Any:
    """A cell with numbers for its names, of which none lies deeper."""
    if type(cell) is Named:
        return int(cell.blob)
    if type(cell) is dict:
        return {key: _full(item) for key, item in cell.items()}
    return type(cell)(map(_full, cell)) if type(cell) in (list, tuple) else cell


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_names_in_changes_of_every_kind(data: st.DataObject) -> None:
    items = st.one_of(st.integers(0, 9).map(lambda n: Named(str(n), n)), st.none())
    cell = data.draw(changes.cells(st.none()))
    change = changes.fitting(data, cell, items, items)
    step = f.StepCommitted((), 1, {"a": change}, ("a",), 0.0)
    assert set(names_in(step)) == _all_names(change)
    resolved = resolve(step, {str(n): n for n in range(10)})
    assert names_in(resolved) == [] and (resolved is step) == (names_in(step) == [])
    assert patch(cell, resolved.changes["a"]) == _full(patch(cell, change))


@pytest.mark.parametrize("kind", ["finished", "tail"])
def test_boxed_writes_are_opened_only_where_a_name_may_be(kind: str) -> None:
    with_name, without = FACTS[kind](NAME), FACTS[kind](VALUE)
    for fact in (with_name, without):
        fact.writes = CODEC.box([list(pair) for pair in fact.writes])
    assert names_in(with_name) == [NAME]
    resolved = resolve(with_name, {NAME.blob: VALUE})
    assert dict(map(tuple, resolved.writes))["a"] == VALUE
    without.writes.data = b"\xff" + without.writes.data  # whoever decodes it fails
    assert names_in(without) == [] and resolve(without, {}) is without


@pytest.mark.parametrize("length", [1, 12, 250, 300, 512])
def test_a_name_of_any_length_is_seen_in_boxed_writes(length: int) -> None:
    name = Named("b" * length, 2**40)
    fact = f.RoutingStarted((), "t", CODEC.box([["a", name]]))
    assert names_in(fact) == [name]


def test_facts_of_other_kinds_hold_no_names() -> None:
    emitted = f.Emitted("t", 1, 0, "e", [b"\xc7.\x23\x92"])
    assert names_in(emitted) == [] and resolve(emitted, {}) is emitted
