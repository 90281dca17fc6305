"""Run ids: what drumline's own carry, how they are told from others, and where any id leads."""

from __future__ import annotations

import subprocess
import sys
import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drumline_protocol.ids import (
    derive_run_id,
    home_in,
    home_of,
    make_run_id,
    partition_of,
    partition_of_run,
)
from drumline_protocol.new_ids import new_run_id

#: an id as drumline draws it, of thread "thread-0"
GOLDEN = "019ac283-aa7b-874f-8a3b-a3ebfc810203"

homes = st.integers(0, 2**32 - 1)
times = st.integers(0, 2**48 * 10**6 - 1)
randoms = st.binary(min_size=3, max_size=8)
threads = st.text(min_size=1, max_size=40)
partitions = st.integers(1, 65_536)


@given(homes, times, randoms)
def test_an_id_carries_its_home_and_is_a_uuid_of_version_8(home: int, time_ns: int, random: bytes) -> None:
    made = make_run_id(home, time_ns, random)
    parsed = uuid.UUID(made)
    assert (parsed.version, parsed.variant, str(parsed)) == (8, uuid.RFC_4122, made)
    assert home_in(made) == home
    assert parsed.int >> 80 == time_ns // 1_000_000, "its first 48 bits are the time"


@given(threads, partitions, times, randoms)
def test_a_threads_runs_share_its_partition(thread: str, count: int, time_ns: int, random: bytes) -> None:
    where = partition_of(thread, count)
    run = make_run_id(home_of(thread), time_ns, random)
    assert partition_of_run(run, count) == where
    assert partition_of_run(new_run_id(thread), count) == where
    assert partition_of_run(derive_run_id(run, "a child on that thread", home_of(thread)), count) == where
    # And a partition's own number is a home in it
    assert partition_of_run(make_run_id(where, time_ns, random), count) == where


@given(st.one_of(st.text(max_size=50), st.uuids().map(str)), partitions)
@example("\ud800", 7)
def test_an_id_of_a_caller_leads_where_its_hash_does(run_id: str, count: int) -> None:
    if home_in(run_id) is None:
        assert partition_of_run(run_id, count) == partition_of(run_id, count)
    assert 0 <= partition_of_run(run_id, count) < count


@given(homes, times, randoms, st.integers(0, 127))
def test_an_id_of_which_one_bit_is_another_is_not_ours(home: int, time_ns: int, random: bytes, bit: int) -> None:
    # The check is a CRC, which sees each single bit; the version and the variant are asked for by themselves.
    changed = uuid.UUID(int=uuid.UUID(make_run_id(home, time_ns, random)).int ^ 1 << bit)
    assert home_in(str(changed)) is None


@given(homes, times, randoms)
def test_only_the_text_as_we_write_it_is_ours(home: int, time_ns: int, random: bytes) -> None:
    # Keys are made of the text: the same number written in another way is another run.
    made = make_run_id(home, time_ns, random)
    spellings = [made.upper(), made.replace("-", ""), f"{{{made}}}", f"urn:uuid:{made}", f"{made}\n", f" {made[1:]}"]
    assert [home_in(text) for text in spellings if text != made] == [None] * sum(text != made for text in spellings)


def test_foreign_ids_of_version_8_are_told_apart_but_for_a_few() -> None:
    # Given UUIDs of version 8 that somebody else made, any bits in them
    foreign = [str(uuid.UUID(int=uuid.uuid4().int & ~(0xF << 76) | 0x8 << 76)) for _ in range(5000)]
    taken_for_ours = [run_id for run_id in foreign if home_in(run_id) is not None]
    # Then about one in 256 passes for ours; such a one has a partition like every text
    assert len(taken_for_ours) < 60
    assert all(0 <= partition_of_run(run_id, 3) < 3 for run_id in foreign)


def test_every_process_finds_the_same_partition() -> None:
    runs = [new_run_id(), new_run_id("thread"), "mine", str(uuid.uuid4()), str(uuid.UUID(int=8 << 76 | 2 << 62))]
    program = (
        "import sys; from drumline_protocol.ids import partition_of_run; "
        "print([partition_of_run(run, 7) for run in sys.argv[1:]])"
    )
    told = subprocess.run([sys.executable, "-c", program, *runs], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == str([partition_of_run(run, 7) for run in runs])


def test_partitions_are_what_they_were() -> None:
    # These must never change: a cluster that runs holds runs under them.
    assert partition_of_run("run-1", 16) == partition_of("run-1", 16) == 3
    assert make_run_id(home_of("thread-0"), 1_764_200_000_123_456_789, b"\1\2\3") == GOLDEN
    assert partition_of_run(GOLDEN, 16) == partition_of("thread-0", 16) == 15
    with pytest.raises(ValueError, match="at least 1 partition, not 0"):
        partition_of_run(GOLDEN, 0)


def test_runs_spread_over_partitions() -> None:
    counts = [0] * 16
    for _ in range(1600):
        counts[partition_of_run(new_run_id(), 16)] += 1
    assert min(counts) > 40
    children = {partition_of_run(derive_run_id(new_run_id(), f"child {n}"), 16) for n in range(400)}
    assert children == set(range(16))


def test_run_ids_are_new_and_sorted_by_time() -> None:
    ids = [new_run_id() for _ in range(1000)] + [new_run_id("one thread") for _ in range(1000)]
    assert len(set(ids)) == 2000
    # The clock has a grain, so neighbours may be out of order; the ends are not.
    assert ids[0] < ids[-1]


@given(threads, threads, st.none() | homes)
def test_a_derived_id_follows_from_what_it_is_made_of(parent: str, what: str, home: int | None) -> None:
    made = derive_run_id(parent, what, home)
    assert made == derive_run_id(parent, what, home)
    assert made != derive_run_id(parent, what + "!", home)
    assert home_in(made) is not None
    ours = new_run_id()
    assert derive_run_id(ours, what, home)[:13] == ours[:13], "it sorts beside its parent"
