"""The OpenAPI document of the routes. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from drumline_gateway.route import NO, Row

#: routes whose answer is a stream of events
_STREAMS = ("/stream", "/stream/events", "/facts")


def document(version: str, rows: Sequence[Row]) -> dict[str, Any]:
    """An OpenAPI 3.1 document: each route that is built, with its parameters and what it answers."""
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row.built != NO:
            paths.setdefault(row.path, {})[row.method.lower()] = _operation(row)
    return {
        "openapi": "3.1.0",
        "info": {"title": "drumline", "version": version},
        "paths": paths,
        "components": {
            "schemas": {
                "Problem": {
                    "type": "object",
                    "properties": {"detail": {"type": "string"}},
                    "required": ["detail"],
                }
            },
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
        },
    }


def _operation(row: Row) -> dict[str, Any]:
    module = row.handler.__module__.rpartition(".")[2].removeprefix("of_")
    problem = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    kind = "text/event-stream" if row.path.endswith(_STREAMS) else "application/json"
    found: dict[str, Any] = {
        "operationId": f"{row.method.lower()}{re.sub('[^a-z0-9]+', '_', row.path.lower()).rstrip('_')}",
        "summary": (row.handler.__doc__ or "").strip().partition("\n")[0],
        "tags": [module],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"{(\w+)}", row.path)
        ],
        "responses": {
            "200": {"description": "done", "content": {kind: {}}},
            "default": {"description": "refused", "content": problem},
        },
    }
    if row.note:
        found["description"] = row.note
    if row.method in ("POST", "PUT", "PATCH"):
        found["requestBody"] = {"content": {"application/json": {"schema": {}}}}
    if not row.is_open:
        found["security"] = [{}, {"key": []}]
    return found
