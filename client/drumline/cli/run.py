"""`drumline run NAME`: start a run on the cluster and print its stream as it arrives."""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, cast

from drumline.cli.endings import FAILED, INTERRUPTED, TERMINATED, say
from drumline.cli.kept_here import graph_here, names_app
from drumline.settings import Settings, UsageError
from drumline_graph.types import Command
from drumline_protocol.errors import LangChainMissing
from drumline_protocol.failure import NODE

if TYPE_CHECKING:
    from drumline.graph.call_types import RunConfig
    from drumline_graph.types import StreamMode

#: how the note begins that names node and worker
_PLACE = f"In {NODE}"
_OUR_FRAME = f"{os.sep}drumline_worker{os.sep}"


class Terminated(BaseException):
    """SIGTERM: end like Ctrl-C does."""


class RunFailed(Exception):
    """The stream ended with `error`, as opposed to a mistake of our own while printing it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def run(args: Namespace) -> int:
    """0 when the run is done, 1 when it failed, 130 on Ctrl-C, which cancels it."""
    settings = Settings(args)
    input, config, context = read_call(args)
    modes = read_modes(args.stream)
    output = output_of(args, modes)
    with _graph(args, settings) as graph, plain_warnings(), terminable():
        stream = graph.stream(
            input,
            cast("RunConfig", config),
            context=context,
            stream_mode=[*modes, *output.further_modes],
            subgraphs=output.needs_subgraphs,
        )
        try:
            show(stream, output)
        except (KeyboardInterrupt, Terminated) as end:
            say(f"run {id_of(stream)} was cancelled")
            return INTERRUPTED if isinstance(end, KeyboardInterrupt) else TERMINATED
        except RunFailed as failure:
            say(told_failure(args.graph, id_of(stream), failure.error))
            return FAILED
    return 0


def read_call(args: Namespace) -> tuple[Any, dict[str, Any], Any]:
    """Input, config and context of a run, from the options. UsageError."""
    input = read_json(args.input, "--input")
    context = None if args.context is None else read_json(args.context, "--context")
    config = {} if args.config is None else read_json(args.config, "--config")
    if not isinstance(config, dict):
        raise UsageError(f"--config is a JSON object, not {config!r}")
    if args.thread is not None:
        configurable = {**(config.get("configurable") or {}), "thread_id": args.thread}
        config = {**config, "configurable": configurable}
    if args.resume is not None:
        if args.thread is None:
            raise UsageError("--resume answers what a thread asks: name it with --thread")
        input = Command(resume=read_json(args.resume, "--resume"))
    return input, config, context


@contextmanager
def _graph(args: Namespace, settings: Settings) -> Iterator[Any]:
    """The graph that is named: one of a cluster, or one of an app, which then runs in this process."""
    if names_app(args.graph):
        if args.broker:
            raise UsageError(f"{args.graph!r} runs in this process: name the graph alone to run it on {args.broker}")
        with graph_here(args.graph, settings, keeps=args.thread is not None) as graph:
            yield graph
        return
    from drumline.cluster import Cluster

    with Cluster(settings.broker(), prefix=settings.prefix()) as cluster:
        yield cluster.graph(args.graph)


def id_of(stream: Any) -> str:
    """The id of the run that a stream is of, as texts name it."""
    return str(getattr(stream, "run_id", "of this process"))


def show(stream: Any, output: Any) -> None:
    """Show a stream to its end. RunFailed, UsageError if it holds what only LangChain can build."""
    with closing(stream), output:
        for item in _items_of(stream):
            ns, mode, payload = item if output.needs_subgraphs else ((), *item)
            output.show(ns, mode, payload)


def _items_of(stream: Any) -> Iterator[Any]:
    try:
        yield from stream
    except LangChainMissing as error:
        raise UsageError(str(error)) from None
    except Exception as error:
        raise RunFailed(error) from error


def output_of(args: Namespace, modes: Sequence[str]) -> Any:
    """What shows the items: for a terminal, a pipe, or a program."""
    from drumline.cli.outputs import JsonOutput, LineOutput

    if args.json:
        return JsonOutput(args.subgraphs)
    if sys.stdout.isatty():
        from drumline.cli.display import LiveOutput

        return LiveOutput(modes, args.subgraphs)
    return LineOutput(args.subgraphs)


def read_json(text: str, option: str) -> Any:
    """The value of an option: JSON, `@file.json`, or `-` for stdin. UsageError says what is wrong where."""
    source = option
    try:
        if text == "-":
            source = "stdin"
            text = sys.stdin.read()
        elif text.startswith("@"):
            path = Path(text[1:]).expanduser()
            source = str(path)
            text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{option}: cannot read {source}: {error.strerror}") from None
    except UnicodeError as error:
        raise UsageError(f"{option}: {source} is no text in UTF-8: {error}") from None
    try:
        return json.loads(text)
    except RecursionError:
        raise UsageError(f"{source} is nested too deeply") from None
    except ValueError as error:
        near = f": {text[:60]!r}" if len(text) <= 60 else ""
        raise UsageError(f"{source} is not JSON: {error}{near}. Text stands in double quotes.") from None


def read_modes(text: str) -> list[StreamMode]:
    """The stream modes of `--stream`. UsageError for an unknown one."""
    from drumline.views import parse_modes

    try:
        modes, _ = parse_modes([mode.strip() for mode in text.split(",") if mode.strip()])
    except ValueError as error:
        raise UsageError(f"--stream: {error}") from None
    if not modes:
        raise UsageError("--stream names no mode")
    return cast("list[StreamMode]", list(modes))


def told_failure(graph: str, run_id: str, error: Exception) -> str:
    """The error of a run: the worker's traceback, if there is one, then one line."""
    from drumline_graph.errors import DrumlineError
    from drumline_protocol.errors import ClusterError, RemoteError

    if isinstance(error, ClusterError):
        return f"drumline: error: {error}"
    notes = [_user_frames(note) for note in getattr(error, "__notes__", ())]
    # the traceback of the worker ends with the notes that the exception had there
    once = [note for note in notes if not any(note in other and note != other for other in notes)]
    # told in the last line, which people read first
    places = [note.removeprefix("In ") for note in once if note.startswith(_PLACE)]
    once = [note for note in once if not note.startswith(_PLACE)]
    where = f" in {places[-1]}" if places else ""
    own = isinstance(error, DrumlineError)
    text = str(error) if own or isinstance(error, RemoteError) else f"{type(error).__name__}: {error}"
    return "\n".join([*once, f"drumline: run {run_id} of graph {graph!r} failed{where}: {text}"])


def _user_frames(text: str) -> str:
    """A note without the frames of the worker that called the node."""
    kept: list[str] = []
    skipping = False
    for line in text.rstrip().splitlines():
        if line.startswith("  File "):
            skipping = _OUR_FRAME in line
        elif not line.startswith("    "):
            skipping = False
        if not skipping:
            kept.append(line)
    return "\n".join(kept)


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Warnings of the client as lines for people: their text, without a place in our code."""

    def show(message: Warning | str, *_rest: Any, **_more: Any) -> None:
        say(f"drumline: warning: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        yield


@contextmanager
def terminable() -> Iterator[None]:
    """Within the block SIGTERM raises `Terminated`."""

    def end(_number: int, _frame: FrameType | None) -> NoReturn:
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
