"""The functional API as a graph: an entrypoint is a program with one node, a `@task` that it calls a node beside it.

The node of an entrypoint is triggered by the input itself, so it runs in superstep 0. What it returns goes to two
channels: the output, and what the next run on the thread gets as `previous`. Calls of `@task`s become tasks of the same
superstep, which write to the channel RETURN alone: no graph has that, so the state does not change by them.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from drumline_graph.call_arguments import named_by_signature, params_of, signature_of
from drumline_graph.callables import injected_parameters, is_async_callable
from drumline_graph.channels import EphemeralValue, LastValue
from drumline_graph.compile import checked_cache, checked_store
from drumline_graph.constants import DEFAULT_NAME, END, PREVIOUS, PULL, PUSH, RETURN, START, TAG_HIDDEN
from drumline_graph.control import TimeoutPolicy
from drumline_graph.node_code import graph_called_by
from drumline_graph.node_policies import check_timeout
from drumline_graph.program import Node, Program
from drumline_graph.superstep import PUSH_TRIGGERS, path_key_of

R = TypeVar("R")
S = TypeVar("S")


@dataclass
class Final(Generic[R, S]):
    """What an entrypoint returns where its caller is to get something else than its next run: `value`, and `save`."""

    value: R
    save: S


@dataclass(slots=True, frozen=True)
class CallPolicies:
    """How failures of an entrypoint, or of calls of a `@task`, are met, and where their results are cached."""

    retry: tuple[Any, ...] = ()
    timeout: TimeoutPolicy | None = None
    cache: Any = None


_NO_POLICIES = CallPolicies()


class _Code:
    """A function as the action of a node that makes its writes itself."""

    def __init__(self, function: Callable[..., Any], wants: tuple[str, ...]) -> None:
        self.function = function
        #: for who looks up what a node's code names (`node_code`)
        self.user_code = (function,)
        self._wants = wants

    def _injected(self, context: Any, given: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _INJECTED[name](context) for name in self._wants if name not in given}


class EntryCode(_Code):
    """The body of an entrypoint."""

    def run(self, context: Any) -> list[tuple[str, Any]]:
        """Call it with the input; its writes."""
        return _entry_writes(context, self.function(context.job.input, **self._injected(context, {})))

    async def arun(self, context: Any) -> list[tuple[str, Any]]:
        """The twin of `run`."""
        return _entry_writes(context, await self.function(context.job.input, **self._injected(context, {})))


class TaskCode(_Code):
    """The body of a `@task`: its input are the arguments of a call, by position and by name."""

    def run(self, context: Any) -> list[tuple[str, Any]]:
        """Call it; its writes."""
        args, kwargs = context.job.input
        return _task_writes(context, self.function(*args, **kwargs, **self._injected(context, kwargs)))

    async def arun(self, context: Any) -> list[tuple[str, Any]]:
        """The twin of `run`."""
        args, kwargs = context.job.input
        return _task_writes(context, await self.function(*args, **kwargs, **self._injected(context, kwargs)))

    def named(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a call by the names of their parameters, as tracers show them."""
        return named_by_signature(self._signature, args, kwargs)

    def params_of(self, args: Sequence[Any]) -> tuple[str, ...]:
        """Which parameters these arguments by position fill, for a process that has not the function."""
        return params_of(self._signature, args)

    @cached_property
    def _signature(self) -> inspect.Signature | None:
        return signature_of(self.function)


_INJECTED: dict[str, Callable[[Any], Any]] = {
    "config": lambda context: context.config,
    "writer": lambda context: context.writer,
    "runtime": lambda context: context.runtime,
    "store": lambda context: context.runtime.store,
    "previous": lambda context: context.runtime.previous,
}


def _entry_writes(context: Any, result: Any) -> list[tuple[str, Any]]:
    context.show_returned(result)
    return entry_writes(result)


def entry_writes(result: Any) -> list[tuple[str, Any]]:
    """What an entrypoint that returned `result` writes."""
    is_final = isinstance(result, Final)
    return [(END, result.value if is_final else result), (PREVIOUS, result.save if is_final else result)]


def _task_writes(context: Any, result: Any) -> list[tuple[str, Any]]:
    context.show_returned(result)
    return [(RETURN, result)]


