"""`drumline logs RUN`: the facts of a run's log, one line each."""

from __future__ import annotations

import dataclasses
import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from drumline.cli.endings import INTERRUPTED, TERMINATED, say
from drumline.cli.jsonable import safe_repr, to_line
from drumline.cli.outputs import is_utf8
from drumline.cli.run import Terminated, terminable
from drumline.settings import Settings
from drumline_protocol import wire
from drumline_protocol.codec import Boxed
from drumline_protocol.errors import RunExpired
from drumline_protocol.facts import Emitted, RunFinished, fact_count
from drumline_protocol.presence import printable

if TYPE_CHECKING:
    from drumline.cluster import Cluster
    from drumline_protocol.codec import Codec

#: entries of one read, and how long one waits for the next
_ENTRIES, _BLOCK_MS = 200, 1000
#: characters of a fact that a line for people shows
_SHOWN_CHARS = 300


def run(args: Namespace) -> int:
    """0 when the log is shown, with `--follow` up to the end of the run; 130 on Ctrl-C. UnknownRun, RunExpired."""
    from drumline.cluster import Cluster

    settings = Settings(args)
    ascii_only = not is_utf8(sys.stdout.encoding)
    with Cluster(settings.broker(), prefix=settings.prefix()) as cluster, terminable():
        try:
            for number, fact in _facts(cluster, args.run_id, args.thread, follow=args.follow):
                found = as_plain(fact, cluster.link.codec(None))
                if args.json:
                    print(to_line({"number": number, **found}, ascii_only=ascii_only), flush=True)
                else:
                    print(as_line(number, found), flush=True)
        except KeyboardInterrupt:
            return INTERRUPTED
        except Terminated:
            return TERMINATED
    return 0


def _facts(cluster: Cluster, run_id: str, thread: str | None, *, follow: bool) -> Iterator[tuple[int, Any]]:
    """The facts that the log has, each with its number; with `follow` also those to come."""
    link = cluster.link
    link.record(run_id, thread)
    reader = link.broker().log_reader(link.partition(run_id, thread), run_id)
    expected, after = 1, "0-0"
    try:
        if not follow and not reader.exists():
            raise RunExpired(run_id)
        while True:
            entries = reader.read(after, _ENTRIES, _BLOCK_MS if follow else 0)
            for entry in entries:
                if entry.first > expected:
                    say(f"drumline: warning: facts {expected} to {entry.first - 1} are not kept any more")
                number, after = entry.first, entry.id
                for fact in wire.decode_facts(link.codec(None), entry.data):
                    yield number, fact
                    number += fact_count(fact)
                    if type(fact) is RunFinished:
                        return
                expected = number
            if not entries:
                if not follow:
                    return
                if not reader.exists():
                    raise RunExpired(run_id)
    finally:
        reader.close()


def as_plain(fact: Any, codec: Codec) -> dict[str, Any]:
    """A fact as `{"fact": its name, field: value...}`, with its events and values decoded. Never raises."""
    found: dict[str, Any] = {"fact": type(fact).__name__}
    for field in dataclasses.fields(fact):
        value = getattr(fact, field.name)
        if type(fact) is Emitted and field.name == "items":
            value = [_event(item, codec) for item in value]
        found[field.name] = _open(value)
    return found


def _event(item: Any, codec: Codec) -> Any:
    try:
        kind, payload, _ = wire.decode_item(codec, item)
        return {"kind": kind, "payload": payload}
    except Exception as error:  # of a class that is not known here
        return f"<an event that cannot be read here: {error}>"


def _open(value: Any) -> Any:
    if type(value) is not Boxed:
        return value
    try:
        return value.value
    except Exception as error:
        return f"<a value that cannot be read here: {error}>"


def as_line(number: int, found: dict[str, Any]) -> str:
    """A line for people: number, name, and the fields that say something, cut to what a line can hold."""
    told = [f"{name}={safe_repr(value)}" for name, value in found.items() if name != "fact" and _says(value)]
    text = printable(f"{number:>6} {found['fact']} {' '.join(told)}".rstrip())
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."


def _says(value: Any) -> bool:
    return value is not None and value is not False and not (isinstance(value, (str, list, tuple, dict)) and not value)
