"""What makes two requests of one run id the same: graph, input, context, and what of the config steers the run. Pure.

A run id is the key of a request. The first request that comes with it begins the run, the same one again joins it, and
another one is refused. So each request carries a digest, the first fact of the run repeats it, and whoever reads the
run compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from drumline_protocol.codec import Codec
from drumline_protocol.errors import RunIdTaken
from drumline_protocol.in_order import in_order
from drumline_protocol.messages import RunRequest

#: keys of a config that steer a run. Tags, metadata and the name of the run are labels: a client that tries again may
#: well label the second try in another way
_STEERING = ("configurable", "recursion_limit", "max_concurrency")

_PARTS = ("input", "config", "context")
_PART_CHARS = 16


@dataclass(slots=True)
class Asked:
    """What a client asked for, to be compared with what the run was begun with.

    `fingerprint` is None for a client that does not hold the graph, `digest` is empty until the request is sent.
    """

    graph: str
    fingerprint: str | None
    digest: str = ""

    def check(self, run_id: str, graph: str, fingerprint: str, digest: str) -> None:
        """RunIdTaken if the run was begun by another request.

        What a coordinator or client of an older version left out cannot differ.
        """
        differing: Sequence[str] = ()
        # A graph without a name is found by its fingerprint, and runs under the name that it is served by.
        named = not fingerprint or fingerprint != self.fingerprint
        if named and graph and graph != self.graph:
            differing = ("graph",)
        elif named and fingerprint and self.fingerprint:
            differing = ("version of the graph",)
        elif digest and self.digest:
            pairs = zip(_PARTS, self.digest.split("."), digest.split("."), strict=False)
            differing = [part for part, mine, found in pairs if mine != found]
        if differing:
            raise RunIdTaken(run_id, self.graph, graph, differing)


def digest_of(request: RunRequest, input_data: bytes, codec: Codec) -> str:
    """The digests of input, config and context of a request. `input_data` is the input as the codec writes it."""
    config = {key: request.config[key] for key in _STEERING if key in request.config}
    parts = (input_data, codec.encode(config), codec.encode(request.context))
    return ".".join(sha256(in_order(part)).hexdigest()[:_PART_CHARS] for part in parts)
