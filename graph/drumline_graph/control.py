"""What nodes and routers say to the engine: Send, Command, Interrupt, Overwrite. Public in `drumline_graph.types`."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Generic, Literal, TypeVar

from drumline_graph.warnings import LangGraphDeprecatedSinceV10, tell

N = TypeVar("N", bound=Hashable)
ResponseT = TypeVar("ResponseT")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutPolicy:
    """Time limits of one try of a node: in total (`run_timeout`), and without a sign of life (`idle_timeout`).

    A sign of life is whatever the node writes, streams or calls (`refresh_on="auto"`), or `runtime.heartbeat()` alone.
    `sync=True`, which LangGraph has not: the node may be sync, and its graph runs on a cluster, whose coordinator takes
    the task away from its worker.
    """

    run_timeout: float | timedelta | None = None
    idle_timeout: float | timedelta | None = None
    refresh_on: Literal["auto", "heartbeat"] = "auto"
    sync: bool = False

    @classmethod
    def coerce(cls, value: float | timedelta | TimeoutPolicy | None) -> TimeoutPolicy | None:
        """Seconds, a timedelta or a policy as a policy; None stays None. ValueError unless positive."""
        if value is None:
            return None
        if isinstance(value, TimeoutPolicy):
            for given in (value.run_timeout, value.idle_timeout):
                cls.coerce(given)
            return value
        seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
        if seconds <= 0:
            raise ValueError(f"A timeout must be more than 0 seconds, got {value!r}.")
        return cls(run_timeout=seconds)


class Send:
    """Start `node` in the next superstep with `arg` as its input, whatever the state is.

    Return it (or several in a list) from a router, in `Command(goto=...)` or from a node. Each Send is a task of its
    own; their writes are merged after those of ordinary tasks, in the order of the Sends.
    """

    __slots__ = ("arg", "node", "timeout")

    node: str
    arg: Any
    timeout: TimeoutPolicy | None

    def __init__(self, /, node: str, arg: Any, *, timeout: float | timedelta | TimeoutPolicy | None = None) -> None:
        self.node = node
        self.arg = arg
        self.timeout = None if timeout is None else TimeoutPolicy.coerce(timeout)

    def __hash__(self) -> int:
        return hash((self.node, self.arg, self.timeout))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Send)
            and self.node == other.node
            and self.arg == other.arg
            and self.timeout == other.timeout
        )

    def __repr__(self) -> str:
        tail = "" if self.timeout is None else f", timeout={self.timeout!r}"
        return f"Send(node={self.node!r}, arg={self.arg!r}{tail})"


@dataclass(slots=True)
class Interrupt(Generic[ResponseT]):
    """A question that a paused run asks its caller: `value` is the question, `id` names it in answers."""

    value: Any
    id: str = "placeholder-id"
    response_schema: type[ResponseT] | dict[str, Any] | None = dataclasses.field(default=None, kw_only=True)

    @property
    def interrupt_id(self) -> str:
        """The former name of `id`."""
        tell("'interrupt_id' of an Interrupt is deprecated, use 'id'.", LangGraphDeprecatedSinceV10)
        return self.id


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Command(Generic[N]):
    """A node's result that both updates the state and says where to go; or the answer to an interrupt.

    `update`: dict, schema instance or list of (key, value) pairs. `goto`: node name, Send, or a sequence of both; it
    adds to the node's edges. `graph`: None for this graph, `Command.PARENT` for the enclosing one. `resume`: answer(s)
    when given as a run's input.
    """

    graph: str | None = None
    update: Any | None = None
    resume: dict[str, Any] | Any | None = None
    goto: Send | Sequence[Send | N] | N = ()

    PARENT: ClassVar[Literal["__parent__"]] = "__parent__"

    def __repr__(self) -> str:
        shown = [
            f"{item.name}={value!r}"
            for item in dataclasses.fields(self)
            if (value := getattr(self, item.name)) is not None and not (value == () and item.name == "goto")
        ]
        return f"Command({', '.join(shown)})"


@dataclass(slots=True)
class Overwrite:
    """Replaces the value of a reducer's key instead of being merged: `{"items": Overwrite([])}`."""

    value: Any
    type: Literal["__overwrite__"] = "__overwrite__"
