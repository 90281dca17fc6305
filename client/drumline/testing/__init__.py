"""Test your graphs against crashes, in milliseconds and without a server."""

from drumline.testing._streams.shown import Recorded
from drumline.testing.faults import Faults
from drumline.testing.streams import assert_same_stream, record, stream_difference

__all__ = ["Faults", "Recorded", "assert_same_stream", "record", "stream_difference"]
