"""What type checkers take as a node or a router: the state first, then any of the parameters that are injected.

Only for checking: at run time `drumline_graph.callables` reads the signature itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, Protocol

from typing_extensions import TypeAliasType, TypeVar

from drumline_graph.state_like import StateLike
from drumline_graph.types import StreamWriter
from drumline_worker.runtime import Runtime

NodeInputT = TypeVar("NodeInputT", bound=StateLike)
In_contra = TypeVar("In_contra", bound=StateLike, contravariant=True)
Ctx = TypeVar("Ctx", bound=StateLike | None, default=None)
Context = TypeVar("Context", bound=StateLike | None, default=None)


class _Node(Protocol[In_contra]):
    def __call__(self, state: In_contra, /) -> Any: ...


class _WithConfig(Protocol[In_contra]):
    def __call__(self, state: In_contra, /, *, config: Any) -> Any: ...


class _WithWriter(Protocol[In_contra]):
    def __call__(self, state: In_contra, /, *, writer: StreamWriter) -> Any: ...


class _WithStore(Protocol[In_contra]):
    def __call__(self, state: In_contra, /, *, store: Any) -> Any: ...


class _WithConfigWriter(Protocol[In_contra]):
    def __call__(self, state: In_contra, /, *, config: Any, writer: StreamWriter) -> Any: ...


class _WithConfigStore(Protocol[In_contra]):
    def __call__(self, state: In_contra, /, *, config: Any, store: Any) -> Any: ...


class _WithWriterStore(Protocol[In_contra]):
    def __call__(self, state: In_contra, /, *, writer: StreamWriter, store: Any) -> Any: ...


class _WithConfigWriterStore(Protocol[In_contra]):
    def __call__(self, state: In_contra, /, *, config: Any, writer: StreamWriter, store: Any) -> Any: ...


class _WithRuntime(Protocol[In_contra, Context]):
    def __call__(self, state: In_contra, /, *, runtime: Runtime[Context]) -> Any: ...


class _WithRuntimeConfig(Protocol[In_contra, Context]):
    def __call__(self, state: In_contra, /, *, runtime: Runtime[Context], config: Any) -> Any: ...


class _WithRuntimeWriter(Protocol[In_contra, Context]):
    def __call__(self, state: In_contra, /, *, runtime: Runtime[Context], writer: StreamWriter) -> Any: ...


class _WithRuntimeConfigWriter(Protocol[In_contra, Context]):
    def __call__(self, state: In_contra, /, *, runtime: Runtime[Context], config: Any, writer: StreamWriter) -> Any: ...


class Runs(Protocol):
    """A Runnable, or a compiled graph."""

    @property
    def invoke(self) -> Callable[..., Any]: ...

    @property
    def ainvoke(self) -> Callable[..., Any]: ...


StateNode = TypeAliasType(
    "StateNode",
    _Node[NodeInputT]
    | _WithConfig[NodeInputT]
    | _WithWriter[NodeInputT]
    | _WithStore[NodeInputT]
    | _WithConfigWriter[NodeInputT]
    | _WithConfigStore[NodeInputT]
    | _WithWriterStore[NodeInputT]
    | _WithConfigWriterStore[NodeInputT]
    | _WithRuntime[NodeInputT, Ctx]
    | _WithRuntimeConfig[NodeInputT, Ctx]
    | _WithRuntimeWriter[NodeInputT, Ctx]
    | _WithRuntimeConfigWriter[NodeInputT, Ctx]
    | Runs
    | Mapping[str, Any],
    type_params=(NodeInputT, Ctx),
)
"""What `add_node` takes."""

Routed = Hashable | Sequence[Hashable]
Router = Callable[..., Routed] | Callable[..., Awaitable[Routed]] | Runs
"""What `add_conditional_edges` takes."""
