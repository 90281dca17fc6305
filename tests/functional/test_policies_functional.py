"""Policies of entrypoints and `@task`s: what is tried again, cached and limited in time is what LangGraph's is."""

import asyncio
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.differential.engines import DRUMLINE, DRUMLINE_STRICT, LANGGRAPH
from tests.differential.harness import ASYNC_ORACLE
from tests.functional.test_rules_functional import answers, kept
from tests.threads.traces import atrace, trace

from drumline.cache.memory import InMemoryCache
from drumline.checkpoint.memory import InMemorySaver
from drumline.func import entrypoint, task
from drumline.types import CachePolicy, Command, RetryPolicy, interrupt

#: builds an entrypoint, says what its thread is given, and what is to be equal beside the streams
Case = Callable[[Any], tuple[Any, list[Any], list[Any]]]

#: LangGraph wakes the caller of a task before it tells of the result: a slow thread changes the order of its stream,
#: which is ours nearly always
ORACLE_RUNS_MAX = 10


def soon(e: Any, **options: Any) -> Any:
    return e.RetryPolicy(initial_interval=0.001, jitter=False, retry_on=ConnectionError, **options)


def failing(e: Any, log: list[Any], times: int, **policies: Any) -> Any:
    @e.task(**policies)
    def flaky(x: int) -> int:
        log.append(("flaky", x, e.get_runtime().execution_info.node_attempt))
        if len(log) <= times:
            raise ConnectionError(f"no {len(log)}")
        return x + 1

    return flaky


# -- what is tried again ---------------------------------------------------------------------------


def a_task_is_tried_again(e: Any) -> tuple[Any, list[Any], list[Any]]:
    log: list[Any] = []
    flaky = failing(e, log, 2, retry_policy=soon(e))

    @kept(e)
    def entry(x: int) -> int:
        return flaky(x).result()

    return entry, [1], log


def a_task_fails_for_good(e: Any) -> tuple[Any, list[Any], list[Any]]:
    log: list[Any] = []
    flaky = failing(e, log, 9, retry_policy=[soon(e, max_attempts=2)])

    @kept(e)
    def entry(x: int) -> Any:
        try:
            return flaky(x).result()
        except ConnectionError as error:
            return str(error)

    return entry, [1], log


def tasks_have_the_policy_of_their_entrypoint(e: Any) -> tuple[Any, list[Any], list[Any]]:
    log: list[Any] = []
    plain, own = failing(e, log, 1), failing(e, log, 0, retry_policy=soon(e))

    @kept(e, retry_policy=soon(e))
    def entry(x: int) -> int:
        return own(plain(x).result()).result()

    return entry, [1], log


def an_entrypoint_is_tried_again(e: Any) -> tuple[Any, list[Any], list[Any]]:
    log: list[Any] = []
    good = failing(e, [], 0)

    @kept(e, retry_policy=soon(e))
    def entry(x: int) -> Any:
        log.append(x)
        found = good(x).result()
        if len(log) < 3:
            raise ConnectionError
        return found, e.interrupt("and?")

    return entry, [1, *answers(e, "so")], log


def of_several_nodes_too(e: Any) -> tuple[Any, list[Any], list[Any]]:
    log: list[Any] = []
    flaky = failing(e, log, 1, retry_policy=soon(e))

    @kept(e, retry_policy=soon(e))
    def entry(x: int) -> Any:
        log.append("entry")
        found = flaky(x).result()
        if len(log) < 5:
            raise ConnectionError
        return found

    return entry, [1], log


# -- what is cached --------------------------------------------------------------------------------


def a_task_is_cached(e: Any) -> tuple[Any, list[Any], list[Any]]:
    log: list[Any] = []

    @e.task(cache_policy=e.CachePolicy())
    def add(a: int, b: int = 0) -> int:
        log.append((a, b))
        return a + b

    @kept(e, cache=e.InMemoryCache())
    def entry(x: int) -> Any:
        return [add(x).result(), add(x, b=1).result()]

    return entry, [1, 1, 2], log


