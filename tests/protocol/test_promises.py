"""What the manual promises in numbers, and rules of failures, metadata and entries at their edges.

Numbers stand here as they are promised, not as the code names them: a constant that is compared with itself may be any.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

import pytest

from drumline_protocol import errors, limits, wire
from drumline_protocol.codec import Codec
from drumline_protocol.errors import DecodeError, ProtocolTooNew
from drumline_protocol.facts import Emitted, GraphExited, UnknownFact, fact_count
from drumline_protocol.failure import Failure, describe, rebuild
from drumline_protocol.messages import CancelRun
from drumline_protocol.metadata import metadata_below, run_metadata, shown_metadata, task_metadata

CODEC = Codec()

PROMISED = {
    "VALUE_BYTES_MAX": 128 * 1024**2,
    "ENTRY_BYTES_MAX": 16 * 1024**2,
    "CONTAINER_ITEMS_MAX": 1_048_576,
    "TYPED_NESTING_MAX": 64,
    "DISPATCH_WINDOW_ENTRIES_MAX": 1000,
    "DISPATCH_WINDOW_BYTES_MAX": 1024**2,
    "ATTEMPTS_MAX": 5,
    "DEATHS_IN_COMPANY_MAX": 2,
    "BEGINNINGS_MAX": 50,
    "POISON_TRIES_MAX": 3,
    "ACCEPT_TIMEOUT_MS": 10_000,
    "WRITER_BLOCK_MS": 30_000,
    "LOG_TTL_S": 24 * 60 * 60,
    "SEND_BUFFER_BYTES_MAX": 16 * 1024**2,
    "PRESENCE_TTL_MS": 15_000,
}


@pytest.mark.parametrize("name", PROMISED)
def test_bounds_are_what_the_manual_says(name: str) -> None:
    assert getattr(limits, name) == PROMISED[name]


# -- failures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [8191, 8192, 8193])
def test_a_message_is_cut_behind_its_bound_and_says_so(size: int) -> None:
    message = describe(ValueError("x" * size), CODEC).message
    assert message == "x" * size if size <= 8192 else message == "x" * 8192 + "... (1 more characters)"


def test_a_long_traceback_keeps_its_beginning_and_its_end() -> None:
    def deep(n: int) -> None:
        if n:
            exec(f"{'y' * 500}_{n} = 0\ndeeper(n - 1)", {"deeper": deep, "n": n})
        raise ValueError("the end of it " + "z" * 20_000 + " of all")

    try:
        deep(100)
    except ValueError as error:
        text = describe(error, CODEC).traceback
    assert text.startswith("Traceback (most recent call last)")
    assert text.rstrip().endswith("of all")
    assert "characters left out" in text
    assert 32 * 1024 < len(text) < 32 * 1024 + 100


class Counting(Exception):
    """Adds to what it is built from: built again from its arguments it would say something else."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}!")


def test_a_rebuilt_error_says_what_the_original_said() -> None:
    failure = describe(Counting("it"), CODEC)
    assert failure.message == "it!"
    again = rebuild(failure, [Counting])
    assert type(again) is Counting
    assert str(again) == "it!", "not 'it!!'"


def test_large_arguments_stay_behind() -> None:
    assert describe(ValueError("x" * 60_000), CODEC).args is not None
    failure = describe(ValueError("x" * 70_000), CODEC)
    assert failure.args is None
    assert str(rebuild(failure)) == failure.message


def test_notes_are_bounded_one_by_one_and_together() -> None:
    error = ValueError("x")
    error.__notes__ = [f"{number}" for number in range(40)]  # type: ignore[attr-defined]
    assert describe(error, CODEC).notes == [str(number) for number in range(32)]


def test_a_remote_error_says_how_to_get_the_class() -> None:
    (note,) = rebuild(Failure("app.Boom", "m", None, "tb")).__notes__  # type: ignore[attr-defined]
    assert "Cluster(errors=[...])" in note
    (own,) = rebuild(Failure("ValueError", "m", ["m"], "tb")).__notes__  # type: ignore[attr-defined]
    assert "Cluster(errors" not in own


# -- errors -----------------------------------------------------------------------------------------


def test_errors_list_at_most_twenty_names() -> None:
    text = str(errors.UnknownGraph("x", [f"g{number:02}" for number in range(30)]))
    assert "'g19'" in text and "'g20'" not in text
    assert "and 10 more" in text
    assert "more" not in str(errors.UnknownGraph("x", [f"g{number:02}" for number in range(20)]))
    assert "Served are: none" in str(errors.UnknownGraph("x"))


def test_a_long_position_is_cut_in_its_error() -> None:
    assert "9" * 101 not in str(errors.InvalidPosition("9" * 1000, "no"))
    assert "9" * 100 in str(errors.InvalidPosition("9" * 100, "no"))
    assert "..." not in str(errors.InvalidPosition("9" * 100, "no"))


def test_an_expired_log_says_how_long_logs_are_kept() -> None:
    assert "86400 s" in str(errors.RunExpired("r", 86_400))
    assert "kept" not in str(errors.RunExpired("r"))


