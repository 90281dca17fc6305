"""The same batches on LangGraph's InMemoryStore and on each store of drumline's: the same results."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.store import base as theirs
from tests.store.oracle import Oracle, compared

from drumline.store import base as ours

#: labels and keys that mean something to SQL, Redis, globs or paths
LABELS = ["a", "ab", "b", "%", "%2F", "_", "*", ":", "/", "a.b", ".", "{x}", "", "ü", "\x00", "\ud800", "a/", "'", " "]
KEYS = ["k", "kk", "", "%", "\n", "ключ", "a/", "\ud800", ":"]

namespaces = st.lists(st.sampled_from(LABELS), max_size=3).map(tuple)
near = st.sampled_from([(), ("a",), ("ab",), ("a", "b"), ("a", "%"), ("%",), ("_",), ("",), ("a/",), ("a", "")])
places = st.one_of(near, namespaces)
scalars = st.one_of(st.integers(-3, 3), st.sampled_from(["x", "y", "1"]), st.none(), st.booleans())
values = st.fixed_dictionaries(
    {"n": st.integers(-3, 3)},
    optional={
        "s": scalars,
        "deep": st.fixed_dictionaries({"s": scalars, "t": scalars}),
        "list": st.lists(scalars, max_size=2),
    },
)
filters = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {},
        optional={
            "s": scalars,
            "n": st.dictionaries(st.sampled_from(["$gt", "$gte", "$lt", "$lte", "$eq", "$ne"]), st.integers(-3, 3)),
            "deep": st.one_of(
                st.fixed_dictionaries({"s": scalars}),
                st.fixed_dictionaries({"t": st.fixed_dictionaries({"$ne": scalars})}),
            ),
            "list": st.lists(scalars, max_size=2),
        },
    ),
)
conditions = st.lists(
    st.tuples(st.sampled_from(["prefix", "suffix"]), st.lists(st.sampled_from([*LABELS, "*"]), max_size=2).map(tuple)),
    max_size=2,
)
operations = st.one_of(
    st.tuples(st.just("GetOp"), places, st.sampled_from(KEYS)),
    st.tuples(st.just("PutOp"), places, st.sampled_from(KEYS), st.one_of(values, values, st.none())),
    st.tuples(st.just("PutOp"), places, st.sampled_from(KEYS), values),
    st.tuples(st.just("SearchOp"), places, filters, st.integers(0, 5), st.integers(0, 3)),
    st.tuples(
        st.just("ListNamespacesOp"),
        conditions,
        st.one_of(st.none(), st.integers(0, 3)),
        st.integers(0, 9),
        st.integers(0, 2),
    ),
)
scripts = st.lists(st.lists(operations, min_size=1, max_size=6), max_size=10)


def op(module: Any, words: tuple[Any, ...]) -> Any:
    kind, *rest = words
    if kind == "ListNamespacesOp":
        rest[0] = tuple(module.MatchCondition(*condition) for condition in rest[0])
    return getattr(module, kind)(*rest)


def play(store: Any, module: Any, script: list[list[Any]]) -> list[Any]:
    return [compared(store.batch([op(module, words) for words in batch])) for batch in script]


@pytest.mark.parametrize("is_async", [False, True])
def test_batches(make, is_async):
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(scripts)
    def check(script):
        wanted = play(Oracle(), theirs, script)
        store = make()
        if is_async:

            async def found():
                return [compared(await store.abatch([op(theirs, words) for words in batch])) for batch in script]

            assert asyncio.run(found()) == wanted
        else:
            assert play(store, ours, script) == wanted
        close(store)

    check()


def close(store: Any) -> None:
    getattr(store, "close", lambda: None)()


LETTERS = "abcd"


def embed(texts):
    return [[float(text.count(letter)) for letter in LETTERS] for text in texts]


words = st.text(LETTERS, min_size=1, max_size=5)
meanings = st.lists(
    st.one_of(
        st.tuples(
            st.just("PutOp"),
            near,
            st.sampled_from(KEYS),
            st.fixed_dictionaries({"text": words, "n": st.integers(0, 2)}),
        ),
        st.tuples(st.just("SearchOp"), near, st.sampled_from([None, {"n": 1}]), st.integers(0, 6), st.just(0), words),
    ),
    max_size=12,
)


def test_meanings(make):
    """One operation a batch: LangGraph's store refuses a batch in which a text occurs twice."""
    index = {"dims": len(LETTERS), "embed": embed, "fields": ["text"]}

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(meanings)
    def check(script):
        batches = [[words] for words in script]
        wanted = play(Oracle(index=index), theirs, batches)
        store = make(index=index)
        assert play(store, ours, batches) == wanted
        close(store)

    check()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a", {"a": 1.5}),
        ("a.b", {"a": {"b": [1, "x"]}}),
        ("a[*].b", {"a": [{"b": "x"}, {"b": True}, {"c": 1}, 3]}),
        ("a[-1]", {"a": ["x", "y"]}),
        ("a[5]", {"a": ["x", "y"]}),
        ("a[x]", {"a": ["x", "y"]}),
        ("*", {"a": "x", "b": None, "c": {"d": 1}}),
        ("*.d", {"c": {"d": 1}, "e": [{"d": 2}]}),
        ("{a,b.c}", {"a": "x", "b": {"c": [1]}, "d": 1}),
        ("x.{a,b}", {"x": {"a": "x", "b": None}}),
        ("{a}.b", {"a": {"b": 1}}),
        ("", {"b": 1, "a": "ü"}),
        ("$", {"b": 1, "a": "ü"}),
        ("a..b", {"a": {"b": 1}}),
        ("a[[0]]", {"a": [[1]]}),
        ("a[0", {"a": [1]}),
        ("{a", {"a": 1}),
        ("a[ 0 ]", {"a": [1]}),
        ("a]b", {"a]b": 1}),
    ],
)
def test_paths(path, value):
    assert ours.tokenize_path(path) == theirs.tokenize_path(path)
    assert ours.get_text_at_path(value, path) == theirs.get_text_at_path(value, path)


