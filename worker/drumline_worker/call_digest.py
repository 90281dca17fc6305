"""What tells one call of a `@task` from another, where its caller runs again. Pure."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from drumline_graph.program import Node, Program
from drumline_graph.weakly import once_per_object
from drumline_protocol.codec import Codec
from drumline_protocol.graph_codecs import table_of
from drumline_protocol.in_order import in_order


def digest_of_call(program: Program, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, ...]:
    """The name, and a digest of the arguments. What the codec does not take has none: then the name alone tells."""
    try:
        data = _codec_of(program).encode([list(args), kwargs])
    except Exception:  # arguments are the user's, and so are encoders of them
        return (node.name,)
    return digest_of_encoded(node.name, data)


def digest_of_encoded(name: str, data: bytes) -> tuple[str, ...]:
    """The same for arguments that are encoded already."""
    return name, blake2b(in_order(data), digest_size=8).hexdigest()


@once_per_object
def _codec_of(program: Program) -> Codec:
    return Codec(table_of(program))
