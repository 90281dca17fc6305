"""Sketches: what the views of a client must know of a graph that they cannot import. Pure."""

from __future__ import annotations

from drumline_graph.constants import START
from drumline_graph.graphs_within import graph_within
from drumline_graph.program import Node, Program
from drumline_graph.weakly import once_per_object
from drumline_protocol.facts import NodeSketch, Sketch
from drumline_protocol.graph_paths import child_path


@once_per_object
def sketch_program(program: Program) -> dict[str, Sketch]:
    """Sketches of a graph and of all subgraphs that are nodes, by path. Made once per program."""
    sketches: dict[str, Sketch] = {}
    _walk(program, "", sketches)
    return sketches


def outline(sketches: dict[str, Sketch], path: str = "") -> Program:
    """As much of a graph as `fold` needs, for who cannot import it: its nodes and subgraphs. It cannot run."""
    sketch = sketches[path]
    nodes = {
        name: Node(
            name,
            None,
            outline(sketches, child_path(path, name)) if child_path(path, name) in sketches else None,
            triggers=node.triggers,
            pool=node.pool,
            tags=node.tags,
        )
        for name, node in sketch.nodes.items()
    }
    return Program(
        name=sketch.name,
        nodes=nodes,
        start=Node(START, None),
        channels={},
        managed={},
        input_keys=[],
        output_keys=sketch.output_keys,
        stream_keys=sketch.stream_keys,
        trigger_to_nodes={},
        state_schema=None,
        input_schema=None,
        output_schema=None,
        context_schema=None,
        input_reader=lambda _value: None,
    )


def _walk(program: Program, path: str, into: dict[str, Sketch]) -> None:
    into[path] = Sketch(
        name=program.name,
        stream_keys=program.stream_keys,
        output_keys=program.output_keys,
        nodes={
            node.name: NodeSketch(
                reads=node.input_keys,
                triggers=tuple(sorted(node.triggers)),
                pool=node.pool,
                metadata=node.metadata,
                tags=node.tags,
                has_graph=graph_within(node) is not None,
            )
            for node in program.nodes.values()
        },
        managed={key: value.__name__ for key, value in program.managed.items()},
    )
    for node in program.nodes.values():
        if node.subprogram is not None:
            _walk(node.subprogram, child_path(path, node.name), into)
