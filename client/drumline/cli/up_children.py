"""Which processes `drumline up` starts, and with which words."""

from __future__ import annotations

import contextlib
import importlib.util
import secrets
import socket
from argparse import Namespace
from queue import SimpleQueue

from drumline.cli.children import Child, Event, child_environment
from drumline.gateway import NEEDED, part
from drumline.retention_text import text_of
from drumline.settings import Settings

#: how long running nodes may go on at a stop, if --drain-s does not say
DRAIN_S = 5.0
#: where LangGraph's clients look for a server
GATEWAY_PORT = 2024


def children_of(
    args: Namespace, settings: Settings, prefix: str, apps: list[str], url: str, events: SimpleQueue[Event]
) -> list[Child]:
    """The processes of an `up` whose broker is at `url`, none of them started. `events` gets what happens to them."""
    shared = [word for app in apps for word in ("--app", app)]
    shared += ["--prefix", prefix, "--log-level", settings.log_level(), "--log-format", settings.log_format()]
    version = settings.version()
    shared += [] if version is None else ["--version", version]
    words = [*shared] if args.task_lease_ms is None else [*shared, "--task-lease-ms", str(args.task_lease_ms)]
    coordinator, worker = [*words], [*words, "--drain-s", str(drain_s(args))]
    coordinator += [] if args.lease_ms is None else ["--lease-ms", str(args.lease_ms)]
    run_log_bytes = settings.run_log_bytes()
    coordinator += [] if run_log_bytes is None else ["--run-log-bytes", str(run_log_bytes)]
    retention = settings.retention()
    coordinator += [] if retention is None else ["--retention", text_of(retention)]
    for pool in settings.pools(["*"]):
        worker += ["--pool", pool]
    worker += [] if args.concurrency is None else ["--concurrency", str(args.concurrency)]
    worker += [] if args.cache_bytes is None else ["--cache-bytes", str(args.cache_bytes)]
    worker += [] if args.store is None else ["--store", args.store]
    environment = child_environment(url)
    # several `up` may share a broker: names must differ
    nonce = secrets.token_hex(2)
    roles = [("coordinator", "c1", coordinator)]
    roles += [("worker", f"w{index}", worker) for index in range(1, args.workers + 1)]
    roles += [("gateway", "g1", [*shared, "--port", str(port)]) for port in _gateway_ports(args)]
    return [Child(kind, f"{short}-{nonce}", words, environment, events) for kind, short, words in roles]


def _gateway_ports(args: Namespace) -> list[int]:
    """The port of the gateway, if there is to be one: 2024, where LangGraph's clients look, or a free one."""
    if args.http_port == 0:
        return []
    if any(importlib.util.find_spec(name) is None for name in NEEDED):
        if args.http_port is not None:
            part("serve")  # says what is not installed
        return []
    if args.http_port is not None:
        return [args.http_port]
    with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", GATEWAY_PORT)):
        return [GATEWAY_PORT]
    return [0]


def drain_s(args: Namespace) -> float:
    """How long running nodes may go on at a stop."""
    return DRAIN_S if args.drain_s is None else float(args.drain_s)
