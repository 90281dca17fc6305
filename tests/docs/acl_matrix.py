"""What each user of deploy/users.acl.template may do to which key, and what nobody may do."""

from __future__ import annotations

from drumline_protocol.keys import Keys

#: every key, by the method of `Keys` that makes it
KEYS: dict[str, str] = {
    **{name: getattr(Keys(), name)() for name in ("meta", "ctl", "workers", "coordinators", "graphs")},
    **{name: getattr(Keys(), name)(3) for name in ("requests", "inbox", "dead", "failed", "lease", "open", "waiting")},
    "timers": Keys().timers(3),
    **{name: getattr(Keys(), name)(3, "r") for name in ("run", "thread", "history", "values", "runs", "log", "blob")},
    **{name: getattr(Keys(), name)(3) for name in ("threads", "queue")},
    "cells": Keys().cells(3, "r", "c"),
    **{name: getattr(Keys(), name)() for name in ("store", "cache")},
    "tasks": Keys().tasks("default"),
    # on a Redis Cluster
    "tasks of a partition": Keys().tasks("default", 3),
    "ctl of a partition": Keys().ctl(3),
}
#: what can be done to a key: all that a role may do, and what somebody would do who means harm
COMMANDS: dict[str, list[str]] = {
    command: words.split()
    for command, words in {
        "XADD": "KEY MAXLEN 0 * d x",
        "XTRIM": "KEY MAXLEN 0",
        "XDEL": "KEY 1-1",
        "XSETID": "KEY 9-9",
        "XLEN": "KEY",
        "XREAD": "STREAMS KEY 0",
        "XRANGE": "KEY - +",
        "XREVRANGE": "KEY + -",
        "XREADGROUP": "GROUP workers me STREAMS KEY >",
        "XACK": "KEY workers 1-1",
        "XCLAIM": "KEY workers me 0 1-1",
        "XAUTOCLAIM": "KEY workers me 0 0",
        "XPENDING": "KEY workers",
        "XGROUP CREATE": "KEY workers 0 MKSTREAM",
        "XGROUP DELCONSUMER": "KEY workers me",
        "XGROUP SETID": "KEY workers 0",
        "XGROUP DESTROY": "KEY workers",
        "XINFO GROUPS": "KEY",
        "XINFO CONSUMERS": "KEY workers",
        "XINFO STREAM": "KEY FULL",
        "HSET": "KEY a b",
        "HSETNX": "KEY a b",
        "HDEL": "KEY a",
        "HGET": "KEY a",
        "HMGET": "KEY a",
        "HGETALL": "KEY",
        "GET": "KEY",
        "SET": "KEY x",
        "DEL": "KEY",
        "UNLINK": "KEY",
        "EXISTS": "KEY",
        "TYPE": "KEY",
        "DUMP": "KEY",
        "RESTORE": "KEY 0 x",
        "RENAME": "KEY KEY",
        "COPY": "KEY KEY",
        "EXPIRE": "KEY 1",
        "MEMORY USAGE": "KEY",
        "SADD": "KEY a",
        "SREM": "KEY a",
        "SMEMBERS": "KEY",
        "SISMEMBER": "KEY a",
        "ZADD": "KEY 1 a",
        "ZREM": "KEY a",
        "ZRANGEBYSCORE": "KEY 0 1",
        "ZRANGE": "KEY 0 1",
        "ZREVRANGE": "KEY 0 1",
        "ZREMRANGEBYSCORE": "KEY 0 1",
        "ZSCORE": "KEY a",
        "ZCARD": "KEY",
        "INCR": "KEY",
        "PERSIST": "KEY",
        "PEXPIREAT": "KEY 1",
        "EVALSHA": "0123 1 KEY",
        "EVAL": "text 1 KEY",
    }.items()
}
_OF_TASKS = "XREADGROUP XGROUP_CREATE XGROUP_DELCONSUMER XACK XDEL XPENDING XRANGE XCLAIM XLEN EVALSHA"
_OF_STORES = "EVALSHA TYPE INCR EXISTS HGET HSET HDEL ZADD ZREM ZSCORE ZRANGEBYSCORE"
_OF_CACHES = (
    "EVALSHA GET SET DEL SADD SREM SMEMBERS PERSIST PEXPIREAT ZADD ZREM ZRANGE ZREVRANGE ZCARD ZREMRANGEBYSCORE"
)
#: the whole of what clients and workers may do to which key. EVALSHA: the script has no rights beyond the others here
MAY: dict[str, dict[str, str]] = {
    "client": {
        "meta": "HMGET",
        "requests": "XADD",
        "failed": "XREVRANGE",
        "dead": "XREVRANGE",
        "log": "XREAD XRANGE EXISTS",
        "blob": "GET",
        "cells": "XRANGE",
        "run": "HGETALL",
        "thread": "HGETALL",
        "history": "XRANGE XREVRANGE",
        "queue": "XRANGE",
        "threads": "ZREVRANGE",
        "runs": "ZRANGE",
        "workers": "HGETALL HDEL",
        "coordinators": "HGETALL HDEL",
        "graphs": "HGETALL",
        "lease": "HMGET",
        "open": "SMEMBERS",
        "tasks": "XLEN XPENDING",
        "tasks of a partition": "XLEN XPENDING",
        "store": _OF_STORES,
    },
    "worker": {
        "meta": "HMGET",
        "inbox": "XADD TYPE XLEN MEMORY_USAGE EVALSHA",
        "tasks": _OF_TASKS,
        "tasks of a partition": _OF_TASKS,
        "workers": "HSET HDEL HGETALL EVALSHA",
        "ctl": "XREAD XREVRANGE",
        "ctl of a partition": "XREAD XREVRANGE",
        "blob": "GET SET",
        "cells": "XRANGE",
        "store": _OF_STORES,
        "cache": _OF_CACHES,
    },
}
#: beyond keys
NOBODY: list[tuple[str, ...]] = [
    ("EVAL", "return 1", "0"),
    ("EVAL_RO", "return 1", "0"),
    ("FUNCTION", "LOAD", "x"),
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("KEYS", "*"),
    ("SCAN", "0"),
    ("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"),
    ("ACL", "LIST"),
    ("SHUTDOWN",),
    ("SCRIPT", "FLUSH"),
    ("SCRIPT", "KILL"),
    ("CLIENT", "KILL", "ID", "1"),
    ("CLIENT", "LIST"),
    ("MONITOR",),
    ("DEBUG", "SLEEP", "1"),
    ("REPLICAOF", "a", "1"),
    ("SWAPDB", "0", "1"),
    ("XADD", "another:inbox", "*", "d", "x"),
    ("GET", "secret"),
]
