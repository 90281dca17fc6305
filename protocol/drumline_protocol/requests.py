"""Run requests come from outside: their parts are checked, field by field, before a run begins."""

from __future__ import annotations

from functools import cache
from typing import Any

from drumline_protocol.errors import InvalidRequest
from drumline_protocol.messages import RunRequest


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


def check_request(request: RunRequest) -> None:
    """InvalidRequest, naming each field that cannot be, for a request that no run can be started from."""
    from pydantic import ValidationError

    if not request.run_id or len(request.run_id) > 200:
        raise InvalidRequest("run_id must have 1 to 200 characters")
    if not all(isinstance(mode, str) for mode in request.record):
        raise InvalidRequest("record must be a list of stream modes")
    try:
        _config_model().model_validate(request.config)
    except ValidationError as error:
        faults = "; ".join(f"config.{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise InvalidRequest(faults) from None
