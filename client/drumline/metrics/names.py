"""Every number that drumline tells Prometheus. The table of docs/operations.md is compared with this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from drumline_worker.metering import OUTCOMES

Kind = Literal["counter", "gauge", "histogram"]
#: the process that tells it
Role = Literal["coordinator", "worker", "exporter", "gateway"]

#: how a run ends
STATUSES = ("done", "failed", "cancelled", "paused")
#: whether somebody holds a partition; the server of one that is `away` does not answer
OWNER_STATES = ("held", "unowned", "away")
TAKEOVERS = ("task", "partition")

#: upper bounds in seconds: of what takes moments, and of what takes as long as people wait
SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
LONG = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)


@dataclass(frozen=True)
class Family:
    """One name: who tells it, what it counts, and by which labels. `buckets`: of a histogram."""

    name: str
    kind: Kind
    by: Role
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


#: label -> all its values, where these are known before anything happens: they are there from the start, as 0
KNOWN: dict[str, tuple[str, ...]] = {"status": STATUSES, "outcome": OUTCOMES, "kind": TAKEOVERS}

FAMILIES = (
    # -- coordinators
    Family("drumline_runs_started_total", "counter", "coordinator", "runs that were accepted", ("graph",)),
    Family("drumline_runs_ended_total", "counter", "coordinator", "runs that ended, by how", ("graph", "status")),
    Family("drumline_run_duration_seconds", "histogram", "coordinator", "from start to end of a run", ("graph",), LONG),
    Family("drumline_interrupts_total", "counter", "coordinator", "tasks that asked the caller", ("graph",)),
    Family("drumline_tasks_parked_total", "counter", "coordinator", "tasks that no worker could run", ("graph",)),
    Family("drumline_attempts_retracted_total", "counter", "coordinator", "attempts that are void", ("graph",)),
    Family(
        "drumline_takeovers_total",
        "counter",
        "coordinator",
        "tasks whose worker died; partitions that came from another owner, handed over or not",
        ("kind",),
    ),
    Family(
        "drumline_inbox_wait_seconds",
        "histogram",
        "coordinator",
        "from the moment at which the oldest entry of a batch came into the inbox until its commit was sent",
        buckets=SHORT,
    ),
    Family("drumline_log_bytes_total", "counter", "coordinator", "bytes of facts written into logs of runs"),
    # -- workers
    Family(
        "drumline_tasks_total",
        "counter",
        "worker",
        "attempts of tasks that ended here, by how",
        ("graph", "node", "pool", "outcome"),
    ),
    Family("drumline_task_duration_seconds", "histogram", "worker", "how long attempts ran", ("pool",), LONG),
    Family(
        "drumline_task_wait_seconds",
        "histogram",
        "worker",
        "from the moment at which a task was sent until it began here",
        ("pool",),
        LONG,
    ),
    # -- the exporter
    Family("drumline_broker_up", "gauge", "exporter", "1: the broker answers; 0: nothing else is told"),
    Family("drumline_partitions", "gauge", "exporter", "partitions, by whether they have an owner", ("owner_state",)),
    Family("drumline_coordinators", "gauge", "exporter", "coordinators that were heard of lately"),
    Family("drumline_workers", "gauge", "exporter", "workers that were heard of lately", ("pool",)),
    Family("drumline_pool_slots", "gauge", "exporter", "tasks that the workers of a pool can run at once", ("pool",)),
    Family("drumline_pool_tasks_waiting", "gauge", "exporter", "tasks that no worker has taken", ("pool",)),
    Family("drumline_pool_tasks_running", "gauge", "exporter", "tasks that workers have taken", ("pool",)),
    Family("drumline_pool_oldest_wait_seconds", "gauge", "exporter", "how long the first of them waits", ("pool",)),
    Family("drumline_inbox_lag_entries", "gauge", "exporter", "entries that are not committed", ("partition",)),
    Family("drumline_runs_open", "gauge", "exporter", "runs that have not ended"),
    Family(
        "drumline_runs_waiting",
        "gauge",
        "exporter",
        "open runs with tasks that no stream holds: no worker has their graph, or they wait for the next window",
    ),
    Family("drumline_dead_entries", "gauge", "exporter", "entries that were set aside: drumline dead list"),
    # -- gateways
    Family(
        "drumline_http_requests_total",
        "counter",
        "gateway",
        "requests that were answered",
        ("method", "route", "code"),
    ),
    Family(
        "drumline_http_request_duration_seconds",
        "histogram",
        "gateway",
        "from a request to the head of its answer",
        ("route",),
        SHORT,
    ),
    Family("drumline_streams_open", "gauge", "gateway", "streams that clients read now"),
    Family("drumline_stream_gaps_total", "counter", "gateway", "streams that ended because facts were missing"),
    Family("drumline_streams_stalled_total", "counter", "gateway", "streams that ended because nobody took what came"),
)

BY_NAME = {family.name: family for family in FAMILIES}