def entry_program(
    function: Any,
    *,
    context_schema: Any = None,
    store: Any = None,
    cache: Any = None,
    policies: CallPolicies | None = None,
    persists: bool | None = None,
    version: str | None = None,
) -> Program:
    """The `Program` of an entrypoint.

    Raises NotImplementedError for a generator, ValueError for a function without parameters or a sync one with a time
    limit, TypeError for a `store` or `cache` that is none.
    """
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise NotImplementedError("Generators are not supported in the Functional API: write to a stream writer.")
    name: str = function.__name__
    takes, returns, saves = _types_of(function)
    is_async = is_async_callable(function)
    policies = policies or _NO_POLICIES
    check_timeout(f"Entrypoint {name!r}", is_async, policies.timeout)
    path = (PULL, name)
    node = Node(
        name=name,
        action=EntryCode(function, injected_parameters(function)),
        triggers=(START,),
        input_keys=START,
        router_keys=(PREVIOUS,),
        has_sync=not is_async,
        has_async=is_async,
        makes_writes=True,
        path=path,
        path_key=path_key_of(path),
        called=graph_called_by(function),
        retry=policies.retry,
        timeout=policies.timeout,
        cache=policies.cache,
    )
    start_path = (PULL, START)
    return Program(
        name=DEFAULT_NAME,
        nodes={name: node},
        start=Node(START, None, None, (START,), START, path=start_path, path_key=path_key_of(start_path), tags=_HIDDEN),
        channels={START: EphemeralValue(takes), END: LastValue(returns), PREVIOUS: LastValue(saves)},
        managed={},
        input_keys=START,
        output_keys=END,
        stream_keys=END,
        trigger_to_nodes={START: (name,)},
        state_schema=returns,
        input_schema=takes,
        output_schema=returns,
        context_schema=context_schema,
        input_reader=lambda value: [(START, value)],
        version=version,
        store=checked_store(store),
        cache=checked_cache(cache),
        persists=persists,
        code=(function,),
    )


_HIDDEN = (TAG_HIDDEN,)


def begins_at_once(program: Program) -> bool:
    """Whether the input itself triggers nodes of a graph, without a hidden START before them."""
    return START in program.trigger_to_nodes


def is_call(path: Any) -> bool:
    """Whether a task's path is that of a call of a `@task`."""
    return len(path) == 4 and path[0] == PUSH and path[-1] is True


def call_node(name: str, function: Any, policies: CallPolicies) -> Node:
    """The node that calls of a `@task` run as. ValueError for a sync function with a time limit."""
    is_async = is_async_callable(function)
    check_timeout(f"Task {name!r}", is_async, policies.timeout)
    return Node(
        name=name,
        action=TaskCode(function, injected_parameters(function, all_of_them=True)),
        triggers=PUSH_TRIGGERS,
        router_keys=(PREVIOUS,),
        has_sync=not is_async,
        has_async=is_async,
        makes_writes=True,
        retry=policies.retry,
        timeout=policies.timeout,
        cache=policies.cache,
    )


def node_of_call(program: Program, node: Node) -> Node:
    """The node that a call runs as: retries and cache of an entrypoint hold for calls that have none of their own."""
    if not begins_at_once(program):
        return node
    (entry,) = program.nodes.values()
    retry, cache = node.retry or entry.retry, node.cache or entry.cache
    if retry is node.retry and cache is node.cache:
        return node
    return replace(node, retry=retry, cache=cache)


_exist = False


def note_task() -> None:
    """A `@task` was made in this process: any node may call it."""
    global _exist
    _exist = True


def tasks_exist() -> bool:
    """Whether a node may call a `@task`, so that it must not run on the thread that would run the task."""
    return _exist


def name_of_task(function: Any, name: str | None = None) -> str:
    """The name of a `@task`: as given, else that of the function, of what a partial calls, or of a class."""
    if name is not None:
        return name
    inner = function.func if isinstance(function, functools.partial) else function
    return str(getattr(inner, "__name__", None) or type(inner).__name__)


def _types_of(function: Any) -> tuple[Any, Any, Any]:
    """What an entrypoint takes, what it returns, and what it saves."""
    signature = inspect.signature(function)
    first = next(iter(signature.parameters.values()), None)
    if first is None:
        raise ValueError("Entrypoint function must have at least one parameter: its input.")
    try:
        hints = get_type_hints(function)
    except Exception:  # a name that is known only while types are checked
        hints = {}
    takes = hints.get(first.name, Any)
    returns = hints.get("return", Any)
    if returns is Final:
        return takes, Any, Any
    if get_origin(returns) is not Final:
        return takes, returns, returns
    value, save = get_args(returns)
    return takes, value, save
