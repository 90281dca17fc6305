"""A chat-completions server on the loopback interface, as far as OpenAI's clients use it.

Streaming (SSE, with usage if `stream_options.include_usage` asks for it), not streaming, tool calls. What it answers
depends on the request alone: "About <the last message>", word by word. A user's message `!call NAME {json}` scripts a
call of that tool, `!json {json}` a structured answer; the answer to a tool's message is "The tool said <its content>".
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def tokens_of(text: str) -> list[str]:
    """The tokens that a text is streamed in."""
    return [word if index == 0 else f" {word}" for index, word in enumerate(text.split())]


class _Answer:
    """What is said to one request."""

    def __init__(self, request: dict[str, Any]) -> None:
        last = request["messages"][-1]
        content = last["content"]
        if isinstance(content, list):
            content = " ".join(part.get("text", "") for part in content)
        self.model = request["model"]
        self.text = ""
        self.call: tuple[str, str] | None = None
        if last["role"] == "user" and content.startswith("!call ") and request.get("tools"):
            name, _, arguments = content.removeprefix("!call ").partition(" ")
            self.call = (name, arguments)
        elif last["role"] == "user" and content.startswith("!json "):
            self.text = content.removeprefix("!json ")
        else:
            self.text = f"The tool said {content}" if last["role"] == "tool" else f"About {content}"
        digest = hashlib.sha256(json.dumps(request["messages"], sort_keys=True).encode()).hexdigest()
        self.id = f"chatcmpl-{digest[:20]}"
        self.usage = {
            "prompt_tokens": len(request["messages"]),
            "completion_tokens": len(tokens_of(self.text)),
            "total_tokens": len(request["messages"]) + len(tokens_of(self.text)),
        }

    def _tool_call(self, arguments: str) -> dict[str, Any]:
        assert self.call is not None
        return {
            "id": f"call_{self.id[-8:]}",
            "type": "function",
            "function": {"name": self.call[0], "arguments": arguments},
        }

    @property
    def finish_reason(self) -> str:
        return "stop" if self.call is None else "tool_calls"

    def whole(self) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None, "refusal": None}
        if self.call is not None:
            message["tool_calls"] = [self._tool_call(self.call[1])]
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
        yield {"role": "assistant", "content": None if self.call else "", "refusal": None}, None
        if self.call is None:
            for token in tokens_of(self.text):
                yield {"content": token}, None
        else:
            arguments = self.call[1]
            middle = len(arguments) // 2
            yield {"tool_calls": [{"index": 0, **self._tool_call("")}]}, None
            for part in (arguments[:middle], arguments[middle:]):
                yield {"tool_calls": [{"index": 0, "function": {"arguments": part}}]}, None
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

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        request = json.loads(self.rfile.read(length))
        if not self.path.endswith("/chat/completions"):
            self.send_error(404)
            return
        answer = _Answer(request)
        self.send_response(200)
        if not request.get("stream"):
            body = json.dumps(answer.whole()).encode()
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        usage = bool((request.get("stream_options") or {}).get("include_usage"))
        for chunk in answer.chunks(usage=usage):
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.flush()
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


class OpenAIServer:
    """The server on a thread of its own, while the `with` block runs. `url` is a client's `base_url`."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
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
