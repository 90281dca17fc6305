"""`Runtime` and `ExecutionInfo`: what a node may ask for beside its input (names and fields are LangGraph's)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, runtime_checkable

from typing_extensions import TypeVar

from drumline_graph.state_like import StateLike
from drumline_graph.types import StreamWriter
from drumline_worker.run_control import RunControl as RunControl

# With a default, so that a bare `Runtime` needs no argument under a type checker.
ContextT = TypeVar("ContextT", bound=StateLike | None, default=None)


def no_writer(_chunk: Any) -> None:
    """The writer of a run that nobody asked `custom` of."""


def no_heartbeat() -> None:
    """The heartbeat of a node without a limit of silence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionInfo:
    """Which execution this is.

    `node_attempt` counts from 1: a node begins again when its worker was lost. `node_first_attempt_time` is in seconds
    since the epoch. `checkpoint_id` is empty for a run on no thread.
    """

    checkpoint_id: str
    checkpoint_ns: str
    task_id: str
    thread_id: str | None = None
    run_id: str | None = None
    node_attempt: int = 1
    node_first_attempt_time: float | None = None

    def patch(self, **overrides: Any) -> ExecutionInfo:
        """A copy with these fields replaced."""
        return replace(self, **overrides)


@runtime_checkable
class BaseUser(Protocol):
    """A user whom a server has authenticated."""

    @property
    def is_authenticated(self) -> bool:
        """Whether the server knows who it is."""
        ...

    @property
    def display_name(self) -> str:
        """The name to show."""
        ...

    @property
    def identity(self) -> str:
        """The id."""
        ...

    @property
    def permissions(self) -> Sequence[str]:
        """What the user may do."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """What a server says of the run that it started, by `configurable`: `assistant_id`, `graph_id`, and the user."""

    assistant_id: str
    graph_id: str
    user: BaseUser | None = None


def server_info_of(configurable: Mapping[str, Any]) -> ServerInfo | None:
    """What `configurable` says of the server; None if nothing."""
    assistant, graph = configurable.get("assistant_id"), configurable.get("graph_id")
    user = configurable.get("langgraph_auth_user")
    if not hasattr(user, "identity"):
        user = None
    if assistant is None and graph is None and user is None:
        return None
    return ServerInfo(
        assistant_id="" if assistant is None else str(assistant),
        graph_id="" if graph is None else str(graph),
        user=user,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime(Generic[ContextT]):
    """The run as a node sees it: `context` given by the caller, `store`, `stream_writer`, `execution_info`.

    `store` is that of `compile(store=)` or of the cluster. `server_info` tells of the server that started the run, if
    one did. `previous` is what an entrypoint saved in its last run on the thread. `control` asks the run to stop
    between two supersteps.
    """

    context: ContextT = None  # type: ignore[assignment]
    store: Any = None
    stream_writer: StreamWriter = no_writer
    heartbeat: Callable[[], None] = no_heartbeat
    previous: Any = None
    execution_info: ExecutionInfo | None = None
    server_info: ServerInfo | None = None
    control: RunControl | None = None

    def merge(self, other: Runtime[ContextT]) -> Runtime[ContextT]:
        """This runtime with whatever `other` sets put over it."""
        return replace(
            self,
            context=self.context if other.context is None else other.context,
            store=self.store if other.store is None else other.store,
            stream_writer=self.stream_writer if other.stream_writer is no_writer else other.stream_writer,
            heartbeat=self.heartbeat if other.heartbeat is no_heartbeat else other.heartbeat,
            previous=self.previous if other.previous is None else other.previous,
            execution_info=other.execution_info or self.execution_info,
            server_info=other.server_info or self.server_info,
            control=other.control or self.control,
        )

    def override(self, **overrides: Any) -> Runtime[ContextT]:
        """A copy with these fields replaced."""
        return replace(self, **overrides)

    def patch_execution_info(self, **overrides: Any) -> Runtime[ContextT]:
        """A copy whose `execution_info` has these fields replaced. RuntimeError outside of a task."""
        if self.execution_info is None:
            raise RuntimeError("this Runtime belongs to no task: it has no execution_info to patch")
        return replace(self, execution_info=self.execution_info.patch(**overrides))

    @property
    def drain_requested(self) -> bool:
        """Whether somebody asked the run to stop at the next superstep."""
        return self.control is not None and self.control.drain_requested

    @property
    def drain_reason(self) -> str | None:
        """Why, if so."""
        return None if self.control is None else self.control.drain_reason
