"""What the routes need of whoever runs graphs: a cluster, or this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from drumline_protocol.retention import Retention

#: what is known of a thread or a run, by the names that `Cluster.threads.get` and `Cluster.status` use
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """How somebody wants to see a run.

    `modes` as drumline names them ("messages" for `messages-tuple`). `after` is the position behind which to begin;
    None: the first item.
    """

    modes: Sequence[str]
    subgraphs: bool = False
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One part of a run's stream as `version="v2"` has it, and the position behind it.

    `mode` may be "retracted" too: what an attempt has emitted does not count. `interrupts` are those of a `values`
    part.
    """

    position: str
    mode: str
    ns: tuple[str, ...]
    data: Any
    interrupts: Sequence[Any] = ()


class RunItems(Protocol):
    """A reader of one run. It ends with the run; iterating raises what the run raised, as `Cluster.ajoin` does."""

    def __aiter__(self) -> AsyncIterator[Item]: ...

    async def aclose(self) -> None:
        """Stop reading. The run goes on."""


class Bell(Protocol):
    """What one reader of a thread waits by, as a context: at its end nobody waits any more."""

    def __enter__(self) -> Bell: ...

    def __exit__(self, *_: object) -> None: ...

    async def wait(self) -> None:
        """Returns when a run may have begun, or the thread may have been made, since this was called last."""

    def tell_end(self, run_id: str) -> None:
        """Its reader is told that this run has ended."""

    def told_end(self, run_id: str) -> bool:
        """Whether a reader of this gateway was told that this run has ended."""
        ...


@dataclass(slots=True)
class Start:
    """A run that is to be started: the body of a request, checked."""

    graph: str
    input: Any
    thread: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    context: Any = None
    stops_before: Any = None
    stops_after: Any = None
    strategy: str = "enqueue"
    durability: str | None = None
    #: how long after it was accepted it begins
    after_seconds: float = 0


class Service(Protocol):
    """Runs graphs, and keeps threads. Errors are those of `drumline_protocol.errors`."""

    #: compiled graphs by the names under which they are served, those that this process holds. Their state API works on
    #: the threads of this service
    graphs: Mapping[str, Any]
    #: what is accepted without effect
    ignored: frozenset[str]

    async def open(self) -> None:
        """Called once, on the event loop that serves."""
        ...

    async def aclose(self) -> None:
        """Called once, at the end."""
        ...

    async def names(self) -> Sequence[str]:
        """The graphs that are served."""
        ...

    async def trouble(self) -> str:
        """Why runs would not be served now; "" if they would be."""
        ...

    async def now_ms(self) -> float:
        """The time by which rows are stamped: Unix time in milliseconds. NoBroker."""
        ...

    # -- threads --------------------------------------------------------------------------------------

    async def make_thread(self, thread: str, metadata: Mapping[str, Any], *, refuse: bool) -> Row:
        """Make a thread. One that is there is left as it is; ThreadExists if `refuse`."""
        ...

    async def thread(self, thread: str) -> Row:
        """What is known of a thread. UnknownThread."""
        ...

    async def threads(
        self, status: str | None = None, metadata: Mapping[str, Any] | None = None, limit: int | None = None
    ) -> list[Row]:
        """Threads of that status whose metadata has these items, those that changed last first."""
        ...

    async def note(self, thread: str, metadata: Mapping[str, Any]) -> Row:
        """Add to the metadata of a thread. UnknownThread."""
        ...

    async def delete_thread(self, thread: str) -> None:
        """Nothing of a thread is kept, nor of its runs."""
        ...

    async def copy_thread(self, thread: str, to: str, metadata: Mapping[str, Any]) -> Row:
        """A new thread with the history of another one. UnknownThread."""
        ...

    async def prune(self, threads: Sequence[str], strategy: Literal["keep_latest", "delete"]) -> None:
        """Keep the newest checkpoint of each of these, or nothing. ThreadBusy."""
        ...

    async def keep(self, thread: str, rules: Retention) -> None:
        """A thread is kept by these rules from now on. UnknownThread."""
        ...

    async def rules(self, thread: str) -> Retention | None:
        """The rules that `keep` gave a thread; None: it has none of its own. UnknownThread."""
        ...

    async def update(self, graph: str, thread: str, config: dict[str, Any], steps: Sequence[Any]) -> dict[str, Any]:
        """Change the state of a thread by supersteps of `StateUpdate`s; the last checkpoint's config. ThreadBusy."""
        ...

    # -- runs -----------------------------------------------------------------------------------------

    async def start(self, start: Start) -> str:
        """Start a run; its id. ThreadBusy, UnknownGraph, InvalidRequest: it has not begun."""
        ...

    async def run(self, run_id: str, thread: str | None) -> Row:
        """What is known of a run. UnknownRun."""
        ...

    async def runs(self, thread: str, status: str | None = None, limit: int = 100, offset: int = 0) -> list[Row]:
        """Runs of a thread, the newest first."""
        ...

    def items(self, run_id: str, thread: str | None, wanted: Wanted) -> RunItems:
        """A reader of a run. UnknownRun, InvalidPosition, LogGap, ModeNotRecorded, while it is read."""
        ...

    async def result(self, run_id: str, thread: str | None) -> Any:
        """The output of a run, when it has ended. Raises what it raised."""
        ...

    async def cancel(self, run_id: str, thread: str | None, *, rollback: bool) -> None:
        """Ask for the end of a run. `rollback`: what it has added to its thread is taken back. UnknownRun."""
        ...

    async def delete_run(self, run_id: str, thread: str | None) -> None:
        """Nothing of a run is kept. UnknownRun."""
        ...

    async def overview(self, runs_max: int) -> Row:
        """How everything stands, for all callers alike: what `drumline.cli.survey.survey` tells, and of each run its
        `thread_id` (None: it is on none)."""
        ...

    # -- assistants that clients have made: opaque here, and never empty ------------------------------

    async def assistants(self) -> dict[str, bytes]:
        """All of them, by their ids."""
        ...

    async def assistant(self, assistant: str) -> bytes | None:
        """One of them; None: there is none of that id."""
        ...

    async def swap_assistant(self, assistant: str, was: bytes | None, data: bytes | None) -> bool:
        """Put `data` (None: nothing) in the place of `was` (None: nothing); False if something else is there.

        ValueError if there are too many.
        """
        ...

    def bell(self, thread: str) -> Bell:
        """What rings when a run may have begun on a thread, or the thread was made."""
        ...

    # -- the store ------------------------------------------------------------------------------------

    @property
    def store(self) -> Any:
        """The store that graphs get, with LangGraph's methods."""
        ...
