"""Assistants on every broker: what is kept changes only in the place of what was seen."""

from __future__ import annotations

from typing import Any

import pytest

from drumline_transport import memory_assistants, redis_core


def test_one_is_put_read_changed_and_deleted(broker: Any) -> None:
    assert broker.assistants() == {} and broker.assistant("a") is None
    assert broker.swap_assistant("a", None, b"\x00one") and broker.swap_assistant("b:\u00e9", None, b"two")
    assert broker.assistants() == {"a": b"\x00one", "b:\u00e9": b"two"}
    assert broker.swap_assistant("a", b"\x00one", b"three") and broker.assistant("a") == b"three"
    assert broker.swap_assistant("a", b"three", None) and broker.assistants() == {"b:\u00e9": b"two"}


def test_what_somebody_else_has_changed_stays(broker: Any) -> None:
    broker.swap_assistant("a", None, b"one")
    assert not broker.swap_assistant("a", None, b"two")
    assert not broker.swap_assistant("a", b"old", b"two")
    assert not broker.swap_assistant("a", b"old", None)
    assert not broker.swap_assistant("gone", b"old", b"two")
    assert broker.assistants() == {"a": b"one"}


def test_a_change_that_is_sent_twice_is_made_once(broker: Any) -> None:
    assert broker.swap_assistant("a", None, b"one") and broker.swap_assistant("a", None, b"one")
    assert broker.swap_assistant("a", b"one", None) and broker.swap_assistant("a", b"one", None)
    assert broker.assistants() == {}


def test_there_are_so_many_and_no_more(broker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (memory_assistants, redis_core):
        monkeypatch.setattr(module, "ASSISTANTS_MAX", 1)
    broker.swap_assistant("a", None, b"one")
    with pytest.raises(ValueError, match="no more"):
        broker.swap_assistant("b", None, b"two")
    assert broker.swap_assistant("a", b"one", b"two") and broker.assistants() == {"a": b"two"}
