"""The options of the commands that start runs and look at them."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable

_FOUND_BY = "the thread of the run, if the run's id is one that you gave"


def add_run(parser: ArgumentParser) -> None:
    """Of `drumline run`."""
    parser.add_argument(
        "graph", metavar="NAME", help="the graph, as coordinators and workers name it; or app.py:graph, to run it here"
    )
    _add_call(parser)
    _add_shown(parser)


def add_start(parser: ArgumentParser) -> None:
    """Of `drumline start`."""
    parser.add_argument("graph", metavar="NAME", help="the graph, as coordinators and workers name it")
    _add_call(parser)


def add_join(parser: ArgumentParser) -> None:
    """Of `drumline join`."""
    _add_named(parser)
    parser.add_argument("--after", metavar="POSITION", help="go on behind a position that an earlier join has told")
    _add_shown(parser)


def add_cancel(parser: ArgumentParser) -> None:
    """Of `drumline cancel`."""
    _add_named(parser)
    parser.add_argument("--reason", default="", metavar="TEXT", help="what readers of the run are told")


def add_status(parser: ArgumentParser) -> None:
    """Of `drumline status`."""
    _add_named(parser)
    parser.add_argument("--json", action="store_true", help="the same as one JSON object")


def add_logs(parser: ArgumentParser) -> None:
    """Of `drumline logs`."""
    _add_named(parser)
    parser.add_argument("--follow", action="store_true", help="wait for what comes, until the run ends")
    parser.add_argument("--json", action="store_true", help='a JSON object a line: {"number", "fact", fields...}')


def _add_named(parser: ArgumentParser) -> None:
    parser.add_argument("run_id", metavar="RUN", help="id of the run")
    parser.add_argument("--thread", metavar="ID", help=_FOUND_BY)


def _add_call(parser: ArgumentParser) -> None:
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--input", default="{}", metavar="JSON", help="the input: JSON, @file.json, or - for stdin")
    given.add_argument("--resume", metavar="JSON", help="the answer to what the thread asks, given like --input")
    parser.add_argument("--thread", metavar="ID", help="the thread to run on, which is kept")
    parser.add_argument("--context", metavar="JSON", help="the run's context, given like --input")
    parser.add_argument("--config", metavar="JSON", help='as in {"recursion_limit": 50}, given like --input')


def _add_shown(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--stream",
        default="updates,custom",
        metavar="MODES",
        help="with commas: values, updates, custom, messages, tasks, debug (default: updates,custom)",
    )
    parser.add_argument("--subgraphs", action="store_true", help="also what happens inside of subgraphs")
    parser.add_argument("--json", action="store_true", help='one line for each item: {"mode", "ns", "data"}')


#: (command, its module, what it does, its options)
COMMANDS: tuple[tuple[str, str, str, Callable[[ArgumentParser], None]], ...] = (
    ("run", "run", "run a graph and print its stream", add_run),
    ("start", "runs", "start a run, print its id, and do not wait for it", add_start),
    ("join", "runs", "print the stream of a run, from its beginning, as long as it goes on", add_join),
    ("result", "runs", "wait for a run, and print its output as JSON", _add_named),
    ("cancel", "runs", "end a run", add_cancel),
    ("status", "runs", "show how a run stands, and what it waits for", add_status),
    ("logs", "run_log", "show what is in the log of a run, fact by fact", add_logs),
)
