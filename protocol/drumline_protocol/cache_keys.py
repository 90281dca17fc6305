"""The key of a cached result: its input as the codec writes it, in one order. Pure.

Two inputs have one key exactly if they are equal and of the same types: `1`, `1.0` and `True` have three, arrays differ
in dtype and shape, objects in their class.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drumline_protocol.codec import Codec
from drumline_protocol.codec_types import TypeTable
from drumline_protocol.in_order import in_order


class _AnyClass:
    """Finds every class whose structure the codec knows: keys are written, and never read."""

    def knows(self, cls: type) -> bool:  # noqa: ARG002
        return True

    def candidates(self, module: str, qualname: str) -> list[type]:  # noqa: ARG002
        return []


_CODEC = Codec(TypeTable((), _AnyClass()))


def cache_key(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
    """The key of a call with these arguments. EncodeError, with the path to what the codec cannot write."""
    return in_order(_CODEC.encode([list(args), dict(kwargs)], "arguments"))
