"""What `assert_same_stream` leaves to races, and what it does not; and what the kit does not import."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from drumline.testing import Recorded, StreamsDiffer, assert_same_stream, record, stream_difference

from .graphs import INPUT, plain, with_failure, with_sends


def swapped(recorded: Recorded, mode: str) -> Recorded:
    """The first two items of a mode in the other order."""
    items = list(recorded.items)
    first, second = [at for at, item in enumerate(items) if item.mode == mode][:2]
    items[first], items[second] = items[second], items[first]
    return Recorded(items, recorded.error)


def test_tasks_of_one_step_may_interleave() -> None:
    stream = record(with_sends(), INPUT)
    other = swapped(stream, "custom")  # of two tasks
    assert_same_stream(stream, other)
    with pytest.raises(StreamsDiffer, match="item 1"):
        assert_same_stream(stream, other, exact=True)


def test_a_task_says_its_own_in_order() -> None:
    stream = record(plain(), INPUT)
    assert_same_stream(stream, record(plain(), INPUT))
    with pytest.raises(StreamsDiffer, match="'n': 1"):
        assert_same_stream(stream, swapped(stream, "custom"))


@pytest.mark.parametrize("at", range(8))
def test_no_item_may_be_missing_or_come_twice(at: int) -> None:
    stream = record(plain(), INPUT)
    assert stream_difference(stream, Recorded([*stream.items[:at], *stream.items[at + 1 :]])) is not None
    assert stream_difference(stream, Recorded([*stream.items[: at + 1], *stream.items[at:]])) is not None


def test_errors_are_part_of_a_stream() -> None:
    stream = record(with_failure(), INPUT)
    assert repr(stream.error) == "ValueError('no such tool')"
    assert_same_stream(stream, record(with_failure(), INPUT))
    assert stream_difference(stream, Recorded(stream.items)) is not None


def test_bare_payloads_are_compared_in_any_order() -> None:
    updates = list(with_sends().stream(INPUT))
    assert_same_stream(updates, updates[::-1])
    with pytest.raises(StreamsDiffer):
        assert_same_stream(updates, updates[::-1], exact=True)
    with pytest.raises(StreamsDiffer):
        assert_same_stream(updates, [*updates, updates[0]])


@pytest.mark.parametrize("options", [{}, {"subgraphs": True}, {"version": "v2"}])
def test_items_of_every_shape(options: dict[str, Any]) -> None:
    modes = ["tasks", "updates", "custom"]
    expected = list(plain().stream(INPUT, stream_mode=modes, **options))
    assert_same_stream(expected, list(plain().stream(INPUT, stream_mode=modes, **options)))
    with pytest.raises(StreamsDiffer):
        assert_same_stream(expected, expected[:-1])


def test_what_is_not_imported() -> None:
    code = (
        "import sys, drumline, drumline.graph, drumline.cluster\n"
        "assert not [name for name in sys.modules if name.startswith('drumline.testing')]\n"
        "import drumline.testing\n"
        "found = {'pytest', '_pytest', 'langgraph', 'langchain_core'} & set(sys.modules)\n"
        "assert not found, found\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
