"""Results of nodes in a cache: looked up before a node runs, put there behind it (`CachePolicy`).

A result lies under the names of its graph and node and the identity of the node's code, and a hash of its input. The
bytes of that are our codec's, in an order that does not depend on how a dict or a set was built. What cannot be encoded
is not cached, and is warned of once. A cache that fails is as one that holds nothing.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

from drumline_graph.cached import namespace_of
from drumline_graph.types import default_cache_key
from drumline_graph.warnings import RunWarning
from drumline_protocol.codec import Codec
from drumline_protocol.errors import DecodeError, EncodeError
from drumline_worker.job import Job

log = logging.getLogger("drumline.cache")

FullKey = tuple[tuple[str, ...], str]
Writes = list[tuple[str, Any]]

_told: set[tuple[str, ...]] = set()


def key_of(job: Job) -> FullKey | None:
    """Where the result of a job lies; None if it is not cached. Raises what the policy's own function raises."""
    policy = job.node.cache
    if policy is None or job.cache is None or job.codec is None or job.phase != "run":
        return None
    namespace = namespace_of(job.program, job.node)
    if policy.key_func is default_cache_key:
        try:
            key = b"".join(_canonical(job.codec, job.input))
        except EncodeError as error:
            _warn(namespace, error)
            return None
    else:
        key = policy.key_func(*job.input[0], **job.input[1]) if job.depth else policy.key_func(job.input)
    return namespace, blake2b(key.encode() if isinstance(key, str) else key, digest_size=16).hexdigest()


def found(job: Job, key: FullKey) -> Writes | None:
    """The writes that lie there."""
    try:
        return _read(job, job.cache.get([key]), key)
    except Exception as error:
        _failed(error)
        return None


async def afound(job: Job, key: FullKey) -> Writes | None:
    """The twin of `found` for an event loop."""
    try:
        return _read(job, await job.cache.aget([key]), key)
    except Exception as error:
        _failed(error)
        return None


def keep(job: Job, key: FullKey, writes: Writes) -> None:
    """Put the writes there."""
    try:
        pairs = _pairs(job, key, writes)
        if pairs:
            job.cache.set(pairs)
    except Exception as error:
        _failed(error)


async def akeep(job: Job, key: FullKey, writes: Writes) -> None:
    """The twin of `keep` for an event loop."""
    try:
        pairs = _pairs(job, key, writes)
        if pairs:
            await job.cache.aset(pairs)
    except Exception as error:
        _failed(error)


def _read(job: Job, values: Any, key: FullKey) -> Writes | None:
    data = values.get(key)
    if data is None or job.codec is None:
        return None
    try:
        return [(channel, value) for channel, value in job.codec.decode(data)]
    except DecodeError as error:
        log.warning("what is cached in %s cannot be read: %s", key[0], error)
        return None


def _pairs(job: Job, key: FullKey, writes: Writes) -> dict[FullKey, tuple[bytes, int | None]]:
    assert job.codec is not None
    try:
        data = job.codec.encode([[channel, value] for channel, value in writes])
    except EncodeError as error:
        _warn(key[0], error)
        return {}
    return {key: (data, job.node.cache.ttl)}


def _warn(namespace: tuple[str, ...], error: EncodeError) -> None:
    if namespace not in _told:
        _told.add(namespace)
        warnings.warn(
            f"results of {_called(namespace)} are not cached: {error} Give CachePolicy a key_func, or let it take and "
            "return what can be written.",
            RunWarning,
            stacklevel=2,
        )


def _called(namespace: tuple[str, ...]) -> str:
    graph, node = namespace[1], namespace[3]
    return f"node {node!r} of graph {graph!r}" if graph else f"task {node!r}"


def _failed(error: Exception) -> None:
    log.warning("a cache failed, and is passed over: %r", error)


def _canonical(codec: Codec, value: Any) -> Iterator[bytes]:
    """The bytes of a value, where dicts and sets are sorted. Each part says how long it is: nothing runs together."""
    kind = type(value)
    if kind is dict:
        pairs = sorted((_joined(codec, key), _joined(codec, each)) for key, each in value.items())
        yield b"{%d:" % len(pairs)
        for key, each in pairs:
            yield key
            yield each
    elif kind in (set, frozenset):
        items = sorted(_joined(codec, each) for each in value)
        yield b"<%s%d:" % (kind.__name__[:1].encode(), len(items))
        yield from items
    elif kind in (list, tuple):
        yield b"[%s%d:" % (kind.__name__[:1].encode(), len(value))
        for each in value:
            yield _joined(codec, each)
    else:
        data = codec.encode(value)
        yield b"=%d:" % len(data)
        yield data


def _joined(codec: Codec, value: Any) -> bytes:
    return b"".join(_canonical(codec, value))
