"""The worst that 16 MiB can hold, and less: inputs that cost far more to decode than their size tells.

`python -m tests.protocol.bombs` prints what each of them takes, in a process of its own.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgpack

from drumline_protocol.limits import CONTAINER_ITEMS_MAX, ENTRY_BYTES_MAX, VALUE_ITEMS_MAX, VALUE_TYPED_MAX

#: every multiple of it is an int with the hash 0
_HASH_ZERO = 2**61 - 1


def ext(code: int, payload: bytes) -> bytes:
    packed: bytes = msgpack.packb(msgpack.ExtType(code, payload))
    return packed


def array(count: int) -> bytes:
    return b"\xdd" + count.to_bytes(4, "big")


def mapping(count: int) -> bytes:
    return b"\xdf" + count.to_bytes(4, "big")


def rows(item: bytes, count: int) -> bytes:
    """Lists of lists of `item`, `count` of them in all."""
    full, rest = divmod(count, CONTAINER_ITEMS_MAX)
    sizes = [CONTAINER_ITEMS_MAX] * full + [rest] * bool(rest)
    return array(len(sizes)) + b"".join(array(size) + item * size for size in sizes)


def chained(head: bytes, items: bytes, links: int) -> bytes:
    """Containers inside one another, each with its items before the next one: all are open at once."""
    return (head + items) * links + b"\xc0"


def short_keys(count: int) -> bytes:
    return b"".join(b"\xa4" + f"{n:04x}"[-4:].encode() + b"\xc0" for n in range(count))


def equal_hashes(count: int) -> list[bytes]:
    return [ext(4, (_HASH_ZERO * (2**64 + n)).to_bytes(20, "big", signed=True)) for n in range(count)]


def forged(size: int) -> bytes:
    """Counts of lists inside lists inside typed values, none of which is true."""
    body = b""
    while len(body) < size:
        body = array(max(16, min(len(body) + 2500, size))) * 500 + (ext(1, body) if body else b"")
    return body


def nested(code: int, levels: int = 60) -> bytes:
    payload = b"\x90"
    for _ in range(levels):
        payload = b"\x91" + ext(code, payload)
    return payload


def tagged(tag: str, fields: object) -> bytes:
    return ext(32, msgpack.packb([tag, fields]))


@dataclass(frozen=True)
class Many:
    """The same thing over and over: `items` and `typed` are what each of them counts."""

    item: bytes
    items: int
    typed: int

    def most(self) -> int:
        """How many of them pass."""
        for_rows = 5
        by_items = (VALUE_ITEMS_MAX - for_rows) // self.items
        return by_items if not self.typed else min(by_items, VALUE_TYPED_MAX // self.typed)

    def in_an_entry(self) -> int:
        """How many of them 16 MiB hold."""
        return (ENTRY_BYTES_MAX - 100) // len(self.item)


#: What a value may consist of that takes more time or memory than bytes.
MANY = {
    "empty lists": Many(b"\x90", 1, 0),
    "empty dicts": Many(b"\x80", 1, 0),
    "nils": Many(b"\xc0", 1, 0),
    "short texts": Many(b"\xa2ab", 1, 0),
    "lists in lists": Many(b"\x91\x91\x90", 3, 0),
    "dicts of one key": Many(b"\x81\xa1a\x90", 3, 0),
    "empty tuples": Many(ext(1, b"\x90"), 2, 1),
    "pairs": Many(ext(1, b"\x92\x01\x02"), 4, 1),
    "empty sets": Many(ext(2, b"\x90"), 2, 1),
    "empty frozensets": Many(ext(3, b"\x90"), 2, 1),
    "empty deques": Many(ext(13, b"\x92\xc0\x90"), 4, 1),
    "60 tuples in one another": Many(nested(1), 121, 60),
    "boxes": Many(ext(33, b"\x90"), 1, 1),
    "boxes in boxes": Many(ext(33, ext(33, ext(33, b"\x90"))), 1, 1),
    "uuids": Many(ext(7, bytes(16)), 1, 1),
    "dates and times": Many(ext(10, msgpack.packb(["2024-01-01T00:00:00", 0, None])), 5, 1),
    "times in a zone": Many(ext(10, msgpack.packb(["2024-01-01T00:00:00", 0, "Asia/Tokyo"])), 5, 1),
    "zones that are not there": Many(ext(12, msgpack.packb("No/where")), 2, 1),
    "Overwrites": Many(tagged("drumline:Overwrite", {"value": None}), 6, 2),
    "Sends": Many(tagged("drumline:Send", {"node": "", "arg": None}), 8, 2),
    "unknown classes": Many(tagged("a:b", None), 4, 2),
    "messages of LangChain": Many(tagged("langchain:AIMessage", {}), 4, 2),
    "messages of drumline": Many(tagged("drumline:Message", {}), 4, 2),
    "unknown ext codes": Many(ext(99, b"x"), 1, 1),
    "small big ints": Many(ext(4, b"\x7f" * 9), 1, 1),
    "big ints": Many(ext(4, b"\x7f" * 4096), 1, 1),
    "Decimals": Many(ext(6, b"1" * 4090), 1, 1),
    "Decimals with huge exponents": Many(ext(6, b"1E+999999999999999999"), 1, 1),
    "sets of equal hashes": Many(ext(2, array(100) + b"".join(equal_hashes(100))), 102, 101),
    "lone surrogates": Many(msgpack.packb("\ud800" * 5_000, unicode_errors="surrogatepass"), 1, 0),
}

#: Other inputs, all of which are refused.
REFUSED: dict[str, Callable[[], bytes]] = {
    "chained lists of texts": lambda: chained(array(2**20), b"\xa2ab" * (2**20 - 1), 5),
    "chained dicts": lambda: chained(mapping(2**16 + 1), short_keys(2**16) + b"\xa1x", 40),
    "a set of equal hashes": lambda: ext(2, array(20_000) + b"".join(equal_hashes(20_000))),
    "a dict of equal hashes": lambda: mapping(20_000) + b"".join(k + b"\xc0" for k in equal_hashes(20_000)),
    "a small dict of equal hashes": lambda: mapping(400) + b"".join(k + b"\xc0" for k in equal_hashes(400)),
    "forged counts in 60 KB": lambda: forged(60_000),
    "forged counts in 1 MiB": lambda: array(2**20 - 1) * 500 + b"\xc0" * 2**20,
    "forged counts in 16 MiB": lambda: array(2**20) * 500 + b"\xc0" * (ENTRY_BYTES_MAX - 2600),
    "a forged long dict": lambda: mapping(2**20 + 1) + b"\xc0" * 2**22,
}


def inputs() -> dict[str, Callable[[], bytes]]:
    """All of them: what fits into an entry, and the most that passes."""
    found = dict(REFUSED)
    for name, many in MANY.items():
        found[name] = lambda many=many: rows(many.item, many.in_an_entry())  # type: ignore[misc]
        if many.most() < many.in_an_entry():
            found[f"{name}, the most"] = lambda many=many: rows(many.item, many.most())  # type: ignore[misc]
    return found


def _measure(name: str) -> None:
    from drumline_protocol.codec import Codec
    from drumline_protocol.errors import DecodeError

    data = inputs()[name]()
    codec = Codec()
    codec.decode(tagged("langchain:AIMessage", {}))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    try:
        codec.decode(data)
        outcome = "a value"
    except DecodeError as error:
        outcome = error.reason
    spent = time.process_time() - begun
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    print(f"{name:40}{len(data):>10} bytes {spent:7.2f} s {more:6} MB  {outcome[:70]}", flush=True)


if __name__ == "__main__":
    for bomb in sys.argv[1:]:
        _measure(bomb)
    if len(sys.argv) == 1:
        for bomb in inputs():
            subprocess.run([sys.executable, "-m", "tests.protocol.bombs", bomb], check=True)
