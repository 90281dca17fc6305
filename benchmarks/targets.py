"""The targets P1-P9 of the project's performance page, as ratios between contenders of one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks import w1_cpu
from benchmarks import w1_linear as w1
from benchmarks import w2_fan_out as w2
from benchmarks import w3_many_runs as w3
from benchmarks import w4_events as w4
from benchmarks import w5_chat as w5
from benchmarks import w6_tokens as w6
from benchmarks import w8_takeover as w8
from benchmarks.harness import Measured

#: median of a contender's metric: (table, contender, metric) -> figure or None
Look = Callable[[str, str, str], float | None]


@dataclass(slots=True)
class Target:
    """`value` is computed from medians; `now` is to be reached now, `full` in the end (None: a figure to watch)."""

    key: str
    what: str
    unit: str
    value: Callable[[Look], float | None]
    full: float | None
    now: float | None = None
    more_is_better: bool = True

    def met(self, value: float, bound: float) -> bool:
        """Whether `value` is at least as good as `bound`."""
        return value >= bound if self.more_is_better else value <= bound


@dataclass(slots=True)
class Verdict:
    """A target and what was measured for it."""

    target: Target
    value: float


def judge(measured: Mapping[str, Measured]) -> list[Verdict]:
    """The targets for which this run has figures."""

    def look(table: str, contender: str, metric: str) -> float | None:
        found = measured.get(table)
        result = found.results.get(contender) if found is not None else None
        return result.median(metric) if result is not None else None

    values = [(target, target.value(look)) for target in TARGETS]
    return [Verdict(target, value) for target, value in values if value is not None]


def _of(table: str, contender: str, metric: str) -> Callable[[Look], float | None]:
    return lambda look: look(table, contender, metric)


def _ratio(table: str, metric: str, over: str, under: str) -> Callable[[Look], float | None]:
    def value(look: Look) -> float | None:
        top, bottom = look(table, over, metric), look(table, under, metric)
        return top / bottom if top is not None and bottom else None

    return value


def _more(table: str, metric: str, over: str, under: str) -> Callable[[Look], float | None]:
    def value(look: Look) -> float | None:
        top, bottom = look(table, over, metric), look(table, under, metric)
        return top - bottom if top is not None and bottom is not None else None

    return value


_EMBEDDED, _AEMBEDDED = "drumline embedded, sync", "drumline embedded, async"
_CLUSTER, _ACLUSTER = "drumline on a cluster, sync", "drumline on a cluster, async"
_LANGGRAPH, _ALANGGRAPH = "LangGraph, sync", "LangGraph, async"
_SAVER, _ASAVER = "LangGraph + InMemorySaver, sync", "LangGraph + InMemorySaver, async"
_ADAPTED = "LangGraph's graph on a cluster, sync"
_TWO = "drumline on a cluster, 2 workers"
_BARE, _BARE_PATH = "bare Redis loop, redis-py sync", "bare two-hop path, redis-py"
_CARRIED = _more("w6", w6.US, _ADAPTED, _LANGGRAPH)


def _times_longer(metric: str) -> Callable[[Look], float | None]:
    """How much more of it a long run takes than a short one."""

    def value(look: Look) -> float | None:
        short, long = (look("w8", w8.name_of(steps), metric) for steps in w8.CASES)
        return long / short if long is not None and short else None

    return value


def _of_talk(talk: w5.Talk) -> list[Target]:
    """P7 for one kind of talk on a cluster, and how its time grows there and embedded."""
    kinds = [
        ("bytes written to Redis / final state", w5.SENT, 5.0),
        ("bytes stored / final state", w5.STORED, 3.0),
        ("bytes read by the worker / final state", w5.WORKER_READ, 3.0),
        (talk.growth, talk.growth, 2.2),
    ]
    rows = [(f"{talk.name}: {what}, cluster", _CLUSTER, metric, bound) for what, metric, bound in kinds]
    rows.append((f"{talk.name}: {talk.growth}, embedded", _EMBEDDED, talk.growth, 2.2))
    return [
        Target("P7", what, "x", _of(talk.key, who, metric), bound, None, False) for what, who, metric, bound in rows
    ]


TARGETS = [
    Target("P1", "W1: LangGraph / embedded, sync", "x", _ratio("w1", w1.US, _LANGGRAPH, _EMBEDDED), 4, 2),
    Target("P1", "W1: LangGraph / embedded, async", "x", _ratio("w1", w1.US, _ALANGGRAPH, _AEMBEDDED), 4),
    Target(
        "P2", "W1: cluster / LangGraph + InMemorySaver, sync", "x", _ratio("w1", w1.US, _CLUSTER, _SAVER), 1, 2, False
    ),
    Target(
        "P2",
        "W1: cluster / LangGraph + InMemorySaver, async",
        "x",
        _ratio("w1", w1.US, _ACLUSTER, _ASAVER),
        1,
        2,
        False,
    ),
    Target("P1", "W1 by CPU: LangGraph / embedded, sync", "x", _ratio("w1cpu", w1_cpu.ALL, _LANGGRAPH, _EMBEDDED), 4),
    Target("P2", "W1: cluster / bare Redis loop, sync", "x", _ratio("w1", w1.US, _CLUSTER, _BARE), 1, None, False),
    *(
        Target(
            "P2", f"W1 by CPU: {name.removesuffix(' us')}, sync", " us", _of("w1cpu", _CLUSTER, name), us, None, False
        )
        for name, us in w1_cpu.BOUNDS.items()
    ),
    Target(
        "P2", "W1 by CPU: cluster / LangGraph + InMemorySaver", "x", _ratio("w1cpu", w1_cpu.ALL, _CLUSTER, _SAVER), None
    ),
    Target("P3", "W2: LangGraph / embedded, sync", "x", _ratio("w2", w2.MS, _LANGGRAPH, _EMBEDDED), 4),
    Target("P3", "W2: cluster with 2 workers", " tasks/s", _of("w2", _TWO + ", sync", w2.RATE), 10_000),
    Target(
        "P4", "W3: cluster with 2 workers / LangGraph + InMemorySaver", "x", _ratio("w3", w3.RATE, _TWO, _ASAVER), 2
    ),
    Target("P5", f"W4: cluster, {w4.LONG:,} events", " events/s", _of("w4", _CLUSTER, w4.LONG_RATE), 150_000, 50_000),
    Target("P5", f"W4: cluster, {w4.SHORT:,} events", " events/s", _of("w4", _CLUSTER, w4.SHORT_RATE), 150_000, 50_000),
    Target(
        "P5",
        f"W4: embedded / LangGraph, {w4.SHORT:,} events",
        "x",
        _ratio("w4", w4.SHORT_RATE, _EMBEDDED, _LANGGRAPH),
        1,
    ),
    Target(
        "P6",
        "W4 paced: cluster / bare two-hop path, p50",
        "x",
        _ratio("w4 paced", w4.P50, _ACLUSTER, _BARE_PATH),
        1,
        None,
        False,
    ),
    Target("P6", "W4 paced: cluster, p99", " ms", _of("w4 paced", _ACLUSTER, w4.P99), 3, None, False),
    *(target for talk in (w5.CHAT, w5.MESSAGES, w5.AGENT) for target in _of_talk(talk)),
    Target("", "W8: kill to next fact, 5,000 steps / 50", "x", _times_longer(w8.BOTH_MS), 1.1, None, False),
    Target("", "W8: lease to next fact, 5,000 steps / 50", "x", _times_longer(w8.FACT_MS), None),
    Target("", "W8: read by the new owner, 5,000 steps / 50", "x", _times_longer(w8.OWNER_KB), None),
    Target("", "W8: late result, 5,000 steps / 50", "x", _times_longer(w8.JOIN_MS), None),
    Target("", "W8: late stream, 5,000 steps / 50", "x", _times_longer(w8.STREAM_MS), None),
    Target("", "W6: embedded - LangGraph, sync", " us/token", _more("w6", w6.US, _EMBEDDED, _LANGGRAPH), None),
    Target("", "W6: cluster - LangGraph, sync", " us/token", _more("w6", w6.US, _CLUSTER, _LANGGRAPH), None),
    Target("", "W6: LangGraph's graph on a cluster - LangGraph", " us/token", _CARRIED, None),
    Target("", "W6: cluster, tokens", " tokens/s", _of("w6", _CLUSTER, w6.RATE), None),
    Target(
        "",
        "W6 paced: cluster / bare two-hop path, p50",
        "x",
        _ratio("w6 paced", w4.P50, _ACLUSTER, _BARE_PATH),
        None,
    ),
    Target("P9", "import drumline", " ms", _of("imports", "import drumline", "ms"), 150, None, False),
    Target(
        "P9",
        "broker, coordinator, worker ready",
        " ms",
        _of("imports", "broker, coordinator and worker started and ready", "ms"),
        2000,
        None,
        False,
    ),
]
