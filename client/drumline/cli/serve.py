"""`drumline coordinator` and `drumline worker`: load the graphs, connect, serve until told to stop."""

from __future__ import annotations

import gc
import logging
import os
import secrets
import socket
import sys
import threading
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from drumline.apps import load_programs
from drumline.cli.signals import stop_on_signals
from drumline.cluster.environment import serve_here
from drumline.langgraph_json import read_project
from drumline.settings import Settings
from drumline.store.serving import stores_of
from drumline_transport.instruments import instruments_asked_for
from drumline_transport.log_setup import say, set_up
from drumline_transport.spans import ask_for_spans, tracer_asked_for

if TYPE_CHECKING:
    from drumline_graph.program import Program
    from drumline_transport.broker import Kind, LookVerbs
    from drumline_transport.redis_broker import AnyBroker
    from drumline_transport.renewer_process import RenewerProcess

log = logging.getLogger("drumline.worker")

#: graphs that the line of readiness names; of more it gives the number only
_NAMED_MAX = 5
#: so many objects more than were freed make the collector look at the young ones; Python's own default is 700
_YOUNG_OBJECTS = 20_000
#: how long a worker that has drained may take to leave Python
_EXIT_GRACE_S = 2.0
#: how long its last spans may take to leave before that
_FLUSH_S = 5.0


def run(args: Namespace) -> int:
    """Serve as `args.command` says; 0 after a stop by signal."""
    settings = Settings(args)
    set_up(settings.log_level().upper(), settings.log_format())
    if args.command == "worker":  # what its apps ask for in vain, the coordinator has said
        logging.getLogger("drumline.apps").setLevel(logging.ERROR)
    need_numbers(settings)
    ask_for_spans(settings.otel())
    tracer_asked_for()
    serve_here()
    url, prefix = settings.broker(), settings.prefix()
    programs = load_programs(settings.apps(), version=settings.version())
    _tune_garbage_collector()
    name = args.name or os.environ.get("DRUMLINE_NAME") or new_name()

    if args.command == "coordinator":
        from drumline_transport import connect

        broker = connect(url, prefix=prefix, partitions=settings.partitions(), name=name, create=True)
    else:
        found = _await_cluster(url, prefix, name)
        if found is None:
            say(f"worker {name} stopped")
            return 0
        broker = found
    try:
        if args.command == "coordinator":
            _coordinate(args, settings, broker, programs, name)
        else:
            _work(args, settings, broker, programs, name)
    finally:
        broker.close()
    return 0


def _tune_garbage_collector() -> None:
    """Once the graphs are loaded: the collector leaves alone what was imported, and looks at the rest less often.

    With LangChain more than 100,000 objects are imported, and none is freed before this process ends; a full collection
    would walk all of them. Each task gets a copy of its state, some thousand objects, which end without the collector.
    Decision 0083. What the app has told the collector by itself stays, unless it is less.
    """
    gc.collect()
    gc.freeze()
    young, *older = gc.get_threshold()
    if young:  # 0: the app has turned the collector off
        gc.set_threshold(max(young, _YOUNG_OBJECTS), *older)


def _await_cluster(url: str, prefix: str, name: str) -> AnyBroker | None:
    """The broker of a worker, as soon as a coordinator has created the cluster. None: told to stop before that."""
    from drumline_protocol.errors import NoCluster
    from drumline_transport import connect
    from drumline_transport.backoff import Pause

    pause, stopped = Pause(), threading.Event()
    with stop_on_signals(stopped.set):
        while not stopped.is_set():
            try:
                return connect(url, prefix=prefix, name=name)
            except NoCluster as absent:
                pause.warn(log, f"waiting for the first coordinator: {absent}")
            pause.wait(stopped)
    return None


def _coordinate(
    args: Namespace, settings: Settings, broker: AnyBroker, programs: Mapping[str, Program], name: str
) -> None:
    from drumline_coordinator.apps import Apps
    from drumline_coordinator.run_spans import RunSpans
    from drumline_coordinator.service import Coordinator, CoordinatorSettings

    def ready() -> None:
        say(f"coordinator {name} ready: {_graphs(programs)}, {broker.partitions} partitions")

    chosen = CoordinatorSettings(**_given(args, "lease_ms", "task_lease_ms"))
    chosen.run_log_bytes = settings.run_log_bytes() or chosen.run_log_bytes
    project = None if settings.apps() else read_project()
    chosen.retention = settings.retention() or (None if project is None else project.retention)
    chosen.retention_sweep_ms = (project and project.retention_sweep_ms) or chosen.retention_sweep_ms
    place, counts = settings.metrics_place(), None
    if place is not None:
        from drumline.metrics.of_coordinator import CoordinatorCounts

        counts = CoordinatorCounts(programs)
    apps = Apps(programs, broker.protocol)
    tracer = tracer_asked_for()
    spans = None if tracer is None else RunSpans(tracer, settings.prefix())
    told = instruments_asked_for(settings.prefix())
    coordinator = Coordinator(broker, apps, name, chosen, on_ready=ready, counts=counts, spans=spans, instruments=told)
    renewer = _renewer("coordinators", name, coordinator.keeper.nonce, settings, broker, chosen.lease_ms)
    coordinator.keeper.renewer = renewer
    try:
        with numbers_at(place, counts, name), stop_on_signals(coordinator.stop):
            coordinator.run()
    finally:
        renewer.close()
    say(f"coordinator {name} stopped")


