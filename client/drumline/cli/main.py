"""`drumline`: reads the command line and hands it to a subcommand, which is imported only then."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper

from drumline._version import __version__
from drumline.cli.endings import FAILED, INTERRUPTED, PIPE_CLOSED, USAGE, say
from drumline.cli.run_options import COMMANDS as RUN_COMMANDS
from drumline.settings import LOG_LEVELS, UsageError
from drumline_graph.errors import DrumlineError
from drumline_protocol.log_lines import LOG_FORMATS

#: modules whose commands serve: their stderr is a log
_SERVICES = ("serve", "exporter", "gateway")
#: where exporters of numbers are looked for, by custom
EXPORTER_PORT = 9464
_ABOUT = "Run LangGraph-style graphs on a cluster, and see one ordered stream."
_APP_HELP = "a graph to serve: [NAME=]module:attribute or [NAME=]path.py:attribute; repeatable"
_UP = (
    "Start a broker (unless --broker or DRUMLINE_BROKER names one), a coordinator and workers on this machine; start "
    "again what dies; stop all of it on Ctrl-C. Meanwhile `drumline run` and `drumline ps` find it in the same folder."
)
_MORE = "Settings can also stand in the environment or under [tool.drumline] in pyproject.toml: see docs/deployment.md."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code: 0 done, 1 failed, 2 wrong use, 130 Ctrl-C."""
    args = parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):  # a character that the terminal lacks ends no command
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    tell = _log if args.module in _SERVICES else say
    try:
        run = import_module(f"drumline.cli.{args.module}").run
        code: int = run(args)
        sys.stdout.flush()
        return code
    except UsageError as error:
        tell(f"drumline {args.command}: error: {error}")
        return USAGE
    except DrumlineError as error:
        trace = getattr(error, "user_traceback", "")
        tell(f"{trace}\n\ndrumline: error: {error}" if trace else f"drumline: error: {error}")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read us has gone: leave without a second error when Python flushes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except OSError as error:  # of this machine: a folder that cannot be written, a disk that is full
        tell(f"drumline {args.command}: error: {error}")
        return FAILED


def _log(text: str) -> None:
    from drumline_transport import log_setup

    log_setup.say(text)


