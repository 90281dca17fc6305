"""Values that do not like to be shown."""

from __future__ import annotations

from pydantic import BaseModel, field_serializer


class Odd:
    def __repr__(self) -> str:
        return "<odd>"


class Mute:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class RaisingModel(BaseModel):
    x: int = 1

    @field_serializer("x")
    def _show(self, _value: int) -> int:
        raise RuntimeError("not today")
