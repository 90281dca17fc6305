"""Run requests come from outside: their parts are checked, field by field, before a run begins."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgpack  # type: ignore[import-untyped]

from drumline_graph.texts import is_encodable
from drumline_protocol.errors import InvalidRequest
from drumline_protocol.limits import AFTER_MS_MAX
from drumline_protocol.messages import RunRequest
from drumline_protocol.names import fault_of_name


@cache
def _config_model() -> Any:
    """The model of a run's config. Made when first needed: importing pydantic costs more than all the rest."""
    from pydantic import BaseModel, ConfigDict, Field

    class RunConfig(BaseModel):
        model_config = ConfigDict(extra="allow", strict=True)

        tags: list[str] = []
        metadata: dict[str, Any] = {}
        configurable: dict[str, Any] = {}
        recursion_limit: int | None = Field(default=None, ge=1)
        max_concurrency: int | None = Field(default=None, ge=1)
        run_name: str | None = None

    RunConfig.model_rebuild(_types_namespace={"Any": Any})
    return RunConfig


def check_names(request: RunRequest) -> None:
    """InvalidRequest for an id, a graph or a tag that cannot be one. What a client checks before it sends."""
    faults = [
        f"{field} {fault}"
        for field, value in (("run_id", request.run_id), ("graph", request.graph))
        if (fault := fault_of_name(value)) is not None
    ]
    tags = request.config.get("tags")
    for index, tag in enumerate(tags if isinstance(tags, (list, tuple)) else ()):
        if isinstance(tag, str) and not is_encodable(tag):
            faults.append(f"config.tags.{index} holds a lone surrogate: {tag!r}")
    if faults:
        raise InvalidRequest("; ".join(faults))


def check_run_id(run_id: str) -> None:
    """InvalidRequest for an id that no run can have."""
    fault = fault_of_name(run_id)
    if fault is not None:
        raise InvalidRequest(f"run_id {fault}")


def after_ms_of(seconds: float) -> int:
    """How long after it was accepted a run begins, in ms. ValueError for what cannot be."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds * 1000 <= AFTER_MS_MAX:
        raise ValueError(f"after_seconds must be a number from 0 to {AFTER_MS_MAX // 1000}, not {seconds!r}")
    return round(seconds * 1000)


def check_request(request: RunRequest) -> None:
    """InvalidRequest, naming each field that cannot be, for a request that no run can be started from."""
    from pydantic import ValidationError

    check_names(request)
    if not 0 <= request.after_ms <= AFTER_MS_MAX:
        raise InvalidRequest(f"after_ms must be a number from 0 to {AFTER_MS_MAX}, not {request.after_ms}")
    if not all(isinstance(mode, str) for mode in request.recorded):
        raise InvalidRequest("recorded must be a list of stream modes")
    try:
        _config_model().model_validate(request.config)
    except ValidationError as error:
        faults = "; ".join(f"config.{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise InvalidRequest(faults) from None


#: what stands before the input of a request: its code, the run, the graph
_BEFORE_INPUT = 3
#: bytes before the payload of an ext value, by the first one
_EXT_HEADERS = {0xC7: 3, 0xC8: 4, 0xC9: 6}


def input_in(data: bytes) -> bytes:
    """The bytes of the input in those of a request that was decoded. Of one that is boxed, those in the box."""
    reader = msgpack.Unpacker(max_buffer_size=len(data))
    reader.feed(data)
    reader.read_array_header()
    reader.skip()  # the version of the protocol
    reader.read_array_header()
    for _ in range(_BEFORE_INPUT):
        reader.skip()
    start = reader.tell()
    header = _EXT_HEADERS.get(data[start], 0)
    reader.skip()
    return data[start + header : reader.tell()]
