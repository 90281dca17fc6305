"""What the models of the field kit say: rules over the whole conversation, so that parallel calls do not matter.

The name of the model chooses the rules. The first rule whose pattern is found in the transcript says the answer: so
rules stand in the order last turn first. A line of a transcript is "role name: text -> tool(json)".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.messages.openai_server import Said, Script, text_of

Rules = Sequence[tuple[str, Said]]


def say(text: str) -> Said:
    """A turn that answers with a text."""
    return Said(text)


def say_json(**fields: Any) -> Said:
    """A turn that answers with JSON: structured output."""
    return Said(json.dumps(fields))


def call(*calls: tuple[str, dict[str, Any]], text: str = "") -> Said:
    """A turn that calls tools, all at once."""
    return Said(text, tuple((name, json.dumps(arguments)) for name, arguments in calls))


def transcript(messages: Sequence[Mapping[str, Any]]) -> str:
    """The conversation of a request, a line for each message."""
    return "\n".join(map(_line, messages))


def _line(message: Mapping[str, Any]) -> str:
    called = [item["function"] for item in message.get("tool_calls") or ()]
    who = f"{message['role']} {message['name']}" if message.get("name") else message["role"]
    return f"{who}: {text_of(dict(message))}" + "".join(f" -> {f['name']}({f['arguments']})" for f in called)


def scripted(scripts: Mapping[str, Rules]) -> Script:
    """The script of a server. LookupError (the client's error 400) where no rule knows an answer."""

    def script(request: dict[str, Any]) -> Said:
        said = transcript(request["messages"])
        for pattern, answer in scripts[request["model"]]:
            if re.search(pattern, said, re.DOTALL):
                return answer
        raise LookupError(f"no rule of the model {request['model']!r} knows what to say to:\n{said}")

    return script
