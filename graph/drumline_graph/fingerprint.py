"""The fingerprint of a program: equal in two processes exactly if they may run one graph together.

It covers names, edges, channels, reducers' qualified names, schema fields, pools, whether langchain-core is there
(messages are then objects, not dicts), and the user's version text (`Program.signature`). Never bytecode or addresses,
which differ between builds of the same source.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
from typing import Any

from drumline_graph.annotations import meant
from drumline_graph.schema import field_hints, name_of, read_schema

DIGEST_BYTES = 16
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def digest_of(signature: tuple[Any, ...]) -> str:
    """Hex digest of a signature, which is nested tuples of text."""
    return hashlib.blake2b(repr(signature).encode(), digest_size=DIGEST_BYTES).hexdigest()


def langchain_is_there() -> bool:
    """Whether langchain-core is installed; nothing is imported."""
    return importlib.util.find_spec("langchain_core") is not None


def schema_signature(schema: Any) -> tuple[Any, ...]:
    """What makes two schemas equal, as stable text."""
    if read_schema(schema).is_root:
        return (type_text(schema),)
    return (name_of(schema), tuple((name, type_text(hint)) for name, hint in field_hints(schema).items()))


def type_text(annotation: Any) -> str:
    """An annotation as text that is the same in every process: reprs hold addresses of functions."""
    if isinstance(annotation, type) and not hasattr(annotation, "__origin__"):
        return f"{annotation.__module__}.{annotation.__qualname__}"
    annotation = meant(annotation)
    return _ADDRESS.sub("", repr(annotation))
