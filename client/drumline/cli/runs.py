"""`drumline start`, `join`, `result`, `cancel`, `status`: runs of a cluster, by their ids."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from drumline.cli.endings import FAILED, INTERRUPTED, TERMINATED, say
from drumline.cli.jsonable import to_line
from drumline.cli.kept_here import names_app
from drumline.cli.outputs import is_utf8
from drumline.cli.run import (
    RunFailed,
    Terminated,
    output_of,
    plain_warnings,
    read_call,
    read_modes,
    show,
    terminable,
    told_failure,
)
from drumline.cli.tables import span
from drumline.settings import Settings, UsageError
from drumline_protocol.errors import LangChainMissing
from drumline_protocol.presence import printable

if TYPE_CHECKING:
    from drumline.cluster import Cluster
    from drumline.graph.call_types import RunConfig

#: how a run stands that has not ended
_GOES_ON = ("open", "queued")


def run(args: Namespace) -> int:
    """Do what `args.command` says."""
    from drumline.cluster import Cluster

    settings = Settings(args)
    with Cluster(settings.broker(), prefix=settings.prefix()) as cluster, plain_warnings(), terminable():
        try:
            return _COMMANDS[args.command](args, cluster)
        except Terminated:
            return TERMINATED


def _start(args: Namespace, cluster: Cluster) -> int:
    """Print the run's id, as soon as a coordinator has accepted the run."""
    if names_app(args.graph):
        raise UsageError(f"{args.graph!r} would run in this process, which ends: `drumline run` does that")
    input, config, context = read_call(args)
    print(cluster.graph(args.graph).start(input, cast("RunConfig", config), context=context))
    return 0


def _join(args: Namespace, cluster: Cluster) -> int:
    """0 when the run is done, 1 when it failed; 130 on Ctrl-C, which leaves the run alone and tells where it was."""
    modes = read_modes(args.stream)
    output = output_of(args, modes)
    graph = _graph_of(args, cluster)
    stream: Any = cluster.join(
        args.run_id,
        args.after,
        stream_mode=[*modes, *output.further_modes],
        subgraphs=output.needs_subgraphs,
        thread_id=args.thread,
    )
    try:
        show(stream, output)
    except (KeyboardInterrupt, Terminated) as end:
        say(f"run {args.run_id} goes on: `drumline join {args.run_id} --after {stream.position}` shows the rest")
        return INTERRUPTED if isinstance(end, KeyboardInterrupt) else TERMINATED
    except RunFailed as failure:
        return _failed(graph, args.run_id, failure.error)
    return 0


def _result(args: Namespace, cluster: Cluster) -> int:
    """0 and the output on stdout; 1 when the run failed."""
    graph = _graph_of(args, cluster)
    try:
        found = cluster.result(args.run_id, thread_id=args.thread)
    except LangChainMissing as error:
        raise UsageError(str(error)) from None
    except Exception as error:
        return _failed(graph, args.run_id, error)
    print(to_line(found, ascii_only=not is_utf8(sys.stdout.encoding)))
    return 0


def _cancel(args: Namespace, cluster: Cluster) -> int:
    """0 also when the run has ended already: then it is left as it is."""
    status = cluster.status(args.run_id, thread_id=args.thread)["status"]
    if status not in _GOES_ON:
        print(f"run {args.run_id} has ended already: {status}")
        return 0
    cluster.cancel(args.run_id, args.reason, thread_id=args.thread)
    print(f"run {args.run_id} is being cancelled")
    return 0


def _status(args: Namespace, cluster: Cluster) -> int:
    """0 for a run that is known, however it stands."""
    from drumline.cli.survey import told_tasks

    found = cluster.status(args.run_id, thread_id=args.thread)
    told_tasks(cluster.broker(), found)
    if args.json:
        print(json.dumps(found, indent=2 if sys.stdout.isatty() else None))
        return 0
    age = span(max(0.0, time.time() - found["created_ms"] / 1000))
    print(f"run      {printable(args.run_id)}\ngraph    {printable(found['graph'])}")
    print(f"status   {found['status']}\nbegun    {age} ago" if found["created_ms"] else f"status   {found['status']}")
    for task in found["open_tasks"]:
        print(f"task     {printable(task['node'])}: {printable(task['told'])}")
    return 0


def _graph_of(args: Namespace, cluster: Cluster) -> str:
    """The name of the run's graph. UnknownRun."""
    return str(cluster.status(args.run_id, thread_id=args.thread)["graph"])


def _failed(graph: str, run_id: str, error: Exception) -> int:
    say(told_failure(graph, run_id, error))
    return FAILED


_COMMANDS: dict[str, Callable[[Namespace, Any], int]] = {
    "start": _start,
    "join": _join,
    "result": _result,
    "cancel": _cancel,
    "status": _status,
}
