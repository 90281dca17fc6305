"""The fingerprint of a program: equal in two processes exactly if they may run one graph together.

It covers names, edges, channels, reducers' qualified names, schema fields, pools, whether
langchain-core is there (messages are then objects, not dicts), and the user's version text. Never
bytecode or addresses, which differ between builds of the same source.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
from typing import TYPE_CHECKING, Any

from drumline_graph.annotations import meant
from drumline_graph.channels import Channel
from drumline_graph.schema import read_schema

if TYPE_CHECKING:
    from drumline_graph.node import Node
    from drumline_graph.program import Program

DIGEST_BYTES = 16
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def fingerprint_of(program: Program) -> str:
    """Hex digest of `description_of(program)`."""
    text = repr(description_of(program))
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()


def description_of(program: Program) -> tuple[Any, ...]:
    """What the digest is made of, as nested tuples of text: print it to see why two digests
    differ.
    """
    return (
        "drumline-graph",
        1,
        ("name", program.name),
        ("version", program.version),
        ("langchain-core", importlib.util.find_spec("langchain_core") is not None),
        ("nodes", tuple(_node(node) for _, node in sorted(program.nodes.items()))),
        ("start", _node(program.start)),
        (
            "channels",
            tuple((name, _channel(ch)) for name, ch in sorted(program.channels.items())),
        ),
        ("managed", tuple(sorted((k, v.__qualname__) for k, v in program.managed.items()))),
        *([("origin", program.origin)] if program.origin is not None else _schemas(program)),
    )


def _schemas(program: Program) -> list[tuple[str, Any]]:
    return [
        ("state", _schema(program.state_schema)),
        ("input", _schema(program.input_schema)),
        ("output", _schema(program.output_schema)),
        ("context", None if program.context_schema is None else _schema(program.context_schema)),
    ]


def _node(node: Node) -> tuple[Any, ...]:
    return (
        node.name,
        node.triggers,
        tuple(sorted(map(repr, node.edges))),
        tuple(
            (
                b.name,
                None if b.ends is None else tuple(sorted((repr(k), v) for k, v in b.ends.items())),
            )
            for b in node.branches
        ),
        node.input_keys if isinstance(node.input_keys, str) else tuple(node.input_keys),
        node.defer,
        node.pool,
        node.subprogram.fingerprint if node.subprogram is not None else None,
    )


def _channel(channel: Channel) -> tuple[Any, ...]:
    return channel.signature()


def _schema(schema: Any) -> tuple[Any, ...]:
    from drumline_graph.schema import field_hints, name_of

    info = read_schema(schema)
    if info.is_root:
        return (type_text(schema),)
    hints = field_hints(schema)
    return (name_of(schema), tuple((name, type_text(hint)) for name, hint in hints.items()))


def type_text(annotation: Any) -> str:
    """An annotation as text that is the same in every process: reprs hold addresses of
    functions.
    """
    if isinstance(annotation, type) and not hasattr(annotation, "__origin__"):
        return f"{annotation.__module__}.{annotation.__qualname__}"
    annotation = meant(annotation)
    return _ADDRESS.sub("", repr(annotation))
