"""pandas' tables, series, indexes and scalars on the wire, under tags `pandas:...`. Imported once pandas is.

A table travels as its columns, its labels and its `attrs`; each column as `codec_pandas_arrays` writes it. So dtypes,
indexes with their names and frequencies, categories and time zones come back as they were, and nothing is pickled.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]

from drumline_protocol.codec_pandas_arrays import array_of, array_parts, period_dtype, zone_of, zone_parts
from drumline_protocol.codec_types import TypeTable, WireType

#: what tags of this table begin with: of what takes long to build, and of scalars
PREFIX, SCALARS = "pandas:", "pandas.scalar:"

_UNITS = ("s", "ms", "us", "ns")


def pandas_types() -> TypeTable:
    """The table."""
    return TypeTable(_entries())


def _entries() -> Iterator[WireType]:
    yield WireType(pd.DataFrame, f"{PREFIX}DataFrame", _frame_parts, _frame)
    yield WireType(pd.Series, f"{PREFIX}Series", _series_parts, _series)
    yield WireType(pd.RangeIndex, f"{PREFIX}RangeIndex", _range_parts, _range)
    yield WireType(pd.MultiIndex, f"{PREFIX}MultiIndex", _multi_parts, _multi)
    for cls in (
        pd.Index,
        pd.DatetimeIndex,
        pd.TimedeltaIndex,
        pd.PeriodIndex,
        pd.CategoricalIndex,
        pd.IntervalIndex,
    ):
        yield _index_type(cls)
    for cls in _array_classes():
        yield WireType(cls, f"{PREFIX}array.{cls.__name__}", lambda obj: [array_parts(obj)], _array_alone)
    yield WireType(pd.Timestamp, f"{SCALARS}Timestamp", _timestamp_parts, _timestamp)
    yield WireType(pd.Timedelta, f"{SCALARS}Timedelta", lambda obj: [obj.asm8], _timedelta)
    yield WireType(pd.Period, f"{SCALARS}Period", lambda obj: [obj.ordinal, obj.freqstr], _period)
    yield WireType(pd.Interval, f"{SCALARS}Interval", lambda obj: [obj.left, obj.right, obj.closed], _interval)
    yield WireType(type(pd.NaT), f"{SCALARS}NaT", lambda _obj: [None], lambda _parts: pd.NaT)
    yield WireType(type(pd.NA), f"{SCALARS}NA", lambda _obj: [None], lambda _parts: pd.NA)


def _array_classes() -> list[Any]:
    names = ["BooleanArray", "Categorical", "DatetimeArray", "FloatingArray", "IntegerArray", "IntervalArray"]
    names += ["PeriodArray", "StringArray", "TimedeltaArray"]
    return [cls for name in names if (cls := getattr(pd.arrays, name, getattr(pd, name, None))) is not None]


def _array_alone(parts: list[Any]) -> Any:
    return array_of(parts[0])


# -- tables and series --------------------------------------------------------------------------------


def _frame_parts(frame: Any) -> list[Any]:
    columns = [array_parts(frame.iloc[:, at].array) for at in range(frame.shape[1])]
    return [columns, frame.columns, frame.index, dict(frame.attrs), frame.flags.allows_duplicate_labels]


def _frame(parts: list[Any]) -> Any:
    columns, names, index, attrs, duplicates = parts
    if not isinstance(names, pd.Index) or not isinstance(index, pd.Index) or type(columns) is not list:
        raise ValueError("not the parts of a DataFrame")
    arrays = [array_of(column) for column in columns]
    if len(names) != len(arrays) or any(len(array) != len(index) for array in arrays):
        raise ValueError("not the parts of a DataFrame: its columns have another length than its labels")
    frame: Any = pd.DataFrame(dict(enumerate(arrays)), index=index, copy=False)
    frame.columns = names
    return _told(frame, attrs, duplicates)


def _series_parts(series: Any) -> list[Any]:
    return [
        array_parts(series.array),
        series.index,
        series.name,
        dict(series.attrs),
        series.flags.allows_duplicate_labels,
    ]


def _series(parts: list[Any]) -> Any:
    values, index, name, attrs, duplicates = parts
    if not isinstance(index, pd.Index):
        raise ValueError("not the parts of a Series")
    array = array_of(values)
    if len(array) != len(index):
        raise ValueError("not the parts of a Series: it has another length than its labels")
    return _told(pd.Series(array, index=index, name=name, copy=False), attrs, duplicates)


def _told(made: Any, attrs: Any, duplicates: Any) -> Any:
    if type(attrs) is not dict:
        raise ValueError("attrs that are no dict")
    made.attrs = attrs
    if duplicates is False:
        made.flags.allows_duplicate_labels = False
    return made


# -- indexes ------------------------------------------------------------------------------------------


def _range_parts(index: Any) -> list[Any]:
    return [index.start, index.stop, index.step, index.name]


def _range(parts: list[Any]) -> Any:
    start, stop, step, name = parts
    if any(type(part) is not int for part in (start, stop, step)):
        raise ValueError("not the parts of a RangeIndex")
    return pd.RangeIndex(start, stop, step, name=name)


def _multi_parts(index: Any) -> list[Any]:
    codes = [np.asarray(part) for part in index.codes]
    return [[level.rename(None) for level in index.levels], codes, list(index.names), index.sortorder]


def _multi(parts: list[Any]) -> Any:
    levels, codes, names, order = parts
    if not all(isinstance(level, pd.Index) for level in levels) or len(levels) != len(codes):
        raise ValueError("not the parts of a MultiIndex")
    return pd.MultiIndex(levels=levels, codes=codes, names=names, sortorder=order)


def _index_type(cls: Any) -> WireType:
    def dump(index: Any) -> list[Any]:
        freq = getattr(index, "freqstr", None) if cls in (pd.DatetimeIndex, pd.TimedeltaIndex) else None
        return [array_parts(index.array), index.name, freq]

    def load(parts: list[Any]) -> Any:
        values, name, freq = parts
        array = array_of(values)
        # with the dtype, or numbers in objects would become an index of numbers
        options = {"dtype": array.dtype, "copy": False} if cls is pd.Index else {}
        index: Any = cls(array, name=name, **options)
        if type(index) is not cls:
            raise ValueError(f"not the parts of a {cls.__name__}")
        if freq is not None:
            index.freq = _freq(freq)
        return index

    return WireType(cls, PREFIX + cls.__name__, dump, load)


def _freq(name: Any) -> str:
    if type(name) is not str or len(name) > 64:
        raise ValueError("not a frequency")
    return name


# -- scalars ------------------------------------------------------------------------------------------


def _timestamp_parts(moment: Any) -> list[Any]:
    return [moment.asm8, zone_parts(moment.tzinfo), moment.fold]


def _timestamp(parts: list[Any]) -> Any:
    instant, zone, fold = parts
    if not isinstance(instant, np.datetime64) or np.datetime_data(instant.dtype)[0] not in _UNITS:
        raise ValueError("not the parts of a Timestamp")
    moment: Any = pd.Timestamp(instant)
    if zone is not None:
        return moment.tz_localize("UTC").tz_convert(zone_of(zone))
    return moment.replace(fold=fold) if fold else moment


def _timedelta(parts: list[Any]) -> Any:
    span = parts[0]
    if not isinstance(span, np.timedelta64) or np.datetime_data(span.dtype)[0] not in _UNITS:
        raise ValueError("not the parts of a Timedelta")
    return pd.Timedelta(span)


def _period(parts: list[Any]) -> Any:
    ordinal, freq = parts
    if type(ordinal) is not int:
        raise ValueError("not the parts of a Period")
    return pd.Period(ordinal=ordinal, freq=period_dtype(freq).freq)


def _interval(parts: list[Any]) -> Any:
    left, right, closed = parts
    return pd.Interval(left, right, closed=closed)
