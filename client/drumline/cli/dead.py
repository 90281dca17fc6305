"""`drumline dead`: entries that could not be handled: looked at, put back, or dropped."""

from __future__ import annotations

import json
import re
import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from drumline.cli.endings import FAILED, OK, say
from drumline.settings import Settings, UsageError
from drumline_graph.errors import DrumlineError
from drumline_protocol.presence import printable

if TYPE_CHECKING:
    from drumline_transport.dead import DeadEntry
    from drumline_transport.redis_broker import AnyBroker

_PLACE = re.compile(r"(\d{1,9})/(\d{1,20}-\d{1,20})", re.ASCII)
#: what `show` prints of an entry at most: characters of a message, bytes of what is none
_SHOWN_CHARS, _SHOWN_BYTES = 4000, 256
#: entries that `drop --all` takes at once: each may be as large as an entry is kept
_DROPPED_AT_ONCE = 100


class DeadEntryError(DrumlineError):
    """The entry that `drumline dead` was given is not there, or cannot be put back. `drumline dead list` names all."""


def run(args: Namespace) -> int:
    """Do what `args.action` says. 0 done, 1 not done."""
    from drumline_transport import connect

    settings = Settings(args)
    _check(args)
    broker = connect(settings.broker(), prefix=settings.prefix(), name="dead")
    try:
        if args.action == "list":
            return _list(broker, args)
        if args.action == "drop" and args.all:
            print(f"dropped {_drop_all(broker)} entries")
            return 0
        partition, entry_id, entry = _find(broker, args.entry)
        if args.action == "show":
            print(shown(partition, entry_id, entry))
        elif args.action == "retry":
            _put_back(broker, partition, entry_id, entry)
            print(f"put {args.entry} back into {printable(entry.source)}")
        else:
            broker.drop_dead(partition, [entry_id])
            print(f"dropped {args.entry}")
        return 0
    finally:
        broker.close()


def _check(args: Namespace) -> None:
    """UsageError for words that do not go together."""
    if args.all and args.action != "drop":
        raise UsageError(f"--all goes with `drumline dead drop`, not with {args.action}")
    if args.action == "list" or args.all:
        if args.entry:
            raise UsageError(f"{args.action} takes no entry here, and was given {args.entry!r}")
    elif not args.entry:
        raise UsageError(f"which entry? `drumline dead {args.action} P/ID`, as `drumline dead list` names it")
    elif not _PLACE.fullmatch(args.entry):
        raise UsageError(f"{args.entry!r} names no entry: it is P/ID, like 3/1718000000000-0")


# -- list -------------------------------------------------------------------------------------------


def _list(broker: AnyBroker, args: Namespace) -> int:
    rows: list[dict[str, Any]] = []
    unusable: list[str] = []
    for partition in range(broker.partitions):
        rows += _rows(broker, partition, args.count, unusable)
    if args.json:
        print(json.dumps(rows, indent=2 if sys.stdout.isatty() else None))
    elif rows:
        _print(rows)
    else:
        print("nothing was set aside")
    for line in unusable:
        say(f"drumline dead: {line}")
    return FAILED if unusable else OK


def _rows(broker: AnyBroker, partition: int, count: int, unusable: list[str]) -> Iterator[dict[str, Any]]:
    from drumline_transport.errors import ServerError

    try:
        found = broker.dead(partition, count)
    except ServerError as error:
        unusable.append(f"the entries of partition {partition} cannot be read: {error.text}")
        return
    for entry_id, entry in found:
        yield {
            "entry": f"{partition}/{entry_id}",
            "source": printable(entry.source),
            "source_id": printable(entry.id),
            "run": printable(entry.run),
            "bytes": entry.whole_bytes or len(entry.data),
            "kept_bytes": len(entry.data),
            "reason": printable(entry.reason),
        }


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    for column in ("entry", "source", "run", "bytes", "reason"):
        table.add_column(column, no_wrap=column in ("entry", "run"), overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(row[column])) for column in ("entry", "source", "run", "bytes", "reason")))
    Console(highlight=False, width=None if sys.stdout.isatty() else 300).print(table)


# -- one entry --------------------------------------------------------------------------------------


def _find(broker: AnyBroker, place: str) -> tuple[int, str, DeadEntry]:
    match = _PLACE.fullmatch(place)
    assert match is not None
    partition, entry_id = int(match[1]), match[2]
    if partition >= broker.partitions:
        raise DeadEntryError(f"there is no partition {partition}: this cluster has {broker.partitions}")
    for found_id, entry in broker.dead(partition, 1, entry_id):
        if found_id == entry_id:
            return partition, entry_id, entry
    raise DeadEntryError(f"there is no entry {place}: it was dropped or put back, or newer ones took its place")


def shown(partition: int, entry_id: str, entry: DeadEntry) -> str:
    """All that is known of an entry, as lines. Never raises."""
    cut = f", of which the first {len(entry.data)} were kept" if entry.whole_bytes else ""
    lines = [
        f"entry    {partition}/{entry_id}",
        f"from     {printable(entry.source)}, entry {printable(entry.id)} there",
        f"run      {printable(entry.run) or 'none'}",
        f"reason   {printable(entry.reason)}",
        f"bytes    {entry.whole_bytes or len(entry.data)}{cut}",
    ]
    try:
        return "\n".join([*lines, f"message  {_decoded(entry.data)}"])
    except Exception as error:  # bytes that may be anything
        head = entry.data[:_SHOWN_BYTES]
        rows = [head[start : start + 32].hex(" ", 4) for start in range(0, len(head), 32)]
        lines.append(f"message  none that can be read here: {printable(str(error) or repr(error))}")
        return "\n".join([*lines, *(f"         {row}" for row in rows)])


def _decoded(data: bytes) -> str:
    from drumline_protocol import wire
    from drumline_protocol.codec import Codec
    from drumline_protocol.codec_types import TypeTable

    text = printable(repr(wire.decode(Codec(TypeTable()), data)))
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}... ({len(text)} characters)"


def _put_back(broker: AnyBroker, partition: int, entry_id: str, entry: DeadEntry) -> None:
    try:
        broker.put_back(partition, entry)
    except ValueError as error:
        place = f"{partition}/{entry_id}"
        raise DeadEntryError(
            f"entry {place} cannot be put back: {error}. `drumline dead drop {place}` drops it"
        ) from None
    broker.drop_dead(partition, [entry_id])


def _drop_all(broker: AnyBroker) -> int:
    dropped = 0
    for partition in range(broker.partitions):
        while found := broker.dead(partition, _DROPPED_AT_ONCE):
            broker.drop_dead(partition, [entry_id for entry_id, _ in found])
            dropped += len(found)
    return dropped
