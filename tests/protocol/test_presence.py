"""What stands in the `workers` hash may be anything: it is read without raising, and shown without harm."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drumline_protocol.limits import PRESENCE_BYTES_MAX
from drumline_protocol.presence import Presence, presences, printable

NOTHING = Presence("w", 5, [], {}, [], 0, 0, "", 0)


def test_what_a_worker_says() -> None:
    said = {"pools": ["gpu"], "graphs": {"g": "f1"}, "concurrency": 8, "running": 2, "host": "h", "pid": 7}
    found = presences({"w2": (b"{}", 9), "w1": (json.dumps({**said, "more": 1}).encode(), 3)})
    assert found[0] == Presence("w1", 3, ["gpu"], {"g": "f1"}, [], 2, 8, "h", 7)
    assert found[1].name == "w2"
    assert presences({"c": (b'{"partitions": [0, 2], "graphs": ["a"]}', 0)})[0].partitions == [0, 2]


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"\xff\xfe",
        b"not json",
        b"[1, 2]",
        b"null",
        b'"text"',
        b"9" * 5000,
        b"[" * 200_000,
        b'{"pools": ' + b"[" * 200_000,
        b'{"pools": "gpu", "graphs": 7, "partitions": {"0": 1}, "running": "2", "concurrency": null, "host": []}',
        b'{"pools": [["a"], {}, null, 7], "graphs": [7, []], "partitions": ["0", -1, true], "running": 1e999}',
        b'{"running": true, "concurrency": -1, "pid": 1.5, "graphs": null}',
        b'{"pools": ["' + b"x" * PRESENCE_BYTES_MAX + b'"]}',
    ],
    ids=lambda junk: repr(junk[:30]),
)
def test_junk_is_left_out(junk: bytes) -> None:
    assert presences({"w": (junk, 5)}) == [NOTHING]


_said = st.text().map(lambda text: json.dumps({"pools": [text], "graphs": [text], "host": text}).encode())


@given(st.dictionaries(st.text(), st.tuples(st.binary() | _said, st.integers())))
def test_nothing_raises_and_all_can_be_printed(rows: dict[str, tuple[bytes, int]]) -> None:
    found = presences(rows)
    assert len(found) == len(rows)
    for presence in found:
        for text in (presence.name, presence.host, *presence.pools, *presence.graphs):
            assert text.isprintable()
            text.encode()


def test_names_that_would_steer_a_terminal() -> None:
    assert printable("worker-1 ü") == "worker-1 ü"
    lone = b'{"pools": ["\\ud800"]}'
    assert presences({"w": (lone, 0)})[0].pools == ["\\ud800"], "a lone surrogate in JSON"
    assert printable("\x1b[2Jx\udcff\n") == "\\x1b[2Jx\\udcff\\n"
