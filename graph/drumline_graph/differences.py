"""What differs between two versions of a graph, for a person: more than two fingerprints tell. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from drumline_graph.constants import BRANCH_PREFIX, JOIN_PREFIX

if TYPE_CHECKING:
    from drumline_graph.program import Program

#: parts and characters of a summary, which travels inside an error
PARTS_MAX, TEXT_MAX = 400, 200

#: the node that an edge leads to, in the description of the edge
_TARGET = re.compile(rf"'(?:{BRANCH_PREFIX}|(?={JOIN_PREFIX}))([^']+)'")
_SCHEMAS = ("state", "input", "output", "context")


def summary_of(program: Program, inside: str = "") -> dict[str, str]:
    """The parts of a graph that its fingerprint covers: what each is called, and its value as text."""
    parts: dict[str, str] = {}
    for name, *rest in program.signature()[2:]:
        value = rest[0]
        if name == "nodes":
            for node in value:
                parts |= _node(node, inside)
        elif name == "start":
            parts |= _edges("START", value, inside)
        elif name == "channels":
            keys = ((key, channel) for key, channel in value if not key.startswith((BRANCH_PREFIX, JOIN_PREFIX)))
            parts |= {f"the channel of key {key!r}{inside}": _text(channel) for key, channel in keys}
        elif name in _SCHEMAS:
            parts |= _schema(name, value, inside)
        else:
            parts[f"{name}{inside}"] = _text(value)
    for node in program.nodes.values():
        if node.subprogram is not None:
            parts |= summary_of(node.subprogram, f" of subgraph {node.name!r}{inside}")
    return dict(list(parts.items())[:PARTS_MAX])


def _node(node: tuple[Any, ...], inside: str) -> dict[str, str]:
    name, triggers, _edges_out, _branches, input_keys, defer, pool, _subgraph = node
    return {
        f"node {name!r}{inside}": _text((("pool", pool), ("defer", defer), ("reads", input_keys), ("after", triggers))),
        **_edges(repr(name), node, inside),
    }


def _edges(name: str, node: tuple[Any, ...], inside: str) -> dict[str, str]:
    targets = [target for edge in node[2] for target in _TARGET.findall(edge)]
    parts = {f"edge from {name} to {target!r}{inside}": "" for target in targets}
    return parts | {f"router {router!r} of {name}{inside}": _text(ends) for router, ends in node[3]}


def _schema(name: str, schema: Any, inside: str) -> dict[str, str]:
    if schema is None:
        return {}
    if len(schema) == 1:
        return {f"{name} schema{inside}": _text(schema[0])}
    parts = {f"the {name} schema{inside}": _text(schema[0])}
    return parts | {f"field {key!r} of the {name}{inside}": _text(hint) for key, hint in schema[1]}


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}..."


def differences(here: Mapping[str, str], there: Mapping[str, str], names: tuple[str, str]) -> list[str]:
    """What differs between two summaries, one text each; `names`: how the two sides are called."""
    one, other = names
    told = [f"{part}: only {one}" for part in here if part not in there]
    told += [f"{part}: only {other}" for part in there if part not in here]
    told += [
        f"{part}: {value} {one}, {there[part]} {other}"
        for part, value in here.items()
        if part in there and there[part] != value
    ]
    return told
