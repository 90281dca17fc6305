"""Bytes of the codec in one order: equal dicts give equal bytes, whatever order their keys came in. Pure."""

from __future__ import annotations

from typing import Any

import msgpack  # type: ignore[import-untyped]

from drumline_protocol.codec_builtin import NESTED

#: no value of the codec has this code
_MAP = 127


def in_order(data: bytes) -> bytes:
    """The same bytes for dicts that are equal, also inside of typed values. Nobody can read them.

    What is as deep or as large as only the codec takes it stays as it is.
    """
    try:
        return b"".join(_pack(value) for value in _values(data))
    except Exception:
        return data


def _values(data: bytes) -> list[Any]:
    unpacker = msgpack.Unpacker(
        object_pairs_hook=_sorted_map,
        ext_hook=_sorted_within,
        strict_map_key=False,
        unicode_errors="surrogatepass",
        max_buffer_size=max(len(data), 1),
    )
    unpacker.feed(data)
    found = list(unpacker)
    if unpacker.tell() != len(data):
        raise ValueError("these are no whole values")
    return found


def _sorted_map(pairs: list[tuple[Any, Any]]) -> Any:
    return msgpack.ExtType(_MAP, b"".join(sorted(_pack(key) + _pack(value) for key, value in pairs)))


def _sorted_within(code: int, payload: bytes) -> Any:
    return msgpack.ExtType(code, in_order(payload) if code in NESTED else payload)


def _pack(value: Any) -> bytes:
    packed: Any = msgpack.packb(value, unicode_errors="surrogatepass")
    return bytes(packed)