def keys_are_made_of_the_arguments(e: Any) -> tuple[Any, list[Any], list[Any]]:
    log: list[Any] = []

    def key(*args: Any, **kwargs: Any) -> str:
        log.append(("key", args, kwargs))
        return str(args[0] % 2)

    @e.task(cache_policy=e.CachePolicy(key_func=key))
    def add(a: int, b: int = 0) -> int:
        log.append((a, b))
        return a + b

    @kept(e, cache=e.InMemoryCache())
    def entry(x: int) -> Any:
        return [add(x).result(), add(x + 1, b=1).result()]

    return entry, [1, 3], log


def an_entrypoint_is_cached_with_its_tasks(e: Any) -> tuple[Any, list[Any], list[Any]]:
    log: list[Any] = []

    @e.task
    def add(a: int) -> int:
        log.append("add")
        return a + 1

    @kept(e, cache=e.InMemoryCache(), cache_policy=e.CachePolicy())
    def entry(x: int) -> Any:
        log.append("entry")
        return add(x // 2).result()

    return entry, [2, 2, 3], log


CASES: list[Case] = [
    a_task_is_tried_again,
    a_task_fails_for_good,
    tasks_have_the_policy_of_their_entrypoint,
    an_entrypoint_is_tried_again,
    of_several_nodes_too,
    a_task_is_cached,
    keys_are_made_of_the_arguments,
    an_entrypoint_is_cached_with_its_tasks,
]


@pytest.mark.parametrize("engine", [DRUMLINE, DRUMLINE_STRICT], ids=["drumline", "strict"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_policies_are_equal(case: Case, engine: Any) -> None:
    graph, inputs, log = case(engine)
    ours = trace(graph, inputs, subgraphs=True), log
    for _ in range(ORACLE_RUNS_MAX):
        graph, inputs, log = case(LANGGRAPH)
        theirs = trace(graph, inputs, subgraphs=True), log
        if theirs == ours:
            return
    assert ours == theirs


# -- async, with time limits -----------------------------------------------------------------------


def a_task_is_limited_in_time(e: Any) -> tuple[Any, list[Any], list[Any]]:
    log: list[Any] = []

    @e.task(timeout=0.02)
    async def slow(x: int) -> int:
        log.append(x)
        await asyncio.Event().wait()
        return x

    @kept(e)
    async def entry(x: int) -> Any:
        try:
            return await slow(x)
        except e.NodeTimeoutError as error:
            return error.node, error.kind

    return entry, [1], log


def an_entrypoint_is_limited_in_time(e: Any) -> tuple[Any, list[Any], list[Any]]:
    log: list[Any] = []

    @e.task
    async def add(a: int) -> int:
        log.append(a)
        return a + 1

    @kept(e, timeout=e.TimeoutPolicy(run_timeout=0.2))
    async def entry(x: int) -> Any:
        found = await add(x)
        if len(log) < 2:
            await asyncio.Event().wait()
        return found

    return entry, [1, None], log


@pytest.mark.skipif(not ASYNC_ORACLE, reason="LangGraph's async runs are no oracle on this Python")
@pytest.mark.parametrize("engine", [DRUMLINE, DRUMLINE_STRICT], ids=["drumline", "strict"])
@pytest.mark.parametrize("case", [a_task_is_limited_in_time, an_entrypoint_is_limited_in_time])
def test_time_limits_are_equal(case: Case, engine: Any) -> None:
    graph, inputs, log = case(LANGGRAPH)
    theirs = timeless(asyncio.run(atrace(graph, inputs))), log
    graph, inputs, log = case(engine)
    assert (timeless(asyncio.run(atrace(graph, inputs))), log) == theirs


def timeless(streamed: list[str]) -> list[str]:
    return [re.sub(r"(NodeTimeoutError)\([^)]*\)[^)]*\)", r"\1", line) for line in streamed]


def test_calls_are_signs_of_life() -> None:
    """The limit of silence is far longer than one call takes, and far shorter than all of them."""
    called = []

    @task
    async def step(x: int) -> None:
        await asyncio.sleep(0.05)
        called.append(x)

    @entrypoint(timeout=DRUMLINE.TimeoutPolicy(idle_timeout=0.5))
    async def entry(times: int) -> str:
        for each in range(times):
            await step(each)
        return "done"

    assert asyncio.run(entry.ainvoke(20)) == "done"
    assert called == list(range(20))


@pytest.mark.parametrize("e", [LANGGRAPH, DRUMLINE], ids=["langgraph", "drumline"])
def test_sync_code_has_no_time_limit(e: Any) -> None:
    with pytest.raises(ValueError, match=r"'entry'.* is sync"):

        @e.entrypoint(timeout=1)
        def entry(x: int) -> int:
            return x

    with pytest.raises(ValueError, match=r"'step'.* is sync"):

        @e.task(timeout=1)
        def step() -> None: ...


# -- where it is more than LangGraph's -------------------------------------------------------------


def test_a_thread_goes_on_with_the_last_try() -> None:
    """The try that asked had calls of its own; at resume LangGraph gives the entrypoint those of the first one."""
    tries: list[int] = []
    ran: list[Any] = []

    @task
    def look(what: str) -> str:
        ran.append(what)
        return f"{what} {len(ran)}"

    @entrypoint(checkpointer=InMemorySaver(), retry_policy=RetryPolicy(initial_interval=0, retry_on=ConnectionError))
    def entry(_: Any) -> Any:
        tries.append(1)
        first = look("first").result()
        if len(tries) < 3:
            raise ConnectionError
        return first, look("second").result(), interrupt("and?")

    config: Any = {"configurable": {"thread_id": "1"}}
    entry.invoke("x", config)
    assert ran == ["first", "first", "first", "second"]
    assert entry.invoke(Command(resume="so"), config) == ("first 3", "second 4", "so")
    assert ran == ["first", "first", "first", "second"]


def test_a_task_forgets_what_is_cached() -> None:
    ran: list[int] = []

    @task(cache_policy=CachePolicy())
    def add(x: int) -> int:
        ran.append(x)
        return x + 1

    cache = InMemoryCache()

    @entrypoint(cache=cache)
    def entry(x: int) -> int:
        return add(x).result()

    assert [entry.invoke(1), entry.invoke(1)] == [2, 2]
    assert ran == [1]
    add.clear_cache(cache)
    assert entry.invoke(1) == 2
    assert ran == [1, 1]
    asyncio.run(add.aclear_cache(cache))
    assert entry.invoke(1) == 2
    assert ran == [1, 1, 1]
    entry.clear_cache()  # that of the entrypoint's own results
    assert entry.invoke(1) == 2
    assert ran == [1, 1, 1]


def test_callers_that_wait_for_their_next_try_hold_no_place() -> None:
    """`max_concurrency` counts neither a caller that waits for its calls nor one that waits to be tried again."""
    tries: list[str] = []

    @task(retry_policy=RetryPolicy(initial_interval=0.001, retry_on=ConnectionError))
    def inner(name: str) -> str:
        tries.append(name)
        if tries.count(name) < 3:
            raise ConnectionError
        return name

    @task(retry_policy=RetryPolicy(initial_interval=0.001, retry_on=KeyError))
    def outer(name: str) -> str:
        found = inner(name).result()
        if tries.count(name) < 5:
            raise KeyError(name)
        return found

    @entrypoint()
    def entry(_: Any) -> Any:
        return [future.result() for future in [outer("a"), outer("b")]]

    assert entry.invoke("x", {"max_concurrency": 1}) == ["a", "b"]


def test_a_caller_fails_while_its_calls_run() -> None:
    """It waits for nobody then, and what its next try calls runs beside them."""
    tries: list[int] = []
    released = threading.Event()

    @task
    def slow(number: int) -> int:
        assert released.wait(20)
        return number

    @entrypoint(retry_policy=RetryPolicy(initial_interval=0.001, retry_on=ConnectionError))
    def entry(_: Any) -> Any:
        tries.append(1)
        future = slow(len(tries))
        if len(tries) == 1:
            raise ConnectionError
        released.set()
        return future.result()

    assert entry.invoke("x", {"max_concurrency": 2}) == 2
