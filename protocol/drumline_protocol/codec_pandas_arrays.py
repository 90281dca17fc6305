"""The columns of pandas' tables as data: `[kind, part, ...]`, whose parts are values that the codec knows.

The kinds are a closed list: numbers and times in numpy's arrays, lists of Python objects (each of which must cross by
itself), texts, categories, numbers with a mask, times with a zone, periods, intervals. Others, of Arrow or of other
packages, are refused with a way out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]

from drumline_protocol.codec_builtin import Refused

#: a zone is looked up by name in the reader's own database, so the name must be no path
_ZONE_NAME = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,3}")


def array_parts(array: Any) -> list[Any]:
    """What is written of a column. Refused for kinds that are in no table."""
    dtype = array.dtype
    if isinstance(array, np.ndarray) or type(array) is pd.arrays.NumpyExtensionArray:
        return _numpy_parts(np.asarray(array))
    if isinstance(dtype, pd.CategoricalDtype):
        return ["category", np.asarray(array.codes), dtype.categories, dtype.ordered]
    if isinstance(dtype, pd.DatetimeTZDtype):
        return ["zoned", np.asarray(array.tz_convert("UTC").tz_localize(None)), zone_parts(dtype.tz), _freq_of(array)]
    if isinstance(dtype, np.dtype):
        return ["times", np.asarray(array), _freq_of(array)]
    if isinstance(dtype, pd.PeriodDtype):
        return ["period", array.asi8, str(dtype).removeprefix("period[").removesuffix("]")]
    if isinstance(dtype, pd.IntervalDtype):
        return ["interval", pd.Index(array.left), pd.Index(array.right), dtype.closed]
    if isinstance(dtype, pd.StringDtype):
        missing = np.asarray(array.isna())
        texts = [None if gone else text for text, gone in zip(array, missing, strict=True)]
        return ["string", dtype.storage, dtype.na_value is pd.NA, texts]
    if isinstance(array, _MASKED):
        missing = np.asarray(array.isna())
        return ["masked", array.to_numpy(dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0)), missing]
    raise Refused(f"a column of dtype {dtype}: convert it, as with .astype(object) or .to_numpy()")


def array_of(parts: Any) -> Any:
    """The column that such data describe."""
    if type(parts) is not list or not parts or type(parts[0]) is not str or parts[0] not in _KINDS:
        raise ValueError("not a column of a kind that is known")
    return _KINDS[parts[0]](*parts[1:])


def _numpy_parts(array: Any) -> list[Any]:
    return ["objects", array.tolist()] if array.dtype == object else ["numpy", array]


def _freq_of(array: Any) -> Any:
    return getattr(array, "freqstr", None)


_MASKED = (pd.arrays.BooleanArray, pd.arrays.FloatingArray, pd.arrays.IntegerArray)


def _ndarray(given: Any, kinds: str) -> Any:
    if type(given) is not np.ndarray or given.ndim != 1 or given.dtype.kind not in kinds:
        raise ValueError("not the values of a column")
    return given


def _numpy(values: Any) -> Any:
    return _ndarray(values, "biufcmMSUV")


def _objects(values: Any) -> Any:
    if type(values) is not list:
        raise ValueError("not the values of a column")
    array = np.empty(len(values), dtype=object)
    for at, value in enumerate(values):  # by itself: numpy would look into lists
        array[at] = value
    return array


def _category(codes: Any, categories: Any, ordered: Any) -> Any:
    if not isinstance(categories, pd.Index):
        raise ValueError("not the categories of a column")
    return pd.Categorical.from_codes(_ndarray(codes, "i"), dtype=pd.CategoricalDtype(categories, ordered is True))


def _times(values: Any, freq: Any) -> Any:
    array: Any = pd.array(_ndarray(values, "mM"))
    return _with_freq(array, freq)


def _zoned(values: Any, zone: Any, freq: Any) -> Any:
    array: Any = pd.array(_ndarray(values, "M"))
    return _with_freq(array.tz_localize("UTC").tz_convert(zone_of(zone)), freq)


def zone_parts(zone: Any) -> Any:
    """A time zone as it is written: those of pytz, which pandas gave before 3, by name."""
    name = getattr(zone, "zone", None)
    return name if type(name) is str else zone


def zone_of(zone: Any) -> Any:
    """The time zone that was written: a name means the one that this pandas gives it."""
    if type(zone) is str and _ZONE_NAME.fullmatch(zone) is None:
        raise ValueError("not the name of a time zone")
    return zone


def _with_freq(array: Any, freq: Any) -> Any:
    if freq is None:
        return array
    if type(freq) is not str or len(freq) > 64:
        raise ValueError("not a frequency")
    index: Any = pd.Index(array)
    index.freq = freq
    return index.array


def period_dtype(freq: Any) -> Any:
    """The dtype of periods of that frequency."""
    if type(freq) is not str or len(freq) > 64:
        raise ValueError("not a frequency")
    return pd.PeriodDtype(freq)


def _period(ordinals: Any, freq: Any) -> Any:
    dtype = period_dtype(freq)
    return pd.arrays.PeriodArray(_ndarray(ordinals, "i"), dtype=dtype)


def _interval(left: Any, right: Any, closed: Any) -> Any:
    if not isinstance(left, pd.Index) or not isinstance(right, pd.Index):
        raise ValueError("not the bounds of intervals")
    return pd.arrays.IntervalArray.from_arrays(left, right, closed=closed)


def _string(storage: Any, marks_na: Any, texts: Any) -> Any:
    if storage not in ("python", "pyarrow") or type(texts) is not list:
        raise ValueError("not the texts of a column")
    if any(text is not None and type(text) is not str for text in texts):
        raise ValueError("not the texts of a column")
    dtype = pd.StringDtype(storage) if marks_na else pd.StringDtype(storage, na_value=np.nan)
    return pd.array(texts, dtype=dtype)


def _masked(values: Any, missing: Any) -> Any:
    values, missing = _ndarray(values, "biuf"), _ndarray(missing, "b")
    if len(values) != len(missing):
        raise ValueError("not the values of a column and which of them are missing")
    kinds = {"b": pd.arrays.BooleanArray, "f": pd.arrays.FloatingArray}
    return kinds.get(values.dtype.kind, pd.arrays.IntegerArray)(values, missing)


_KINDS: dict[str, Callable[..., Any]] = {
    "category": _category,
    "interval": _interval,
    "masked": _masked,
    "numpy": _numpy,
    "objects": _objects,
    "period": _period,
    "string": _string,
    "times": _times,
    "zoned": _zoned,
}
