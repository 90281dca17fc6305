"""Assistants that clients have made: how one is kept with its versions, and what it gives to a run. Pure.

A graph's own assistant is not kept: it follows from the graph. An assistant is kept as JSON, in one piece, so that a
change of it is one comparison and one write.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from drumline_gateway.errors import HttpError
from drumline_gateway.service import Row
from drumline_gateway.shapes import iso
from drumline_protocol.limits import ASSISTANT_BYTES_MAX, ASSISTANT_VERSIONS_MAX

#: what a client says of an assistant, and what it is if the client does not
SAID: Row = {"graph_id": "", "config": {}, "context": {}, "metadata": {}, "name": "Untitled", "description": None}


def made(assistant: str, said: Mapping[str, Any], at_ms: int) -> Row:
    """A new assistant, with its first version. `said` names its graph."""
    first = {**SAID, **said, "version": 1, "created_ms": at_ms}
    return {"assistant_id": assistant, "created_ms": at_ms, "updated_ms": at_ms, "latest": 1, "versions": [first]}


def changed(kept: Row, said: Mapping[str, Any], at_ms: int) -> Row:
    """The same with one more version, which is the one from now on. Metadata are added; all else is replaced."""
    last = latest(kept)
    said = {**said, "metadata": {**last["metadata"], **said.get("metadata", {})}}
    number = kept["versions"][-1]["version"] + 1
    versions = [*kept["versions"], {**last, **said, "version": number, "created_ms": at_ms}]
    return {**kept, "updated_ms": at_ms, "latest": number, "versions": versions[-ASSISTANT_VERSIONS_MAX:]}


def turned(kept: Row, number: int, at_ms: int) -> Row | None:
    """The same with another version as the one from now on; None if there is no such version."""
    if not any(version["version"] == number for version in kept["versions"]):
        return None
    return {**kept, "updated_ms": at_ms, "latest": number}


def latest(kept: Row) -> Row:
    """The version that counts."""
    found: Row = next(version for version in kept["versions"] if version["version"] == kept["latest"])
    return found


def shown(kept: Row) -> Row:
    """An assistant as clients see it, but for what of its metadata they do not."""
    return {**_shown(kept, latest(kept)), "updated_at": iso(kept["updated_ms"])}


def shown_versions(kept: Row) -> list[Row]:
    """Its versions, the newest first."""
    return [_shown(kept, version) for version in reversed(kept["versions"])]


def _shown(kept: Row, version: Row) -> Row:
    told = {key: version[key] for key in (*SAID, "version")}
    return {"assistant_id": kept["assistant_id"], **told, "created_at": iso(version["created_ms"])}


def data_of(kept: Row) -> bytes:
    """An assistant as it is kept. HttpError 413 for one that is too large."""
    data = json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    if len(data) > ASSISTANT_BYTES_MAX:
        raise HttpError(413, f"An assistant has at most {ASSISTANT_BYTES_MAX} bytes, with all its versions.")
    return data


def read(data: bytes) -> Row:
    """An assistant, out of what is kept of it."""
    found: Row = json.loads(data.decode("utf-8", "surrogatepass"))
    return found


def run_body_with(body: Any, assistant: Row) -> Any:
    """The body of a run with what its assistant says. What the body says itself comes first."""
    if not isinstance(body, dict):
        return body
    config, context = body.get("config") or {}, body.get("context") or {}
    if not isinstance(config, dict) or not isinstance(context, dict):
        return body  # it is refused when it is read
    theirs = assistant["config"]
    merged = {**theirs, **config}
    for key in ("configurable", "metadata"):
        if isinstance(config.get(key) or {}, dict):
            merged[key] = {**(theirs.get(key) or {}), **(config.get(key) or {})}
    if isinstance(config.get("tags") or [], list):
        merged["tags"] = list(dict.fromkeys([*(theirs.get("tags") or ()), *(config.get("tags") or ())]))
    named = config.get("configurable") or {}
    if isinstance(merged["configurable"], dict):  # nodes find a context there too: that of the run, not the assistant's
        own = {key: value for key, value in context.items() if key not in named}
        merged["configurable"] = {**merged["configurable"], **own}
    return {**body, "config": merged, "context": {**assistant["context"], **context}}
