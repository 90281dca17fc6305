"""Values to the data of rows, and back. Pure."""

from __future__ import annotations

import copy
from typing import Any

from drumline.threads.rows import Data, Private
from drumline_protocol.codec import Codec
from drumline_protocol.errors import EncodeError

#: writes what has no class of the user's: metadata, and the manifests of rows
PLAIN = Codec()


class Encoder:
    """Values to data and back. With `takes_objects` a private copy is kept of what the codec does not take."""

    def __init__(self, codec: Codec, *, takes_objects: bool) -> None:
        self.codec = codec
        self._takes_objects = takes_objects

    def data(self, value: Any, root: str) -> Data:
        """EncodeError with the path of the culprit from `root`, unless objects are taken."""
        try:
            return self.codec.encode(value, root)
        except EncodeError:
            if not self._takes_objects:
                raise
            return Private(_own(value))

    def value(self, data: Data) -> Any:
        """DecodeError for bytes that this codec cannot read."""
        return _own(data.value) if type(data) is Private else self.codec.decode(data)  # type: ignore[arg-type]


def _own(value: Any) -> Any:
    """A copy of an object, for its holder alone; the object itself, if it cannot be copied."""
    try:
        return copy.deepcopy(value)
    except Exception:
        return value
