"""What a cluster's keys should not hold once its runs have ended: for tests, after each of them.

Right: the log and the record of an ended run are there until their time to live is over; what belongs to the cluster
itself (meta, who is there, leases, control messages, entries set aside) stays. All else is a leftover.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import Any

from drumline_protocol.limits import LOG_TTL_S

#: keys of the cluster itself, of a partition itself, of the store and of a cache, that stay
_STAYS = {"meta", "ctl", "workers", "coordinators", "graphs", "assistants", "lease", "dead", "failed", "store", "cache"}
#: streams in which an entry is something that is still to be done
_TO_DO = {"inbox", "requests", "tasks", "queue"}
#: what fields of a run record begin with that name a task's entry, the digest of its token
_SLOTS = ("t:", "k:")
#: keys of threads, which stay until those are deleted
_OF_THREADS = {"thread", "threads", "history", "values", "runs"}
_KINDS = _STAYS | _TO_DO | {"open", "waiting", "timers", "run", "thread", "log", "cells", "blob"} | _OF_THREADS


def leftovers(raw: Callable[..., Any], prefix: str, *, ignore: Callable[[str], bool] = lambda _key: False) -> list[str]:
    """What should not be there, a line each; empty if all is well.

    `raw` sends a Redis command and returns its plain reply (`Backend.raw`). Runs that are open keep what is theirs:
    while there are any, tasks, blobs, timers and streams are not looked at. `ignore` says which keys are a test's own.
    """
    keys = [key for key in scan(raw, prefix) if not ignore(key)]
    by_kind: dict[str, list[str]] = {}
    for key in keys:
        by_kind.setdefault(kind_of(key, prefix), []).append(key)
    opened = {(_tag(key), run) for key in by_kind.get("open", []) for run in _words(raw("SMEMBERS", key))}
    found = [f"{key}: not a key of keys.py" for key in by_kind.pop("", [])]
    statuses = {key: _record(raw("HGETALL", key)) for key in by_kind.get("run", [])}
    for key, record in statuses.items():
        found += _of_record(raw, key, record, opened)
    for key in by_kind.get("log", []):
        run = key.replace(":log:", ":run:", 1)
        if statuses.get(run, {}).get("status") != "open" and raw("TTL", key) < 0:
            found.append(f"{key}: the log of a run that is not open stays for ever")
    still_open = [run for _, run in opened] or [key for key, record in statuses.items() if record["status"] == "open"]
    return found if still_open else [*found, *_of_no_run(raw, by_kind)]


def _of_record(raw: Any, key: str, record: dict[str, str], opened: set[tuple[str, str]]) -> Iterable[str]:
    tag, run_id = _tag(key), key.split(":run:", 1)[1]
    is_member = (tag, run_id) in opened
    if record.get("status") == "open":
        if not is_member:
            yield f"{key}: the record says open, the set of open runs does not name it"
        return
    if is_member:
        yield f"{key}: {record.get('status')}, and still among the open runs"
    if raw("TTL", key) < 0:
        yield f"{key}: {record.get('status')}, and its record stays for ever"
    slots = [name for name in record if name.startswith(_SLOTS)]
    if slots:
        yield f"{key}: {record.get('status')}, and {len(slots)} task entries are still named there"


def _of_no_run(raw: Any, by_kind: dict[str, list[str]]) -> Iterable[str]:
    """What may be there only while some run is open."""
    for key in by_kind.get("tasks", []):
        pending = sum(_pending(group) for group in raw("XINFO", "GROUPS", key))
        if pending:
            yield f"{key}: {pending} entries are taken and not acknowledged"
    for kind in _TO_DO:
        for key in by_kind.get(kind, []):
            rows = raw("XRANGE", key, "-", "+", "COUNT", 10_000)
            # What a keeper says of no run (a worker came) waits for the next coordinator.
            length = sum(1 for _, fields in rows if fields[0] != b"r" or fields[1])
            if length:
                yield f"{key}: {length} entries, and no run is open"
    named = {word for key in by_kind.get("values", []) for word in _of_thread(key, _words(raw("HKEYS", key)))}
    for kind in ("cells", "blob"):
        for key in by_kind.get(kind, []):
            if key not in named and not 0 <= raw("TTL", key) <= LOG_TTL_S:
                yield f"{key}: a large value of a run that is not open stays longer than the log that names it"
    listed = {(_tag(key), thread) for key in by_kind.get("threads", []) for thread in _words(raw("ZRANGE", key, 0, -1))}
    for kind in ("thread", "history", "values", "runs"):
        for key in by_kind.get(kind, []):
            if (_tag(key), key.split(f":{kind}:", 1)[1]) not in listed:
                yield f"{key}: of a thread that no list names"
    for key in by_kind.get("waiting", []):
        yield f"{key}: {raw('SCARD', key)} runs wait, and no run is open"
    for key in by_kind.get("timers", []):
        yield f"{key}: {raw('ZCARD', key)} timers, and no run is open"


def _of_thread(key: str, names: Iterable[str]) -> Iterable[str]:
    """The keys of the cells and blobs that the values of a thread name."""
    tag, thread = key.split("values:", 1)
    owner = thread.replace("%", "%25").replace(":", "%3A")
    for name in names:
        yield f"{tag}cells:%t{owner}:{name[2:]}" if name.startswith("c:") else f"{tag}blob:{name[2:]}"


def _pending(group: list[Any]) -> int:
    fields = dict(zip(_words(group[::2]), group[1::2], strict=True))
    return int(fields["pending"])


def await_nothing_left(
    raw: Callable[..., Any], prefix: str, patience_s: float, *, ignore: Callable[[str], bool] = lambda _key: False
) -> list[str]:
    """`leftovers`, when there are none or after `patience_s`: what a cluster is about to do needs its moment."""
    deadline = time.monotonic() + patience_s
    while True:
        found = leftovers(raw, prefix, ignore=ignore)
        if not found or time.monotonic() >= deadline:
            return found
        time.sleep(0.05)


def scan(raw: Callable[..., Any], prefix: str) -> list[str]:
    """All keys of a cluster, in order."""
    found: set[str] = set()
    for pattern in (f"{prefix}:*", f"{{{prefix}:*"):
        cursor = b"0"
        while True:
            cursor, keys = raw("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
            found.update(_words(keys))
            if int(cursor) == 0:
                break
    return sorted(found)


def kind_of(key: str, prefix: str) -> str:
    """The word in a key that says what it is; "" if `keys.py` knows none of that form."""
    p = re.escape(prefix)
    kept = re.match(rf"\{{{p}:(store|cache)\}}:", key)
    if kept:
        return kept[1]
    match = re.fullmatch(rf"(?:{p}|\{{{p}:\d+\}}):(\w+)(?::.+)?", key, re.DOTALL)
    return match[1] if match and match[1] in _KINDS else ""


def _tag(key: str) -> str:
    return key.partition("}")[0]


def _record(reply: Any) -> dict[str, str]:
    words = _words(reply if isinstance(reply, list) else [word for pair in reply.items() for word in pair])
    return {"status": "", **dict(zip(words[::2], words[1::2], strict=True))}


def _words(reply: Iterable[Any]) -> list[str]:
    return [word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word) for word in reply]
