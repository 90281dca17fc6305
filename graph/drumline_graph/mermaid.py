"""Writing a drawing as Mermaid text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from drumline_graph.drawing import DrawnEdge, DrawnNode

WORDS_PER_LABEL_LINE = 9
_MARKDOWN = ("*", "_", "`")
_SPECIAL = re.compile(r'[#\[\](){}"<>|]')
_STYLES = (
    "\tclassDef default fill:#f2f0ff,line-height:1.2\n\tclassDef first fill-opacity:0\n\tclassDef last fill:#bfb6fc\n"
)


def mermaid_text(
    nodes: Mapping[str, DrawnNode],
    edges: Sequence[DrawnEdge],
    marks: Mapping[str, str],
    *,
    with_styles: bool,
    curve_style: str,
) -> str:
    """The whole diagram. Without styles no nodes are written, as LangGraph does.

    `marks` gives the ids of the first and the last node the words "first" and "last".
    """
    lines: list[str] = []
    if with_styles:
        lines += [_node(n, marks.get(n.id)) for n in nodes.values() if ":" not in n.id]
    lines += _edges_under(edges, "")
    lines += _subgraphs(nodes, edges, "", marks if with_styles else None)
    head = "graph TD;\n"
    if with_styles:
        head = f"---\nconfig:\n  flowchart:\n    curve: {curve_style}\n---\n{head}"
    return head + "".join(lines) + (_STYLES if with_styles else "")


def _subgraphs(
    nodes: Mapping[str, DrawnNode], edges: Sequence[DrawnEdge], parent: str, marks: Mapping[str, str] | None
) -> list[str]:
    """Blocks of all subgraphs directly under the prefix `parent` ("" or "a:b:"). `marks` None: nodes are left out."""
    prefixes = dict.fromkeys(
        parent + node_id[len(parent) :].partition(":")[0] + ":"
        for node_id in nodes
        if node_id.startswith(parent) and ":" in node_id[len(parent) :]
    )
    lines: list[str] = []
    for prefix in prefixes:
        inside = [node for node in nodes.values() if node.id.startswith(prefix) and ":" not in node.id[len(prefix) :]]
        within = [] if marks is None else [_node(node, marks.get(node.id)) for node in inside]
        within += _edges_under(edges, prefix)
        within += _subgraphs(nodes, edges, prefix, marks)
        if within:
            lines += [f"\tsubgraph {prefix[len(parent) : -1]}\n", *within, "\tend\n"]
    return lines


def _edges_under(edges: Sequence[DrawnEdge], prefix: str) -> list[str]:
    return [_edge(edge) for edge in _loops_last(edges) if _shared(edge) == prefix]


def _loops_last(edges: Sequence[DrawnEdge]) -> list[DrawnEdge]:
    """LangChain's drawing has edges from a node to itself behind the others."""
    return sorted(edges, key=lambda edge: edge.source == edge.target)


def _shared(edge: DrawnEdge) -> str:
    """The innermost subgraph prefix that holds both ends of an edge."""
    shared = ""
    pairs = zip(edge.source.split(":")[:-1], edge.target.split(":")[:-1], strict=False)
    for one, other in pairs:
        if one != other:
            break
        shared += one + ":"
    return shared


def _safe(node_id: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]", lambda found: f"\\{ord(found.group()):x}", node_id)


def _node(node: DrawnNode, mark: str | None) -> str:
    label = node.name.split(":")[-1]
    if label.startswith(_MARKDOWN) and label.endswith(_MARKDOWN):
        label = f"<p>{label}</p>"
    lines = [f"{key} = {text}" for key, value in (node.metadata or {}).items() if (text := _shown(value)) is not None]
    if lines:
        pairs = "\n".join(map(_escaped, lines))
        label += f"<hr/><small><em>{pairs}</em></small>"
    shape = f"({label})" if mark is None else f"([{label}]):::{mark}"
    return f"\t{_safe(node.id)}{shape}\n"


def _shown(value: Any) -> str | None:
    """A value of metadata as text: a scalar, or some of them; None for anything else, which is left out."""
    if isinstance(value, (str, int, float)):
        return str(value)
    if not isinstance(value, (list, tuple, set)) or not all(isinstance(item, (str, int, float)) for item in value):
        return None
    return ", ".join(sorted(map(str, value)) if isinstance(value, set) else map(str, value))


def _escaped(text: str) -> str:
    """Text without what would end a label, as Mermaid's entities."""
    return _SPECIAL.sub(lambda found: "#quot;" if found.group() == '"' else f"#{ord(found.group())};", text)


def _edge(edge: DrawnEdge) -> str:
    if edge.data is None:
        arrow = " -.-> " if edge.conditional else " --> "
    else:
        words = edge.data.split()
        rows = [" ".join(words[at : at + WORDS_PER_LABEL_LINE]) for at in range(0, len(words), WORDS_PER_LABEL_LINE)]
        # Without semicolons: so LangGraph writes it, and Mermaid takes both.
        label = "&nbsp<br>&nbsp".join(rows)
        arrow = f" -. &nbsp;{label}&nbsp; .-> " if edge.conditional else f" -- &nbsp;{label}&nbsp; --> "
    return f"\t{_safe(edge.source)}{arrow}{_safe(edge.target)};\n"
