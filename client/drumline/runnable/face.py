"""What makes a graph a Runnable of LangChain's: it is taken for one, and has the methods of one.

A graph is no subclass, because langchain-core is imported late or never. Two things take the place of that. Whoever
asks `isinstance(graph, Runnable)` reads the graph's `__class__`, and that registers its class as a virtual subclass.
What the graph does not define itself it borrows from `Runnable`, whose methods only need `invoke`, `stream` and their
twins.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from drumline.call_config import merge_configs
from drumline_graph.loaded import loaded

if TYPE_CHECKING:
    from typing_extensions import Self

#: what of `Runnable` may be asked for before anybody has imported langchain-core: asking imports it
BORROWED = frozenset(
    {
        *("abatch_as_completed", "as_tool", "assign", "astream_events", "astream_log", "atransform"),
        *("batch_as_completed", "bind", "config_schema", "config_specs", "get_config_jsonschema", "get_prompts"),
        *("input_schema", "map", "output_schema", "pick", "pipe", "stream_events", "transform", "with_alisteners"),
        *("with_fallbacks", "with_listeners", "with_retry", "with_types"),
    }
)

_registered: set[type] = set()


class RunnableFace:
    """A graph as a Runnable. `name` and the calls (`invoke`, `ainvoke`, `stream`, `astream`, `batch`, `abatch`) are the
    graph's own.
    """

    name: Any
    #: what `with_config` bound: every call starts from it
    config: dict[str, Any]

    if TYPE_CHECKING:

        def get_graph(self, config: Mapping[str, Any] | None = None, *, xray: int | bool = False) -> Any: ...

        abatch_as_completed: Callable[..., Any]
        as_tool: Callable[..., Any]
        assign: Callable[..., Any]
        astream_events: Callable[..., Any]
        astream_log: Callable[..., Any]
        atransform: Callable[..., Any]
        batch_as_completed: Callable[..., Any]
        bind: Callable[..., Any]
        config_schema: Callable[..., Any]
        config_specs: Any
        get_config_jsonschema: Callable[..., Any]
        get_prompts: Callable[..., Any]
        input_schema: Any
        map: Callable[..., Any]
        output_schema: Any
        pick: Callable[..., Any]
        pipe: Callable[..., Any]
        stream_events: Callable[..., Any]
        transform: Callable[..., Any]
        with_alisteners: Callable[..., Any]
        with_fallbacks: Callable[..., Any]
        with_listeners: Callable[..., Any]
        with_retry: Callable[..., Any]
        with_types: Callable[..., Any]
    else:

        @property
        def __class__(self) -> type:
            """The class, known as a Runnable from now on if langchain-core is there."""
            cls = type(self)
            if cls not in _registered:
                _register(cls)
            return cls

        def __getattr__(self, name: str) -> Any:
            found = _borrowed(name)
            if found is None:
                missing = ": it is LangChain's (pip install 'drumline[langchain]')" if name in BORROWED else ""
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{missing}")
            return found.__get__(self, type(self))

    def __or__(self, other: Any) -> Any:
        """`graph | next`: LangChain's sequence of the two. Needs langchain-core imported."""
        runnable = _runnable()
        return NotImplemented if runnable is None else runnable.__or__(self, other)

    def __ror__(self, other: Any) -> Any:
        """`previous | graph`."""
        runnable = _runnable()
        return NotImplemented if runnable is None else runnable.__ror__(self, other)

    def with_config(self, config: Mapping[str, Any] | None = None, **kwargs: Any) -> Self:
        """A copy whose runs start from this config (tags are joined, metadata and configurable merged)."""
        copied = copy.copy(self)
        copied.config = merge_configs(self.config, config, kwargs)
        return copied

    async def aget_graph(self, config: Mapping[str, Any] | None = None, *, xray: int | bool = False) -> Any:
        """The twin of `get_graph`."""
        return self.get_graph(config, xray=xray)

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """The same as `.name`; with a suffix, as LangChain names schemas: `graph_input`, `GraphInput`."""
        own = str(name or self.name)
        if not suffix:
            return own
        return own + suffix.title() if own[:1].isupper() else f"{own}_{suffix.lower()}"


def _runnable() -> Any:
    """LangChain's `Runnable`, if somebody has imported it."""
    module = loaded("langchain_core.runnables.base")
    return None if module is None else module.Runnable


def _register(cls: type) -> None:
    runnable = _runnable()
    if runnable is not None:
        _registered.add(cls)
        runnable.register(cls)


def _borrowed(name: str) -> Any:
    """The function or property of `Runnable` under that name; None if there is none."""
    if name.startswith("__"):
        return None
    runnable = _runnable()
    if runnable is None:
        if name not in BORROWED:
            return None
        try:
            from langchain_core.runnables.base import Runnable as runnable
        except ImportError:
            return None
    return vars(runnable).get(name)
