"""Ids, partitions and keys: they never change, since every process computes them for itself."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drumline_protocol.ids import partition_of, task_id
from drumline_protocol.keys import Keys


def test_task_ids_are_what_they_were() -> None:
    golden = {
        task_id("run-1", (), 1, "~__pregel_pull, a"): "27d28716-79b1-920c-9b37-e7632a7f95c2",
        task_id("run-1", ("sub:abc",), 1, "~__pregel_pull, a", 2): "041c20a1-2281-f7bf-77b6-a71d3fabcab1",
        task_id("\ud800", (), 0, ""): "1e286d01-f2d3-ee27-f6ac-976127a15821",
    }
    assert list(golden) == list(golden.values())


def test_a_task_id_has_the_form_of_a_uuid() -> None:
    text = task_id("b", ("n",), 3, "~p")
    assert str(uuid.UUID(text)) == text


names = st.text(st.characters(codec=None, exclude_characters="\0"), max_size=5)
arguments = st.tuples(
    names,
    st.lists(names, max_size=3).map(tuple),
    st.integers(-1, 20),
    names,
    st.none() | st.integers(0, 5),
)


@given(arguments, arguments)
def test_different_tasks_have_different_ids(one: object, other: object) -> None:
    same = task_id(*one) == task_id(*other)  # type: ignore[misc]
    assert same == (one == other)


def test_partitions_are_what_they_were() -> None:
    assert [partition_of(f"thread-{n}", 16) for n in range(8)] == [15, 9, 3, 5, 6, 0, 10, 12]
    assert partition_of("\ud800", 7) == 1
    assert partition_of("anything", 1) == 0
    with pytest.raises(ValueError, match="at least 1 partition, not 0"):
        partition_of("x", 0)


def test_keys_are_what_the_table_says() -> None:
    keys = Keys()
    assert keys.meta() == "drumline:meta"
    assert keys.tasks("gpu") == "drumline:tasks:gpu"
    assert keys.tasks("gpu", 3) == "{drumline:3}:tasks:gpu"
    assert keys.ctl() == "drumline:ctl"
    assert keys.workers() == "drumline:workers"
    assert keys.coordinators() == "drumline:coordinators"
    assert keys.graphs() == "drumline:graphs"
    assert keys.inbox(3) == "{drumline:3}:inbox"
    assert keys.lease(3) == "{drumline:3}:lease"
    assert keys.open(3) == "{drumline:3}:open"
    assert keys.timers(3) == "{drumline:3}:timers"
    assert keys.run(3, "r") == "{drumline:3}:run:r"
    assert keys.thread(3, "t:x") == "{drumline:3}:thread:t:x"
    assert keys.log(3, "r") == "{drumline:3}:log:r"
    assert keys.blob(3, "b") == "{drumline:3}:blob:b"


def test_every_key_stands_in_the_table_at_the_head_of_the_file() -> None:
    import drumline_protocol.keys as module

    table = module.__doc__ or ""
    methods = {name for name in vars(Keys) if not name.startswith("_")} - {"prefix", "tag", "record"}
    for name in methods:
        assert re.search(rf"^\{{?drumline\S*:{name}\b", table, re.MULTILINE), name


def hash_tag(key: str) -> str:
    """What Redis Cluster hashes: what stands between the first brace and the next closing one."""
    found = re.search(r"\{([^}]+)\}", key)
    return found.group(1) if found else key


@given(st.integers(0, 999), st.text(max_size=10))
def test_keys_of_a_partition_share_a_slot(partition: int, name: str) -> None:
    keys = Keys("team.a:drum")
    found = [
        keys.inbox(partition),
        keys.lease(partition),
        keys.open(partition),
        keys.timers(partition),
        keys.run(partition, name),
        keys.thread(partition, name),
        keys.log(partition, name),
        keys.blob(partition, name),
        keys.tasks(name, partition),
    ]
    assert {hash_tag(key) for key in found} == {f"team.a:drum:{partition}"}
    assert all(key.startswith(keys.tag(partition)) for key in found)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("prefix", ["", "a b", "{x}", "a*", "x" * 65, "ü", "a\n", "a{"])
def test_prefixes_that_would_break_keys(prefix: str) -> None:
    with pytest.raises(ValueError, match="cannot be a key prefix"):
        Keys(prefix)


def test_keys_compare_by_prefix() -> None:
    assert Keys("a") == Keys("a") != Keys("b")
    assert len({Keys("a"), Keys("a")}) == 1
    assert repr(Keys("a")) == "Keys('a')"
