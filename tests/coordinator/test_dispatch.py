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
    parcel = dispatcher.message(a)
    (first,) = parcel.blobs
    assert codec.decode(first.data) == [BIG] and first.ttl_s == BLOB_TTL_S
    assert parcel.size == len(parcel.data) + len(first.data)
    assert dispatcher.message(b).blobs == [], "the same version is put once"
    run.handle(result(a), 1.0)
    (c,) = run.handle(result(b), 2.0).dispatch
    parcel = dispatcher.message(c)
    (second,) = parcel.blobs
    assert second.blob_id != first.blob_id and parcel.dropped == [first.blob_id]
    assert dispatcher.leftovers() == [second.blob_id]


def test_a_new_owner_drops_what_the_old_one_put() -> None:
    codec = Codec()
    run, fx = begin(graph((START, "a"), ("a", "c")), {"l": [BIG]})
    (a,) = fx.dispatch
    (first,) = Dispatcher(codec, "r1", codec.box(["shared"])).message(a).blobs
    heir = Dispatcher(codec, "r1", codec.box(["shared"]), [first.blob_id])
    (c,) = run.handle(result(a), 1.0).dispatch
    assert heir.message(c).dropped == [first.blob_id]
