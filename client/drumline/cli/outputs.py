"""How `drumline run` prints to a pipe: JSON lines, or plain lines that grow as the stream does."""

from __future__ import annotations

import codecs
import sys
from typing import Any

from drumline.cli.jsonable import safe_repr, to_line

Namespace = tuple[str, ...]


class JsonOutput:
    """One JSON object for each item: `{"mode": str, "ns": [str], "data": ...}`."""

    further_modes: tuple[str, ...] = ()

    def __init__(self, subgraphs: bool) -> None:
        self.needs_subgraphs = subgraphs
        #: an encoding that lacks characters gets their escapes
        self._ascii_only = not is_utf8(sys.stdout.encoding)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_exc: object) -> None:
        return None

    def show(self, ns: Namespace, mode: str, payload: Any) -> None:
        """Print an item, at once."""
        item = {"mode": mode, "ns": list(ns), "data": payload}
        print(to_line(item, ascii_only=self._ascii_only), flush=True)


class LineOutput:
    """A line for each item; tokens of messages follow each other on one line."""

    further_modes: tuple[str, ...] = ()

    def __init__(self, subgraphs: bool) -> None:
        self.needs_subgraphs = subgraphs
        self._in_text = False

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_exc: object) -> None:
        self._end_text()

    def show(self, ns: Namespace, mode: str, payload: Any) -> None:
        """Print an item, at once."""
        if mode == "messages":
            text = text_of(payload)
            sys.stdout.write(text)
            sys.stdout.flush()
            self._in_text = self._in_text or bool(text)
            for call in calls_of(payload):
                self._end_text()
                print(f"{mode}{where(ns)}: {call}", flush=True)
            return
        self._end_text()
        print(f"{mode}{where(ns)}: {safe_repr(payload)}", flush=True)

    def _end_text(self) -> None:
        if self._in_text:
            self._in_text = False
            print(flush=True)


def is_utf8(encoding: str | None) -> bool:
    """Whether text of any characters can be written in `encoding`."""
    try:
        return codecs.lookup(encoding or "ascii").name == "utf-8"
    except LookupError:
        return False


def where(ns: Namespace) -> str:
    """The namespace of a subgraph's item, with node names only: ` [report/section]`."""
    return f" [{'/'.join(part.partition(':')[0] for part in ns)}]" if ns else ""


def text_of(payload: Any) -> str:
    """The text of a `messages` item: `(message, metadata)`."""
    message = payload[0] if isinstance(payload, (tuple, list)) and payload else payload
    content = getattr(message, "content", None)
    if content is None:
        fields = getattr(message, "fields", message)
        content = fields.get("content", "") if isinstance(fields, dict) else ""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(part if isinstance(part, str) else str(part.get("text", "")) for part in parts)


def calls_of(payload: Any) -> list[str]:
    """The tools that a whole message of a `messages` item calls, as `name(arguments)`; of a chunk, the names."""
    message = payload[0] if isinstance(payload, (tuple, list)) and payload else payload
    fields = getattr(message, "fields", message)

    def listed(name: str) -> list[Any]:
        found = fields.get(name) if isinstance(fields, dict) else getattr(message, name, None)
        return [call for call in found if isinstance(call, dict)] if isinstance(found, (list, tuple)) else []

    chunks = listed("tool_call_chunks")
    if chunks:
        return [f"calls {call['name']}(...)" for call in chunks if call.get("name")]
    return [f"calls {call.get('name')}({safe_repr(call.get('args'))})" for call in listed("tool_calls")]
