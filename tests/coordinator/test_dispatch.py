"""Large values: one blob for each version, dropped with the next one and at the run's end."""

from __future__ import annotations

from tests.coordinator.test_run import START, begin, graph, result

from drumline_coordinator.dispatch import Dispatcher
from drumline_protocol.codec import Codec
from drumline_protocol.limits import BLOB_TTL_S, VALUE_INLINE_BYTES_MAX

BIG = "x" * (VALUE_INLINE_BYTES_MAX + 1)


def test_a_blob_lives_as_long_as_its_version() -> None:
    codec = Codec()
    dispatcher = Dispatcher(codec, "r1", codec.box(["shared"]))
    run, fx = begin(graph((START, "a"), (START, "b"), ("a", "c")), {"l": [BIG]})
    a, b = fx.dispatch
    _, ((first, data, ttl),) = dispatcher.message(a)
    assert codec.decode(data) == [BIG] and ttl == BLOB_TTL_S
    assert dispatcher.message(b)[1] == [], "the same version is put once"
    run.handle(result(a), 1.0)
    (c,) = run.handle(result(b), 2.0).dispatch
    (second, _, _), dropped = dispatcher.message(c)[1]
    assert second != first and dropped == (first, b"", 1)
    assert dispatcher.leftovers() == [(second, b"", 1)]