def _work(args: Namespace, settings: Settings, broker: AnyBroker, programs: Mapping[str, Program], name: str) -> None:
    from drumline_worker.message_meter import MessageMeter
    from drumline_worker.metering import Meters
    from drumline_worker.registry import Registry
    from drumline_worker.service import Worker, WorkerSettings
    from drumline_worker.task_spans import WorkerSpans

    pools = _with_calls(settings.pools(["default"]), _all_pools(programs))
    chosen = WorkerSettings(pools=pools, **_given(args, "task_lease_ms", "drain_s"))
    chosen.concurrency = settings.concurrency() or chosen.concurrency
    chosen.cache_bytes = settings.cache_bytes() or chosen.cache_bytes

    def ready() -> None:
        at_once = f"{chosen.concurrency} task{'' if chosen.concurrency == 1 else 's'} at once"
        say(f"worker {name} ready: {_graphs(programs)}, pools {','.join(pools)}, {at_once}")

    renewer = _renewer("workers", name, name, settings, broker, chosen.task_lease_ms, pools)
    stores = stores_of(programs, settings.store(), settings.broker(), settings.prefix(), named=not settings.apps())
    tracer = tracer_asked_for()
    spans = None if tracer is None else WorkerSpans(tracer, settings.prefix())
    registry = Registry(programs, broker.protocol, stores, spans)
    place, counts = settings.metrics_place(), None
    if place is not None:
        from drumline.metrics.of_worker import WorkerCounts

        counts = WorkerCounts(programs, broker.time_ms())
    told = instruments_asked_for(settings.prefix())
    meters: list[Any] = [*filter(None, (counts, told and MessageMeter(told)))]
    meter = Meters(meters) if meters else None
    worker = Worker(broker, registry, name, chosen, on_ready=ready, renewer=renewer, meter=meter)

    def stop() -> None:
        say(f"worker {name} drains: it takes no more tasks, and waits up to {chosen.drain_s:g} s for those that run")
        worker.stop()

    try:
        with numbers_at(place, counts, name), stop_on_signals(stop):
            worker.run()
    except BaseException:
        exit_for_sure(1)
        raise
    finally:
        renewer.close()
    for teller in (tracer, told):  # a node that outlived the drain keeps Python from doing so at its end
        if teller is not None:
            teller.flush(_FLUSH_S)
    exit_for_sure(0)
    say(f"worker {name} stopped")


def need_numbers(settings: Settings) -> None:
    """What is not installed is told before anything is loaded. MetricsNotInstalled, UsageError."""
    if settings.metrics_place() is not None:
        from drumline.metrics.book import library_of_numbers

        library_of_numbers()


@contextmanager
def numbers_at(place: tuple[str, int] | None, counts: Any, name: str) -> Iterator[None]:
    """Within the block Prometheus may read what is counted."""
    if place is None:
        yield
        return
    from drumline.metrics.serving import served_at

    with served_at(place, counts.book.registry) as address:
        say(f"{name} tells its numbers at {address}")
        yield


def _renewer(
    kind: Kind, name: str, owner: str, settings: Settings, broker: LookVerbs, lease_ms: int, pools: Sequence[str] = ()
) -> RenewerProcess:
    """The process that keeps this one's leases while user code holds the interpreter."""
    from drumline_transport.renewer import Charge
    from drumline_transport.renewer_process import RenewerProcess

    url, prefix = settings.broker(), settings.prefix()
    return RenewerProcess(Charge(os.getpid(), kind, name, owner, url, prefix, broker.partitions, lease_ms, list(pools)))


def exit_for_sure(code: int, grace_s: float = _EXIT_GRACE_S) -> None:
    """End soon. A node that outlived the drain sits in a thread that Python would wait for, however long."""

    def end() -> None:
        sys.stdout.flush()
        os._exit(code)

    timer = threading.Timer(grace_s, end)
    timer.daemon = True
    timer.start()


def _given(args: Namespace, *options: str) -> dict[str, Any]:
    return {name: value for name in options if (value := getattr(args, name)) is not None}


def _with_calls(told: list[str], known: list[str]) -> list[str]:
    """The pools that a worker takes from: those it was told, and those of calls that their tasks make; `*` is all."""
    from drumline_graph.called_tasks import calls_pool

    return known if "*" in told else [*told, *(calls_pool(pool) for pool in told if calls_pool(pool) in known)]


def _all_pools(programs: Mapping[str, Program]) -> list[str]:
    from drumline_coordinator.apps import Apps

    return Apps(programs).pools()


def _graphs(programs: Mapping[str, Program]) -> str:
    count = f"{len(programs)} graph{'' if len(programs) == 1 else 's'}"
    return f"{count} ({', '.join(programs)})" if len(programs) <= _NAMED_MAX else count


def new_name() -> str:
    """A name that no other process has: host, process id, and a nonce for hosts that begin with the same ids again."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
