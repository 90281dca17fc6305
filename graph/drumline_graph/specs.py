"""What a builder was given: nodes, edges, branches and schemas, as they were declared.

`StateGraph` adds the verbs; `validate` and `compile_program` read what is here, and know no builder.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

from drumline_graph.callables import Capabilities
from drumline_graph.channels import Channel
from drumline_graph.errors import GraphDefinitionError
from drumline_graph.schema import Schema, merge_channels, name_of, read_schema


@dataclass(slots=True)
class NodeSpec:
    """A node as it was added.

    `ends` are targets that only its code knows (names, or name -> label). `action` is what the node runs: `runnable`,
    made callable where it was not.
    """

    name: str
    runnable: Any
    action: Any
    capabilities: Capabilities
    input_schema: Any
    metadata: dict[str, Any] | None = None
    ends: tuple[str, ...] | dict[str, str] = ()
    defer: bool = False
    trace_policy: Any = None


@dataclass(slots=True)
class BranchSpec:
    """A conditional edge as it was added."""

    name: str
    path: Any
    ends: dict[Any, str] | None = None
    input_schema: Any | None = None


@dataclass(slots=True)
class _Schemas:
    by_type: dict[Any, Schema] = field(default_factory=dict)
    unhashable: list[Schema] = field(default_factory=list)


class GraphSpecs:
    """Everything that was declared of one graph. The attributes are those of LangGraph's builder.

    `edge_pairs` and `join_pairs` are `edges` and `waiting_edges` in the order in which they were added: dicts as
    ordered sets, because two builds of one graph must give the same program.
    """

    def __init__(self, state_schema: Any, input_schema: Any, output_schema: Any, context_schema: Any) -> None:
        self.nodes: dict[str, NodeSpec] = {}
        self.branches: dict[str, dict[str, BranchSpec]] = {}
        self.channels: dict[str, Channel] = {}
        self.managed: dict[str, type] = {}
        self.state_schema: Any = state_schema
        self.input_schema: Any = state_schema if input_schema is None else input_schema
        self.output_schema: Any = state_schema if output_schema is None else output_schema
        self.context_schema: Any = context_schema
        self.compiled = False
        self.edge_pairs: dict[tuple[str, str], None] = {}
        self.join_pairs: dict[tuple[tuple[str, ...], str], None] = {}
        self._schemas = _Schemas()
        self.declare(state_schema)
        self.declare(self.input_schema, allow_managed=self.input_schema is state_schema)
        self.declare(self.output_schema, allow_managed=self.output_schema is state_schema)

    @property
    def edges(self) -> set[tuple[str, str]]:
        """Plain edges as (source, target) pairs."""
        return set(self.edge_pairs)

    @property
    def waiting_edges(self) -> set[tuple[tuple[str, ...], str]]:
        """List edges as (sources, target) pairs."""
        return set(self.join_pairs)

    @property
    def schemas(self) -> dict[Any, dict[str, Any]]:
        """What the schemas of this graph declare: schema -> key -> channel or managed value."""
        return {schema: {**info.channels, **info.managed} for schema, info in self._schemas.by_type.items()}

    def schema_info(self, schema: Any) -> Schema:
        """What was read from a schema of this graph."""
        if isinstance(schema, Hashable):
            return self._schemas.by_type[schema]
        return next(info for info in self._schemas.unhashable if info.declared is schema)

    def schema_infos(self) -> Iterator[Schema]:
        """What was read from each schema of this graph."""
        yield from self._schemas.by_type.values()
        yield from self._schemas.unhashable

    def declare(self, schema: Any, *, allow_managed: bool = True, where: str = "") -> None:
        """Read a schema and add what it declares. GraphDefinitionError for one that cannot work."""
        hashable = isinstance(schema, Hashable)
        if hashable and schema in self._schemas.by_type:
            return
        info = read_schema(schema)
        if info.managed and not allow_managed:
            names = ", ".join(info.managed)
            raise GraphDefinitionError(
                f"Managed values ({names}) are computed by the engine and are not permitted in an input or output "
                f"schema, but {name_of(schema)} declares them. Move them to the state schema."
            )
        merge_channels(self.channels, info, where=where)
        for key, manager in info.managed.items():
            self.managed.setdefault(key, manager)
        if hashable:
            self._schemas.by_type[schema] = info
        else:
            self._schemas.unhashable.append(info)