# -- the parser -------------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser("drumline", description=_ABOUT, epilog=_MORE)
    parser.add_argument("--version", action="version", version=f"drumline {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = _command(commands, "up", "up", "start all that is needed on this machine: broker, coordinator, workers")
    up.description = _UP
    _add_up(up)
    for name, module, about, add in RUN_COMMANDS:
        of_run = _command(commands, name, module, about)
        add(of_run)
        _add_cluster(of_run)
    _add_ps(_command(commands, "ps", "ps", "show coordinators, workers, pools, open runs, and runs that failed"))
    _add_coordinator(_command(commands, "coordinator", "serve", "serve graphs: plan supersteps, keep runs"))
    _add_worker(_command(commands, "worker", "serve", "serve graphs: run their nodes"))
    _add_exporter(_command(commands, "exporter", "exporter", "tell Prometheus how long the queues of a cluster are"))
    _add_gateway(_command(commands, "gateway", "gateway", "serve a cluster's graphs by HTTP, to clients of LangGraph"))
    dev = _command(commands, "dev", "gateway", "run graphs in this process, and serve them by HTTP: no broker needed")
    _add_dev(dev)
    _add_reload(dev)
    _add_dead(_command(commands, "dead", "dead", "list, show, retry or drop entries that could not be handled"))
    protocol = _command(commands, "protocol", "admin", "show the protocol version of the cluster, or raise it")
    protocol.add_argument(
        "--raise", dest="raise_it", action="store_true", help="to the latest that this drumline knows"
    )
    _add_cluster(protocol)
    _add_cluster(_command(commands, "install-scripts", "admin", "load all Lua scripts, for users that may not do so"))
    completion = _command(commands, "completion", "completion", "print what a shell needs to complete these commands")
    completion.add_argument("shell", choices=["bash", "zsh", "tcsh"])
    _add_health(_command(commands, "health", "health", "exit 0 if a coordinator or worker is alive, else 1"))
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, module: str, about: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.", epilog=_MORE)
    parser.set_defaults(module=module)
    return parser


def _add_cluster(parser: argparse.ArgumentParser) -> None:
    place = (
        "redis://[user:password@]host:port/db, redis+cluster://host:port,host:port or "
        "redis+sentinel://host:port,host:port/service (a password is safer in DRUMLINE_BROKER)"
    )
    parser.add_argument("--broker", metavar="URL", help=place)
    parser.add_argument("--prefix", help="key prefix: tells clusters on one broker apart (default: drumline)")


def _add_apps(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("apps", nargs="*", metavar="APP", help=_APP_HELP)
    parser.add_argument("--app", action="append", metavar="APP", help="the same as an option")
    parser.add_argument("--version", metavar="TEXT", help="tells deployments of the same graphs apart")


def _add_role(parser: argparse.ArgumentParser) -> None:
    _add_apps(parser)
    _add_cluster(parser)
    parser.add_argument("--name", help="name in `drumline ps` (default: DRUMLINE_NAME, else host, pid and a nonce)")
    parser.add_argument("--task-lease-ms", type=_positive, metavar="MS", help="silence after which a task is lost")
    _add_metrics(parser, "nowhere")
    _add_otel(parser)
    _add_log_level(parser)


def _add_metrics(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--metrics-port", metavar="[HOST:]PORT", help=f"where Prometheus reads (default: {default})")


def _add_otel(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--otel", choices=["on", "off"], help="spans for OpenTelemetry (default: if something has loaded it)"
    )


def _add_exporter(parser: argparse.ArgumentParser) -> None:
    _add_cluster(parser)
    _add_metrics(parser, str(EXPORTER_PORT))
    parser.set_defaults(default_port=EXPORTER_PORT)
    _add_log_level(parser)


def _add_log_level(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--log-level",
        choices=LOG_LEVELS,
        help="what goes to stderr (default: DRUMLINE_LOG_LEVEL, else info)",
    )
    parser.add_argument(
        "--log-format",
        choices=LOG_FORMATS,
        help="lines for people, or one JSON object a line (default: DRUMLINE_LOG_FORMAT, else text)",
    )


def _add_coordinator(parser: argparse.ArgumentParser) -> None:
    _add_role(parser)
    parser.add_argument("--partitions", type=_positive, metavar="N", help="partitions, if the cluster is new")
    parser.add_argument("--lease-ms", type=_positive, metavar="MS", help="silence after which another one takes over")
    _add_kept(parser)


def _add_kept(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--run-log-bytes", type=_positive, metavar="N", help="what is kept of a run's log (default: 1 GiB)"
    )
    parser.add_argument(
        "--retention",
        metavar="RULES",
        help="what is kept of threads, as in max_age=30d,max_checkpoints=100,keep=interrupted (default: all)",
    )


def _add_worker(parser: argparse.ArgumentParser) -> None:
    _add_role(parser)
    _add_pools(parser, "default")
    parser.add_argument("--drain-s", type=_not_negative, metavar="S", help="time for running nodes to end at a stop")


def _add_gateway(parser: argparse.ArgumentParser) -> None:
    _add_cluster(parser)
    _add_dev(parser, drain_s=5.0)


def _add_dev(parser: argparse.ArgumentParser, *, drain_s: float = 0.0) -> None:
    _add_apps(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=_port_or_any, default=2024, metavar="N", help="default: 2024; 0: a free one")
    parser.add_argument(
        "--cors", action="append", metavar="ORIGIN", help="pages of this origin may ask; repeatable; '*': all"
    )
    parser.add_argument("--name", help="name in what it says (default: none)")
    parser.add_argument(
        "--drain-s",
        type=_not_negative,
        default=drain_s,
        metavar="S",
        help=f"how long streams go on after a signal (default: {drain_s:g})",
    )
    _add_metrics(parser, "/metrics of its own port only")
    _add_otel(parser)
    _add_log_level(parser)


def _add_reload(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reload", action="store_true", help="start again when a source changes")


def _add_pools(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--pool",
        action="append",
        metavar="NAME",
        help=f"pool to take tasks of; repeatable, or with commas; '*': all that the graphs name (default: {default})",
    )
    parser.add_argument("--concurrency", type=_positive, metavar="N", help="tasks at once in a worker (default: 8)")
    parser.add_argument("--cache-bytes", type=_positive, metavar="N", help="large values a worker keeps (64 MiB)")
    parser.add_argument(
        "--store",
        metavar="STORE",
        help="store of graphs without one: cluster (default), none, a Redis URL, a .db file, or module:attribute",
    )


def _add_up(parser: argparse.ArgumentParser) -> None:
    _add_apps(parser)
    parser.add_argument("--workers", type=_positive, default=2, metavar="N", help="worker processes (default: 2)")
    _add_cluster(parser)
    parser.add_argument("--port", type=_port, metavar="N", help="of the broker that it starts (default: a free one)")
    parser.add_argument(
        "--http-port",
        type=_port_or_any,
        metavar="N",
        help="of the gateway, if its extra is installed (default: 2024, or a free one); 0: no gateway",
    )
    _add_reload(parser)
    parser.add_argument("--fresh", action="store_true", help="forget the threads and runs that an `up` here has left")
    _add_pools(parser, "'*'")
    parser.add_argument("--partitions", type=_positive, metavar="N", help="partitions, if the cluster is new")
    parser.add_argument("--drain-s", type=_not_negative, metavar="S", help="time for running nodes to end at a stop")
    parser.add_argument("--lease-ms", type=_positive, metavar="MS", help="see `drumline coordinator`")
    parser.add_argument("--task-lease-ms", type=_positive, metavar="MS", help="see `drumline coordinator`")
    _add_kept(parser)
    _add_log_level(parser)


def _add_ps(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", action="store_true", help="show threads: how they stand, and what they wait for")
    parser.add_argument(
        "--stale", action="store_true", help="only threads that the graphs of today (--app) cannot go on with"
    )
    parser.add_argument("--app", action="append", metavar="APP", help="a graph of today, for --stale")
    parser.add_argument("--version", metavar="TEXT", help="see `drumline coordinator`, for --stale")
    parser.add_argument("--json", action="store_true", help="the same as one JSON object")
    parser.add_argument(
        "--watch", type=_not_negative, nargs="?", const=2.0, metavar="S", help="look again each S seconds (default: 2)"
    )
    parser.add_argument(
        "--runs",
        type=_positive,
        default=20,
        metavar="N",
        help="open and failed runs, or threads, to show (default: 20)",
    )
    _add_cluster(parser)


def _add_dead(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["list", "show", "retry", "drop"])
    parser.add_argument("entry", nargs="?", metavar="P/ID", help="partition and id, as `drumline dead list` names it")
    parser.add_argument("--all", action="store_true", help="drop all of them")
    parser.add_argument("--json", action="store_true", help="the list as JSON")
    parser.add_argument(
        "--count", type=_positive, default=50, metavar="N", help="the newest of each partition (default: 50)"
    )
    _add_cluster(parser)


def _add_health(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=["coordinator", "worker"])
    parser.add_argument("name", nargs="?", help="default: DRUMLINE_NAME, else one that runs on this host")
    _add_cluster(parser)


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return number


def _port(text: str) -> int:
    number = _positive(text)
    if number > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: it is a number from 1 to 65535")
    return number


def _port_or_any(text: str) -> int:
    return 0 if text == "0" else _port(text)


def _not_negative(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return number


if __name__ == "__main__":
    sys.exit(main())
