"""What type checkers take as the config and the options of a call: of a compiled graph, and of one on a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal

from typing_extensions import TypedDict

from drumline_graph.builder import ContextT

if TYPE_CHECKING:
    from drumline_graph.types import All, Durability, StreamMode
    from drumline_protocol.threads import Strategy


OtherMode = Literal["updates", "checkpoints", "tasks", "debug", "messages", "custom", "tools"]
"""The stream modes but `values`, which is what `invoke` returns the last of."""

OnClose = Literal["cancel", "continue"]
"""What closing a cluster's stream early does to its run."""


class RunConfig(TypedDict, total=False):
    """The config of a run: LangChain's `RunnableConfig`, by its keys."""

    tags: list[str]
    metadata: dict[str, Any]
    callbacks: Any
    run_name: str
    max_concurrency: int | None
    recursion_limit: int
    configurable: dict[str, Any]
    run_id: Any


class Options(TypedDict, total=False):
    """Options of `stream` and `invoke` that their result's type does not hang on."""

    print_mode: StreamMode | Sequence[StreamMode]
    output_keys: str | Sequence[str] | None
    interrupt_before: All | Sequence[str] | None
    interrupt_after: All | Sequence[str] | None
    durability: Durability | None
    control: Any
    subgraphs: bool
    debug: bool | None


class ClusterOptions(Options, total=False):
    """The same on a cluster."""

    on_close: OnClose
    multitask_strategy: Strategy | None


class BatchOptions(Options, Generic[ContextT], total=False):
    """Options of `batch`: those of each `invoke`."""

    context: ContextT | None
    stream_mode: StreamMode | Sequence[StreamMode]
    version: Literal["v1", "v2"]
