"""Paths into values, and the texts at them: what of an item is embedded. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

#: brackets that keep what is between them one token
_PAIRS = {"[": "]", "{": "}"}


def tokenize_path(path: str) -> list[str]:
    """The steps of a path: `a.b[*].{c,d}` is `["a", "b", "[*]", "{c,d}"]`. An empty path has none."""
    tokens: list[str] = []
    word = ""
    at = 0
    while at < len(path):
        char = path[at]
        if char in _PAIRS:
            end = _closing(path, at)
            tokens += [word] if word else []
            tokens.append(path[at:end])
            word, at = "", end
            continue
        if char == ".":
            tokens += [word] if word else []
            word = ""
        else:
            word += char
        at += 1
    return [*tokens, word] if word else tokens


def _closing(path: str, start: int) -> int:
    """The place behind the bracket that closes the one at `start`; the end of a path that never closes it."""
    opening, closing = path[start], _PAIRS[path[start]]
    depth = 0
    for at in range(start, len(path)):
        depth += (path[at] == opening) - (path[at] == closing)
        if depth == 0:
            return at + 1
    return len(path)


def get_text_at_path(obj: Any, path: str | list[str]) -> list[str]:
    """The texts that a path (or its tokens) leads to in a value; an empty list if it leads nowhere.

    A token is the key of a dict, `[2]`, `[-1]` or `[*]` of a list, `*` for all there is, or `{a,b.c}` for several
    paths of keys. Numbers and booleans are written as Python writes them, lists and dicts as JSON with sorted keys. An
    empty path and `$` give the whole value.
    """
    if isinstance(obj, Mapping) and not isinstance(obj, dict):
        obj = dict(obj)
    if not path or path == "$":
        return [_json(obj)]
    tokens = tokenize_path(path) if isinstance(path, str) else path
    return list(_texts(obj, tokens))


def _texts(obj: Any, tokens: list[str]) -> Iterator[str]:
    if not tokens:
        yield from _text(obj)
        return
    token, rest = tokens[0], tokens[1:]
    if token.startswith("[") and token.endswith("]"):
        for member in _members(obj, token[1:-1]):
            yield from _texts(member, rest)
    elif token.startswith("{") and token.endswith("}"):
        # what follows a choice of fields is not looked at, as in LangGraph
        for field in token[1:-1].split(","):
            yield from _field(obj, tokenize_path(field.strip()))
    elif token == "*":
        members = obj.values() if isinstance(obj, dict) else obj if isinstance(obj, list) else ()
        for member in members:
            yield from _texts(member, rest)
    elif isinstance(obj, dict) and token in obj:
        yield from _texts(obj[token], rest)


def _members(obj: Any, index: str) -> list[Any]:
    if not isinstance(obj, list):
        return []
    if index == "*":
        return obj
    try:
        return [obj[int(index)]]
    except (ValueError, IndexError):
        return []


def _field(obj: Any, keys: list[str]) -> Iterator[str]:
    if not keys:
        return
    for key in keys:
        if not isinstance(obj, dict) or key not in obj:
            return
        obj = obj[key]
    yield from _text(obj)


def _text(obj: Any) -> Iterator[str]:
    if isinstance(obj, (str, int, float, bool)):
        yield str(obj)
    elif isinstance(obj, (list, dict)):
        yield _json(obj)


def _json(obj: Any) -> str:
    return json.dumps(obj, sort_keys=True, ensure_ascii=False)
