"""A chat-completions server on the loopback interface, as far as OpenAI's clients use it.

Streaming (SSE, with usage if `stream_options.include_usage` asks for it), not streaming, tool calls. What it answers
depends on the request alone, and is what its script says. That of `repeat`, the default: "About <the last message>",
word by word. A user's message `!call NAME {json}` scripts a call of that tool, `!json {json}` a structured answer; the
answer to a tool's message is "The tool said <its content>".
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def tokens_of(text: str) -> list[str]:
    """The tokens that a text is streamed in."""
    return [word if index == 0 else f" {word}" for index, word in enumerate(text.split())]


def text_of(message: dict[str, Any]) -> str:
    """The text of one message of a request."""
    content = message.get("content") or ""
    if isinstance(content, list):
        return " ".join(part.get("text", "") for part in content)
    return str(content)


@dataclass(frozen=True)
class Said:
    """What a model says: a text, or calls of tools as pairs of name and JSON."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()


Script = Callable[[dict[str, Any]], Said]


def repeat(request: dict[str, Any]) -> Said:
    """The script of a server that was given none."""
    last = request["messages"][-1]
    content = text_of(last)
    if last["role"] == "user" and content.startswith("!call ") and request.get("tools"):
        name, _, arguments = content.removeprefix("!call ").partition(" ")
        return Said(calls=((name, arguments),))
    if last["role"] == "user" and content.startswith("!json "):
        return Said(content.removeprefix("!json "))
    return Said(f"The tool said {content}" if last["role"] == "tool" else f"About {content}")


_RANDOM = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?"
)


class _Answer:
    """What is said to one request."""

    def __init__(self, request: dict[str, Any], said: Said) -> None:
        self.model = request["model"]
        self.text, self.calls = said.text, said.calls
        # without random ids and times that are in the conversation: two runs of one graph get the same answers
        conversation = _RANDOM.sub("", json.dumps(request["messages"], sort_keys=True))
        self.id = f"chatcmpl-{hashlib.sha256(conversation.encode()).hexdigest()[:20]}"
        self.usage = {
            "prompt_tokens": len(request["messages"]),
            "completion_tokens": len(tokens_of(self.text)),
            "total_tokens": len(request["messages"]) + len(tokens_of(self.text)),
        }

    def _tool_call(self, index: int, arguments: str) -> dict[str, Any]:
        return {
            "id": f"call_{self.id[-8:]}" + (f"_{index}" if index else ""),
            "type": "function",
            "function": {"name": self.calls[index][0], "arguments": arguments},
        }

    @property
    def finish_reason(self) -> str:
        return "tool_calls" if self.calls else "stop"

    def whole(self) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None, "refusal": None}
        if self.calls:
            message["tool_calls"] = [self._tool_call(index, call[1]) for index, call in enumerate(self.calls)]
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason, "logprobs": None}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self.usage}

    def chunks(self, *, usage: bool) -> Iterator[dict[str, Any]]:
        for delta, reason in self._deltas():
            choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
            chunk = {**self._head("chat.completion.chunk"), "choices": [choice]}
            yield {**chunk, "usage": None} if usage else chunk
        if usage:
            yield {**self._head("chat.completion.chunk"), "choices": [], "usage": self.usage}

    def _deltas(self) -> Iterator[tuple[dict[str, Any], str | None]]:
        yield {"role": "assistant", "content": None if self.calls else "", "refusal": None}, None
        for token in tokens_of(self.text):
            yield {"content": token}, None
        for index, (_, arguments) in enumerate(self.calls):
            middle = len(arguments) // 2
            yield {"tool_calls": [{"index": index, **self._tool_call(index, "")}]}, None
            for part in (arguments[:middle], arguments[middle:]):
                yield {"tool_calls": [{"index": index, "function": {"arguments": part}}]}, None
        yield {}, self.finish_reason

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": 1700000000,
            "model": self.model,
            "service_tier": "default",
            "system_fingerprint": "fp_test",
        }


class _Handler(BaseHTTPRequestHandler):
    # HTTP/1.0: one request a connection, so no client keeps one beyond the event loop that it was opened on.
    script: Script

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        request = json.loads(self.rfile.read(length))
        if not self.path.endswith("/chat/completions"):
            self.send_error(404)
            return
        try:
            answer = _Answer(request, type(self).script(request))
        except LookupError as error:  # an error that OpenAI's clients show, and do not try again
            self._send_body(400, {"error": {"message": str(error), "type": "script", "code": None, "param": None}})
            return
        if not request.get("stream"):
            self._send_body(200, answer.whole())
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        usage = bool((request.get("stream_options") or {}).get("include_usage"))
        for chunk in answer.chunks(usage=usage):
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.flush()
        self.wfile.write(b"data: [DONE]\n\n")

    def _send_body(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


class OpenAIServer:
    """The server on a thread of its own, while the `with` block runs. `url` is a client's `base_url`.

    `script` says what is answered to a request; its LookupError is an error of the client.
    """

    def __init__(self, script: Script = repeat) -> None:
        handler = type("_Scripted", (_Handler,), {"script": staticmethod(script)})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def environment(self) -> dict[str, str]:
        """What makes OpenAI's clients talk to this server, with nothing changed in the code that uses them."""
        return {"OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": "test-key"}

    def __enter__(self) -> OpenAIServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