def test_passwords_with_an_at_sign_are_hidden_whole() -> None:
    for url in ("redis://me:p@ss@host:1/0", "redis://:p@s@s@host:1/0"):
        shown = errors.without_password(url)
        assert "***@host:1/0" in shown
        assert "ss" not in shown and "@s" not in shown


# -- metadata ---------------------------------------------------------------------------------------


def test_what_the_caller_says_wins_over_configurable() -> None:
    config = {"metadata": {"thread_id": "mine", "m": 1}, "configurable": {"thread_id": "t", "run_id": "r", "x": 1}}
    assert run_metadata(config) == {"thread_id": "mine", "run_id": "r", "m": 1}
    assert run_metadata({}) == {}


def test_what_a_node_says_wins_over_its_graph_and_the_engine_over_both() -> None:
    told: dict[str, Any] = {"step": 2, "name": "n", "triggers": ["t"], "path": ["p"], "ns": ["a:1", "n:2"]}
    found = task_metadata({"a": 1, "b": 1, "langgraph_step": 9}, {"b": 2, "langgraph_node": "forged"}, **told)
    assert found == {
        "a": 1,
        "b": 2,
        "langgraph_step": 2,
        "langgraph_node": "n",
        "langgraph_triggers": ("t",),
        "langgraph_path": ("p",),
        "langgraph_checkpoint_ns": "a:1|n:2",
    }
    below = metadata_below({"a": 1, "checkpoint_ns": "outer"}, {"a": 2}, ["a:1", "n:2"])
    assert below == {"a": 2, "checkpoint_ns": "outer"}
    assert metadata_below({}, None, ["a:1", "n:2"]) == {"checkpoint_ns": "a:1|n:2"}


def test_items_show_what_they_do_not_say_themselves() -> None:
    metadata = task_metadata({"m": 1, "thread_id": "t"}, None, step=1, name="n", triggers=[], path=[], ns=[])
    assert shown_metadata(metadata, ["x"]) == {"m": 1, "tags": ["x"]}
    assert shown_metadata({"langgraph_step": 1}, []) == {}


# -- entries ----------------------------------------------------------------------------------------


def entry(version: Any, *fields: Any) -> bytes:
    return CODEC.encode([version, list(fields)])


def test_entries_of_our_version_are_read_and_newer_ones_are_not() -> None:
    spoken = wire.VERSION
    assert wire.decode(CODEC, entry(spoken, 33, "r", "why")) == CancelRun("r", "why")
    for version in (spoken + 1, spoken + 100):
        with pytest.raises(ProtocolTooNew) as caught:
            wire.decode(CODEC, entry(version, 33, "r", "why"))
        assert (caught.value.found, caught.value.spoken) == (version, spoken)


def test_fields_that_are_not_known_are_left_out_and_those_with_defaults_may_lack() -> None:
    assert wire.decode(CODEC, entry(wire.VERSION, 33, "r", "why", True, "new field", 7)) == CancelRun("r", "why", True)
    assert wire.decode(CODEC, entry(wire.VERSION, 33, "r")) == CancelRun("r")
    with pytest.raises(DecodeError, match="at least 1"):
        wire.decode(CODEC, entry(wire.VERSION, 33))
    with pytest.raises(DecodeError, match=r"CancelRun\.run must be"):
        wire.decode(CODEC, entry(wire.VERSION, 33, 7))
    with pytest.raises(DecodeError, match="unknown message code"):
        wire.decode(CODEC, entry(wire.VERSION, 9999, "r"))


# -- kinds of facts that came later ----------------------------------------------------------------


def entry_of(*rows: Any, counts: Any = None) -> bytes:
    data = CODEC.encode([wire.VERSION, list(rows), *([] if counts is None else [counts])])
    return crc32(data).to_bytes(4, "big") + data


def test_a_reader_passes_over_facts_that_it_does_not_know_and_counts_on() -> None:
    left = wire.to_row(GraphExited(("a:1",)))
    data = entry_of([200, "new"], left, [201], left, counts=[2, 5])
    facts = wire.decode_facts(CODEC, data)
    assert facts == [UnknownFact(200, 1), GraphExited(("a:1",)), UnknownFact(201, 5), GraphExited(("a:1",))]
    assert [fact_count(fact) for fact in facts] == [1, 1, 5, 1]


def test_a_log_entry_says_how_many_numbers_its_facts_take() -> None:
    emitted = Emitted("t", 1, 0, "w", [b"1", b"2", b"3"])
    data = wire.encode_facts(CODEC, [GraphExited(("a:1",)), emitted])
    assert CODEC.decode(data[4:])[2] == [1, 3]
    assert wire.decode_facts(CODEC, data)[1] == emitted


@pytest.mark.parametrize("counts", [7, "text", [1], [0, -1], [0, 2**40], [0, "1"], [[0], 1], {"0": 1}])
def test_malformed_counts_of_unknown_facts_are_refused(counts: Any) -> None:
    with pytest.raises(DecodeError):
        wire.decode_facts(CODEC, entry_of([200], counts=counts))
