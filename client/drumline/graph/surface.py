"""What a compiled graph of LangGraph offers beside running: schemas and channels to look at, and what is not built."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from drumline_graph.cached import namespace_of
from drumline_graph.compile import checked_cache
from drumline_graph.errors import FeatureNotBuilt
from drumline_graph.graphs_within import graphs_within
from drumline_graph.program import Program
from drumline_graph.warnings import LangGraphDeprecatedSinceV10, tell

if TYPE_CHECKING:
    from typing_extensions import Self


class Refused:
    """An attribute of LangGraph's graphs that drumline holds at its default: another value raises FeatureNotBuilt."""

    def __init__(self, feature: str, default: Any = None) -> None:
        self._feature = feature
        self._default = default
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, graph: Any, owner: type | None = None) -> Any:
        return self._default

    def __set__(self, graph: Any, value: Any) -> None:
        if value:
            raise FeatureNotBuilt(self._feature, f"{self._name} of graph {graph.name!r}")


class Surface:
    """Attributes and methods of LangGraph's `CompiledStateGraph` that need no run; a part of drumline's."""

    program: Program

    if TYPE_CHECKING:  # of the Runnable's face

        def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
            """The graph's name."""
            ...

    #: accepted, and without effect: items are yielded as soon as they are there
    stream_eager: bool = False
    retry_policy = Refused("Retrying nodes", ())
    cache_policy = Refused("Caching the results of all nodes at once")

    @property
    def step_timeout(self) -> float | None:
        """How many seconds a superstep may last; None: as long as it takes. Set it before the graph becomes a node.

        A run that takes longer fails with `StepTimeoutError`, a TimeoutError as in LangGraph.
        """
        return self.program.step_timeout

    @step_timeout.setter
    def step_timeout(self, seconds: float | None) -> None:
        if seconds is not None and seconds <= 0:
            raise ValueError(
                f"step_timeout of graph {self.program.name!r} must be more than 0 seconds, got {seconds!r}."
            )
        self.program = replace(self.program, step_timeout=seconds)

    @property
    def cache(self) -> Any:
        """What `compile(cache=)` was given. Setting it gives this graph another one."""
        return self.program.cache

    @cache.setter
    def cache(self, cache: Any) -> None:
        self.program = replace(self.program, cache=checked_cache(cache))

    checkpointer: Any
    node_error_handler_map = Refused("Error handlers", {})

    # -- keys ---------------------------------------------------------------------------------------

    @property
    def input_channels(self) -> str:
        """The channel that takes the input."""
        return self.program.start.triggers[0]

    @property
    def output_channels(self) -> list[str] | str:
        """Keys of the output."""
        keys = self.program.output_keys
        return keys if isinstance(keys, str) else list(keys)

    @property
    def stream_channels(self) -> list[str] | str:
        """Keys of the state, as `values` shows them."""
        keys = self.program.stream_keys
        return keys if isinstance(keys, str) else list(keys)

    stream_channels_asis = stream_channels

    @property
    def stream_channels_list(self) -> list[str]:
        """The same, always as a list."""
        keys = self.program.stream_keys
        return [keys] if isinstance(keys, str) else list(keys)

    @property
    def trigger_to_nodes(self) -> Mapping[str, Sequence[str]]:
        """Which nodes a channel triggers."""
        start = self.program.start
        return {**dict.fromkeys(start.triggers, (start.name,)), **self.program.trigger_to_nodes}

    # -- schemas ------------------------------------------------------------------------------------

    def get_input_jsonschema(self, config: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """JSON schema of the input."""
        from drumline.graph.json_schemas import input_jsonschema

        del config
        return input_jsonschema(self.program, self.get_name("Input"))

    def get_output_jsonschema(self, config: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """JSON schema of the output."""
        from drumline.graph.json_schemas import output_jsonschema

        del config
        return output_jsonschema(self.program, self.get_name("Output"))

    def get_context_jsonschema(self) -> dict[str, Any] | None:
        """JSON schema of the context; None for a graph without."""
        from drumline.graph.json_schemas import context_jsonschema

        return context_jsonschema(self.program)

    def config_schema(self, *, include: Sequence[str] | None = None) -> Any:
        """A pydantic model of the config. LangGraph gave it up for `get_context_jsonschema`."""
        from drumline.graph.json_schemas import config_model

        del include
        tell("config_schema is deprecated, use get_context_jsonschema.", LangGraphDeprecatedSinceV10)
        return config_model(self.program, self.get_name("Config"))

    def get_config_jsonschema(self, *, include: Sequence[str] | None = None) -> dict[str, Any]:
        """JSON schema of the config. LangGraph gave it up for `get_context_jsonschema`."""
        schema: dict[str, Any] = self.config_schema(include=include).model_json_schema()
        return schema

    def validate(self) -> Self:
        """The graph itself: `compile()` has checked it."""
        return self

    def copy(self, update: Mapping[str, Any] | None = None) -> Self:
        """A copy with these attributes set."""
        copied = copy.copy(self)
        for name, value in (update or {}).items():
            setattr(copied, name, value)
        return copied

    # -- graphs within ------------------------------------------------------------------------------

    def get_subgraphs(self, *, namespace: str | None = None, recurse: bool = False) -> Iterator[tuple[str, Any]]:
        """Graphs within this one, as (name of the node, graph); with `recurse` those within, as `"outer|inner"`.

        They are its nodes, and those that its nodes' functions name (`drumline_graph.graphs_within`). With a namespace
        only the graph at it.
        """
        for name, graph in graphs_within(self.program).items():
            if namespace is not None and namespace != name and not namespace.startswith(f"{name}|"):
                continue
            if namespace is None or namespace == name:
                yield name, graph
            below = getattr(graph, "get_subgraphs", None)
            if recurse and below is not None and namespace != name:
                inner = None if namespace is None else namespace[len(name) + 1 :]
                for name_below, graph_below in below(namespace=inner, recurse=True):
                    yield f"{name}|{name_below}", graph_below

    async def aget_subgraphs(
        self, *, namespace: str | None = None, recurse: bool = False
    ) -> AsyncIterator[tuple[str, Any]]:
        """The twin of `get_subgraphs`."""
        for pair in self.get_subgraphs(namespace=namespace, recurse=recurse):
            yield pair

    # -- not built ----------------------------------------------------------------------------------

    def _refuse(self, feature: str, method: str) -> Any:
        raise FeatureNotBuilt(feature, f"{method}() of graph {self.program.name!r}")

    def clear_cache(self, nodes: Sequence[str] | None = None) -> None:
        """Forget the results of these nodes (None: of all). ValueError if the graph has no cache."""
        cache, namespaces = self._cached(nodes)
        cache.clear(namespaces)

    async def aclear_cache(self, nodes: Sequence[str] | None = None) -> None:
        """The twin of `clear_cache` for an event loop."""
        cache, namespaces = self._cached(nodes)
        await cache.aclear(namespaces)

    def _cached(self, nodes: Sequence[str] | None) -> tuple[Any, list[tuple[str, ...]]]:
        program = self.program
        if program.cache is None:
            raise ValueError(f"No cache is set for graph {program.name!r}, so there is nothing to clear.")
        return program.cache, [namespace_of(program, program.nodes[name]) for name in nodes or program.nodes]
