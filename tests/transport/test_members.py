"""Who is there, when somebody else writes into the list; and clusters that a look does not create."""

from __future__ import annotations

from typing import Any

import pytest
from tests.servers import Backend

from drumline_protocol.errors import NoCluster
from drumline_protocol.limits import PRESENCE_AHEAD_MS_MAX


def plant(backend: Backend, broker: Any, name: bytes, ahead_ms: int) -> None:
    """A member whose stamp is that far ahead of the broker's clock."""
    at = broker.time_ms() + ahead_ms
    if backend.memory is not None:
        backend.memory.members["workers"][name.decode()] = (b"{}", at)
    else:
        backend.raw("HSET", f"{backend.prefix}:workers", name, b"%d {}" % at)


def test_a_beat_of_the_future_does_not_stay_for_ever(backend: Backend) -> None:
    broker = backend.connect()
    broker.beat("workers", "real", b"{}")
    plant(backend, broker, b"soon", PRESENCE_AHEAD_MS_MAX // 2)
    plant(backend, broker, b"never-dies", 10 * PRESENCE_AHEAD_MS_MAX)
    plant(backend, broker, b"far", 10**14)
    found = broker.members("workers")
    assert sorted(found) == ["real", "soon"]
    assert found["soon"][1] == 0, "a clock that was set back a little harms nobody"
    if backend.memory is None:
        left = backend.raw("HKEYS", f"{backend.prefix}:workers")
        assert sorted(left) == [b"real", b"soon"], "they are forgotten, not only left out"


@pytest.mark.parametrize("value", [b"", b"{}", b"x {}", b"-5 {}", b"9" * 5000 + b" {}", b"\xff\xff", "٣ {}".encode()])
def test_junk_among_the_members_is_forgotten(real_backend: Backend, value: bytes) -> None:
    broker, key = real_backend.connect(), f"{real_backend.prefix}:workers"
    broker.beat("workers", "real", b"{}")
    real_backend.raw("HSET", key, b"\xff\xfe name", value)
    assert sorted(broker.members("workers")) == ["real"]
    assert real_backend.raw("HKEYS", key) == [b"real"]


def test_so_much_junk_that_one_command_could_not_name_it(real_backend: Backend) -> None:
    broker, key = real_backend.connect(), f"{real_backend.prefix}:workers"
    for start in range(0, 2500, 500):
        real_backend.raw("HSET", key, *(word for n in range(start, start + 500) for word in (f"j{n}", "junk")))
    assert broker.members("workers") == {}
    assert real_backend.raw("HLEN", key) == 0


def test_only_who_is_told_to_creates_a_cluster(real_backend: Backend) -> None:
    for _ in range(2):
        with pytest.raises(NoCluster, match=real_backend.prefix):
            real_backend.connect(create=False)
        with pytest.raises(NoCluster):
            real_backend.connect(create=False, partitions=3)
        assert not real_backend.raw("EXISTS", f"{real_backend.prefix}:meta")
    assert real_backend.connect(create=True, partitions=3).partitions == 3
    assert real_backend.connect(create=False).partitions == 3
