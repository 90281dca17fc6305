"""`StateGraph`: collects nodes and edges. Pure: nothing runs here, and `compile()` gives a `Program`.

The face (`drumline.graph.StateGraph`) subclasses this one and overrides `compile()` to give a graph that can be
streamed. Signatures and errors are LangGraph's; every method returns the builder.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic

from typing_extensions import TypeVar

from drumline_graph.callables import (
    branch_name_of,
    capabilities_of,
    command_targets_of,
    destinations_of,
    ends_of,
    input_schema_of,
    name_of_callable,
    plain_name,
)
from drumline_graph.coercion import as_action
from drumline_graph.compile import check_compile_options, compile_program
from drumline_graph.constants import END, RESERVED_CHARACTERS, RESERVED_NAMES, START
from drumline_graph.errors import GraphDefinitionError
from drumline_graph.options import refuse_unbuilt, refuse_unknown, renamed
from drumline_graph.specs import BranchSpec, GraphSpecs, NodeSpec
from drumline_graph.state_like import StateLike
from drumline_graph.texts import is_encodable
from drumline_graph.validate import validate

if TYPE_CHECKING:
    from datetime import timedelta

    from typing_extensions import Self

    from drumline_graph.types import CachePolicy, RetryPolicy, TimeoutPolicy, TracePolicy

# With defaults, so that `StateGraph(State)` needs no annotation under a type checker.
StateT = TypeVar("StateT", bound=StateLike)
ContextT = TypeVar("ContextT", bound=StateLike | None, default=None)
InputT = TypeVar("InputT", bound=StateLike, default=StateT)
OutputT = TypeVar("OutputT", bound=StateLike, default=StateT)

_log = logging.getLogger(__name__)


class StateGraph(GraphSpecs, Generic[StateT, ContextT, InputT, OutputT]):
    """Builder of a graph whose nodes read and write a shared state.

    `state_schema` is a TypedDict, dataclass or pydantic model (its fields are the keys of the state), or a bare type.
    `input_schema` and `output_schema` default to it. A key annotated `Annotated[T, f]` merges writes with the reducer
    `f(current, new)`.

    Raises GraphDefinitionError (a ValueError) for schemas and names that cannot work.
    """

    def __init__(
        self,
        state_schema: type[StateT],
        context_schema: type[ContextT] | None = None,
        *,
        input_schema: type[InputT] | None = None,
        output_schema: type[OutputT] | None = None,
        **kwargs: Any,
    ) -> None:
        input_schema = renamed(kwargs, "input", "input_schema", input_schema)
        output_schema = renamed(kwargs, "output", "output_schema", output_schema)
        context_schema = renamed(kwargs, "config_schema", "context_schema", context_schema)
        refuse_unknown("StateGraph()", kwargs)
        super().__init__(state_schema, input_schema, output_schema, context_schema)

    def add_node(
        self,
        node: Any,
        action: Any = None,
        *,
        defer: bool = False,
        metadata: dict[str, Any] | None = None,
        input_schema: type[Any] | None = None,
        retry_policy: RetryPolicy | Sequence[RetryPolicy] | None = None,
        cache_policy: CachePolicy[Any] | None = None,
        error_handler: Any = None,
        destinations: dict[str, str] | tuple[str, ...] | None = None,
        timeout: float | timedelta | TimeoutPolicy | None = None,
        trace_policy: TracePolicy | None = None,
        **kwargs: Any,
    ) -> Self:
        """Add a node: `add_node(fn)`, `add_node("name", fn)`, also with a Runnable or a compiled graph.

        The node's input is the state as `input_schema`, else as the class that annotates the function's first
        parameter, else as the graph's state. `defer=True`: run only when nothing else would. `metadata={"pool": "gpu"}`
        names the worker pool. `destinations` are targets that only the code knows; they serve drawing and validation,
        as does a return annotation `Command[Literal["x"]]`.
        """
        input_schema = renamed(kwargs, "input", "input_schema", input_schema)
        retry_policy = renamed(kwargs, "retry", "retry_policy", retry_policy)
        refuse_unknown("add_node()", kwargs)
        node = plain_name(node)
        if isinstance(node, str):
            name = node
        else:
            action = node
            name = name_of_callable(action)
        if action is None:
            raise GraphDefinitionError(f"Node {name!r} was given nothing to run. Write add_node({name!r}, function).")
        refuse_unbuilt(
            f"node {name!r}",
            retry_policy=retry_policy,
            cache_policy=cache_policy,
            error_handler=error_handler,
            timeout=timeout,
        )
        self._check_new_name(name)
        where = f"Node {name!r}"
        runnable, action = action, as_action(action, where=where)
        capabilities = capabilities_of(action, where=where, reads=runnable)
        if input_schema is None:
            input_schema = input_schema_of(runnable) or self.state_schema
        self.declare(input_schema, where=f" (input of node {name!r})")
        ends = command_targets_of(runnable) if destinations is None else destinations_of(destinations)
        self.nodes[name] = NodeSpec(
            name, runnable, action, capabilities, input_schema, metadata, ends, defer, trace_policy
        )
        return self

    def _check_new_name(self, name: str) -> None:
        self._warn_if_compiled("a node")
        if name in RESERVED_NAMES:
            raise GraphDefinitionError(
                f"Node name {name!r} is reserved for the virtual start or end. Choose another name."
            )
        if not is_encodable(name):
            raise GraphDefinitionError(
                f"Node name {name!r} holds a lone surrogate, which cannot be written as UTF-8. Leave it out."
            )
        for character in RESERVED_CHARACTERS:
            if character in name:
                raise GraphDefinitionError(
                    f"Node name {name!r} contains {character!r}, a reserved character: namespaces are separated by it. "
                    "Leave it out."
                )
        if name in self.nodes:
            raise GraphDefinitionError(
                f"Node {name!r} is already present. Give each node its own name: add_node('name', action)."
            )

    def add_edge(self, start_key: str | list[str], end_key: str) -> Self:
        """Run `end_key` after `start_key`. With a list of sources: only after all of them have run."""
        self._warn_if_compiled("an edge")
        start_key, end_key = plain_name(start_key), plain_name(end_key)
        sources = [start_key] if isinstance(start_key, str) else [plain_name(key) for key in start_key]
        if END in sources:
            raise GraphDefinitionError("END cannot be the start of an edge: nothing runs after it.")
        if end_key == START:
            raise GraphDefinitionError("START cannot be the end of an edge: it runs only once.")
        if isinstance(start_key, str):
            self.edge_pairs[start_key, end_key] = None
            return self
        if not sources:
            raise GraphDefinitionError(f"The list edge into {end_key!r} has no sources, so it would never fire.")
        for name in (*sources, *([] if end_key == END else [end_key])):
            if name not in self.nodes:
                raise GraphDefinitionError(
                    f"The list edge {sources!r} -> {end_key!r} names {name!r}, which is not a node"
                    + (" (START needs no waiting for)." if name == START else " yet: ")
                    + ("" if name == START else f"call add_node({name!r}, ...) first.")
                )
        self.join_pairs[tuple(sources), end_key] = None
        return self

    def add_conditional_edges(
        self,
        source: str,
        path: Callable[..., Any] | Any,
        path_map: dict[Any, str] | list[str] | None = None,
    ) -> Self:
        """After `source`, call the router `path(state)` and go where it says.

        It returns a node name, `END`, a `Send`, or a list of these; with `path_map` (or a `Literal` return annotation)
        its results are looked up there first. It sees the state with the source's own writes. Each router of a node
        needs a name of its own.
        """
        self._warn_if_compiled("a conditional edge")
        source, name = plain_name(source), branch_name_of(path)
        capabilities_of(path, where=f"The conditional edge {name!r} of {source!r}")
        known = self.branches.setdefault(source, {})
        if name in known:
            raise GraphDefinitionError(
                f"Branch {name!r} already exists for node {source!r}. Give the second router function a different name "
                "(all lambdas count as 'condition')."
            )
        schema = input_schema_of(path)
        if schema is not None:
            self.declare(schema, where=f" (input of router {name!r})")
        known[name] = BranchSpec(name, path, ends_of(path, path_map), schema)
        return self

    def add_sequence(self, nodes: Sequence[Any]) -> Self:
        """Add nodes, given as callables or (name, callable) pairs, with an edge from each to the next."""
        if len(nodes) < 1:
            raise GraphDefinitionError("A sequence requires at least one node.")
        previous: str | None = None
        for item in nodes:
            name, action = item if isinstance(item, tuple) else (name_of_callable(item), item)
            name = plain_name(name)
            self.add_node(name, action)
            if previous is not None:
                self.add_edge(previous, name)
            previous = name
        return self

    def set_entry_point(self, key: str) -> Self:
        """Begin with node `key`: the same as `add_edge(START, key)`."""
        return self.add_edge(START, key)

    def set_conditional_entry_point(
        self,
        path: Callable[..., Any] | Any,
        path_map: dict[Any, str] | list[str] | None = None,
    ) -> Self:
        """Let a router choose where to begin: `add_conditional_edges(START, path, path_map)`."""
        return self.add_conditional_edges(START, path, path_map)

    def set_finish_point(self, key: str) -> Self:
        """Mark `key` as last: the same as `add_edge(key, END)`."""
        return self.add_edge(key, END)

    def set_node_defaults(
        self,
        *,
        retry_policy: RetryPolicy | Sequence[RetryPolicy] | None = None,
        cache_policy: CachePolicy[Any] | None = None,
        error_handler: Any = None,
        timeout: float | timedelta | TimeoutPolicy | None = None,
    ) -> Self:
        """Policies for all nodes. None of them is built yet: any value raises FeatureNotBuilt."""
        refuse_unbuilt(
            "set_node_defaults()",
            retry_policy=retry_policy,
            cache_policy=cache_policy,
            error_handler=error_handler,
            timeout=timeout,
        )
        return self

    def validate(self, interrupt: Sequence[str] | None = None) -> Self:
        """Check that all edges lead somewhere and that there is an entry. Raises GraphDefinitionError."""
        validate(self, interrupt)
        self.compiled = True
        return self

    def compile(
        self,
        checkpointer: Any = None,
        *,
        cache: Any = None,
        store: Any = None,
        interrupt_before: Any = None,
        interrupt_after: Any = None,
        debug: bool = False,  # noqa: ARG002 (for the face)
        name: str | None = None,
        transformers: Sequence[Callable[..., Any]] | None = None,
    ) -> Any:
        """The graph as a `Program`. The face overrides this to give a graph that runs and streams."""
        check_compile_options(
            checkpointer=checkpointer,
            cache=cache,
            interrupt_before=interrupt_before,
            interrupt_after=interrupt_after,
            transformers=transformers,
        )
        return compile_program(self, name=name, store=store)

    def _warn_if_compiled(self, what: str) -> None:
        if self.compiled:
            _log.warning(
                "Adding %s to a graph that was already compiled: compiled graphs do not see it.",
                what,
            )
