"""`drumline gateway` and `drumline dev`: graphs behind HTTP, those of a cluster or those of this process."""

from __future__ import annotations

import ipaddress
import logging
import os
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drumline.cli.serve import exit_for_sure, need_numbers, numbers_at
from drumline.gateway import part
from drumline.langgraph_json import read_project
from drumline.settings import Settings, UsageError
from drumline_transport.log_setup import say, set_up
from drumline_transport.spans import ask_for_spans, tracer_asked_for

if TYPE_CHECKING:
    from drumline_graph.program import Program

log = logging.getLogger("drumline.gateway")

#: where `drumline dev` keeps threads and items of the store; so does `drumline run app.py:graph --thread ID`
FOLDER = Path(".drumline")
#: how long a process may take to leave, once its streams are closed, whatever its nodes do
_EXIT_S = 8.0


def run(args: Namespace) -> int:
    """Serve as `args.command` says; 0 after a stop by signal. GatewayNotInstalled, UsageError, AppNotFound."""
    if getattr(args, "reload", False):
        from drumline.cli import reload

        return reload.run(args)
    settings = Settings(args)
    set_up(settings.log_level().upper(), settings.log_format())
    logging.getLogger("uvicorn").setLevel(max(logging.WARNING, logging.getLogger().level))
    part("serve")  # what is not installed is told before anything is loaded
    need_numbers(settings)
    ask_for_spans(settings.otel())
    tracer_asked_for()
    if args.command == "dev":
        _dev(args, settings)
    else:
        _gateway(args, settings)
    say(f"{args.command} {args.name or ''}".strip() + " stopped")
    return 0


def _gateway(args: Namespace, settings: Settings) -> None:
    from drumline.cluster import Cluster
    from drumline.graph.compiled import CompiledStateGraph

    url, prefix = settings.broker(), settings.prefix()
    graphs: dict[str, Any] = {name: CompiledStateGraph(program) for name, program in _programs(settings).items()}
    with Cluster(url, prefix=prefix) as cluster:
        cluster.broker()  # one that cannot be reached is told now
        _serve(args, part("app").asgi(cluster, graphs=graphs, **_door(args)), graphs)


def _dev(args: Namespace, settings: Settings) -> None:
    programs = _programs(settings)
    if not programs:
        raise UsageError("which graph? `drumline dev app.py:graph`, or put a langgraph.json into this folder.")
    project = None if settings.apps() else read_project()
    retention = None if project is None else project.retention
    service = part("embedded_service").EmbeddedService(programs, FOLDER, retention)
    _serve(args, part("app").build(service, **_door(args)), programs)


def _programs(settings: Settings) -> Mapping[str, Program]:
    from drumline.apps import load_programs

    apps = settings.apps()
    return load_programs(apps, version=settings.version()) if apps or read_project() is not None else {}


def _door(args: Namespace) -> dict[str, Any]:
    """Who may come in: as the environment says, and the langgraph.json of this folder."""
    guard = part("auth").Guard.of_project(os.environ)
    _warn_of_the_open_door(args.host, guard)
    return {"guard": guard, "cors_origins": args.cors or ()}


def _serve(args: Namespace, app: Any, graphs: Mapping[str, Any]) -> None:
    def ready(address: str) -> None:
        held = f"{', '.join(graphs)}" if graphs else "the cluster's graphs"
        name = f"{args.command} {args.name} ready" if args.name else f"{args.command} ready"
        say(f"{name}: {address} ({held})")

    def leave() -> None:
        exit_for_sure(0, _EXIT_S)

    with numbers_at(Settings(args).metrics_place(), app.state.gateway.metrics, args.name or args.command):
        part("serve").serve(app, args.host, args.port, grace_s=args.drain_s, on_ready=ready, on_leave=leave)


def _warn_of_the_open_door(host: str, guard: Any) -> None:
    """Whoever reaches a gateway that asks nobody who they are may run everything that it serves."""
    try:
        is_local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = host == "localhost"
    if not is_local and not guard.asks:
        log.warning("everybody who reaches %s may start and read runs: set DRUMLINE_API_KEY, or leave --host out", host)