@settings(max_examples=300)
@given(
    st.text("ab.[]{}*$,0-", max_size=8),
    st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["a", "b", "ab", "$", "0"]), inner, max_size=2)
        ),
        max_leaves=6,
    ),
)
def test_any_path(path, value):
    assert ours.tokenize_path(path) == theirs.tokenize_path(path)
    assert ours.get_text_at_path(value, path) == theirs.get_text_at_path(value, path)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("get", ((), "k")),
        ("get", (("a.b",), "k")),
        ("get", (("",), "k")),
        ("get", ((1,), "k")),
        ("get", (("a\x00",), "k")),
        ("put", ((), "k", {})),
        ("put", (("langgraph",), "k", {})),
        ("put", (("a", "langgraph"), "k", {})),
        ("put", (("a", ""), "k", {})),
        ("put", (("a",), 1, {"x": 1})),
        ("delete", (("a.b",), "k")),
        ("delete", ((), "k")),
        ("search", (("a.b",),)),
        ("search", ((),)),
    ],
)
def test_what_methods_refuse(store, method, arguments):
    assert said(store, method, arguments) == said(Oracle(), method, arguments)


def said(store: Any, method: str, arguments: Any) -> Any:
    try:
        return "fine", compared(getattr(store, method)(*arguments))
    except ValueError as error:
        return "refused", type(error).__name__


@pytest.mark.parametrize("options", [{"prefix": ("a.b",)}, {"suffix": ("",)}, {"prefix": ("*",), "max_depth": 1}])
def test_what_lists_refuse(store, options):
    found = []
    for one in (store, Oracle()):
        one.put(("a", "b"), "k", {})
        try:
            found.append(one.list_namespaces(**options))
        except ValueError as error:
            found.append(type(error).__name__)
    assert found[0] == found[1]


def test_the_names_are_theirs():
    for name in dir(theirs):
        if not name.startswith("_") and getattr(getattr(theirs, name), "__module__", "").startswith("langgraph.store"):
            assert hasattr(ours, name), name
    for kind in ("GetOp", "PutOp", "SearchOp", "ListNamespacesOp", "MatchCondition"):
        assert getattr(ours, kind)._fields == getattr(theirs, kind)._fields
        assert getattr(ours, kind)._field_defaults == getattr(theirs, kind)._field_defaults
