"""pandas' tables, series, indexes and scalars: dtypes, labels, frequencies and attrs come back; nothing is pickled."""

from __future__ import annotations

import decimal
from typing import Any

import msgpack
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_extension_array_equal, assert_frame_equal, assert_index_equal, assert_series_equal
from tests.protocol.bombs import ext
from tests.protocol.samples import CODEC

from drumline_protocol.errors import DecodeError, EncodeError


def back(value: Any) -> Any:
    return CODEC.decode(CODEC.encode({"a": [value]}))["a"][0]


def everything() -> Any:
    frame = pd.DataFrame(
        {
            "ints": [1, 2, 3],
            "floats": [1.5, np.nan, 2],
            "texts": ["x", None, "z"],
            "objects": pd.Series([1, "a", [1, (2,)]], dtype=object),
            "times": pd.date_range("2020", periods=3),
            "zoned": pd.date_range("2020", periods=3, tz="Europe/Berlin"),
            "spans": pd.to_timedelta([1, 2, 3], unit="s"),
            "kinds": pd.Categorical(["a", "b", "a"], categories=["b", "a"], ordered=True),
            "some ints": pd.array([1, None, 3], dtype="Int64"),
            "some bools": pd.array([True, None, False]),
            "some floats": pd.array([1.5, None, 2.5], dtype="Float32"),
            "strings": pd.array(["a", pd.NA, "b"], dtype="string"),
            "periods": pd.period_range("2020-01", periods=3, freq="M"),
            "intervals": pd.interval_range(0, 3),
            "decimals": [decimal.Decimal(1)] * 3,
            "bytes": np.array([1, 2, 3], dtype=np.int8),
            "complex": [1j] * 3,
        }
    )
    frame.attrs = {"source": ("a", 1)}
    return frame


FRAMES = {
    "everything": everything,
    "nothing": pd.DataFrame,
    "only rows": lambda: pd.DataFrame(index=range(3)),
    "only columns": lambda: pd.DataFrame(columns=["a", "b"]),
    "labels at two levels": lambda: everything().set_index(["ints", "texts"]),
    "numbers for names": lambda: pd.DataFrame(np.arange(6).reshape(2, 3)),
    "a name twice": lambda: pd.DataFrame([[1, 2], [3, 4]], columns=["x", "x"]),
    "turned": lambda: everything().T,
    "grouped": lambda: everything().groupby("ints")[["floats"]].agg(["sum", "mean"]),
    "chosen rows": lambda: everything()[everything().ints > 1],
}


@pytest.mark.parametrize("name", FRAMES)
def test_tables(name: str) -> None:
    frame = FRAMES[name]()
    result = back(frame)
    assert_frame_equal(frame, result, check_freq=True, check_column_type=True)
    assert list(result.dtypes) == list(frame.dtypes)
    assert type(result.index) is type(frame.index)
    assert result.attrs == frame.attrs


def test_a_table_may_be_changed_and_computed_with() -> None:
    result = back(everything())
    result.loc[0, "ints"] = 7
    result["new"] = result["ints"] * 2
    assert result["new"].tolist() == [14, 4, 6]
    strict = pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False)
    assert back(strict).flags.allows_duplicate_labels is False


SERIES = [
    pd.Series([1, 2], name="n"),
    pd.Series(dtype="float64"),
    pd.Series([1, 2], index=["a", "b"], name=("x", 1)),
    pd.Series(["a", None]),
    *(everything()[name] for name in everything().columns),
]


@pytest.mark.parametrize("series", SERIES, ids=lambda series: f"{series.name} {series.dtype}")
def test_series(series: Any) -> None:
    series = series.copy()
    series.attrs = {"unit": "km"}
    result = back(series)
    assert_series_equal(series, result)
    assert (result.dtype, result.attrs) == (series.dtype, {"unit": "km"})


INDEXES = [
    pd.RangeIndex(1, 9, 2, name="r"),
    pd.Index([1, 2]),
    pd.Index(["a", "b"], name="q"),
    pd.Index([1, "a"], dtype=object),
    pd.Index([1, 2], dtype=object),
    pd.Index([True, False]),
    pd.Index([1.5], dtype="Float64"),
    pd.date_range("2020", periods=3, freq="D", tz="UTC"),
    pd.date_range("2020", periods=3, freq="MS"),
    pd.DatetimeIndex(["2020", None]),
    pd.timedelta_range("1s", periods=3),
    pd.period_range("2020", periods=2, freq="Q"),
    pd.CategoricalIndex(["a", "b"]),
    pd.interval_range(0, 2, closed="left"),
    pd.MultiIndex.from_product([[1, 2], ["a", "b"]], names=["x", None]),
]


@pytest.mark.parametrize("index", INDEXES, ids=lambda index: f"{type(index).__name__} {index.dtype}")
def test_indexes(index: Any) -> None:
    result = back(index)
    assert_index_equal(index, result, exact=True)
    assert getattr(result, "freq", None) == getattr(index, "freq", None)


SCALARS = [
    pd.Timestamp("2020-01-01 01:02:03.123456789"),
    pd.Timestamp("2020", tz="Europe/Berlin"),
    pd.Timestamp("2020").as_unit("s"),
    pd.Timestamp("2020-10-25 00:30", tz="UTC").tz_convert("Europe/Berlin"),
    pd.Timestamp("2020-10-25 01:30", tz="UTC").tz_convert("Europe/Berlin"),
    pd.Timedelta(5, "ms"),
    pd.Period("2020-03", "M"),
    pd.Interval(1, 2, closed="both"),
]


@pytest.mark.parametrize("scalar", SCALARS, ids=repr)
def test_scalars(scalar: Any) -> None:
    result = back(scalar)
    assert (type(result), result, repr(result)) == (type(scalar), scalar, repr(scalar))
    assert getattr(result, "unit", None) == getattr(scalar, "unit", None)
    assert getattr(result, "fold", None) == getattr(scalar, "fold", None)


def test_what_is_missing_is_itself() -> None:
    assert back(pd.NaT) is pd.NaT
    assert back(pd.NA) is pd.NA


@pytest.mark.parametrize("name", [name for name in everything().columns if everything()[name].dtype != object])
def test_columns_by_themselves(name: str) -> None:
    array = everything()[name].array
    if isinstance(array, pd.arrays.NumpyExtensionArray):
        return
    result = back(array)
    assert type(result) is type(array)
    assert_extension_array_equal(array, result)


class Mine(pd.DataFrame):
    pass


@pytest.mark.parametrize(
    ("make", "path", "reason"),
    [
        (lambda: pd.DataFrame({"s": pd.arrays.SparseArray([0, 1])}), "state['a'][0]", "a column of dtype Sparse"),
        (lambda: pd.DataFrame({"x": [1], "o": [open]}), "state['a'][0]['o'][0]", "cannot write"),
        (lambda: pd.Series([open]), "state['a'][0][0]", "cannot write"),
        (lambda: Mine({"a": [1]}), "state['a'][0]", "regist"),
        (lambda: pd.DataFrame({"a": [1]}).groupby("a"), "state['a'][0]", "cannot write"),
    ],
)
def test_what_cannot_cross_says_why(make: Any, path: str, reason: str) -> None:
    with pytest.raises(EncodeError, match=reason) as caught:
        CODEC.encode({"a": [make()]}, "state")
    assert caught.value.path == path


# -- hostile bytes ------------------------------------------------------------------------------------


def frame(name: str, *parts: Any, code: int = 34) -> bytes:
    def dump(value: Any) -> Any:
        payload = CODEC.encode(value)
        return msgpack.unpackb(payload, ext_hook=msgpack.ExtType)

    return ext(code, msgpack.packb([name, *parts], default=dump, strict_types=True))


ROWS, ONE, REST = pd.RangeIndex(10**12), pd.RangeIndex(1), (None, {}, True)
FORGED = {
    "not told as slow": frame("pandas:RangeIndex", 0, 1, 1, None, code=32),
    "columns without labels": frame(
        "pandas:DataFrame", [["numpy", np.arange(2)]], pd.RangeIndex(0), pd.RangeIndex(2), {}, True
    ),
    "columns of another length": frame("pandas:DataFrame", [["numpy", np.arange(2)]], pd.RangeIndex(1), ROWS, {}, True),
    "labels that are none": frame("pandas:DataFrame", [], [], [], {}, True),
    "a series of another length": frame("pandas:Series", ["numpy", np.arange(2)], ROWS, *REST),
    "a column of an unknown kind": frame("pandas:Series", ["pickle", b"x"], ROWS, *REST),
    "a column of two dimensions": frame("pandas:Series", ["numpy", np.zeros((1, 1))], ONE, *REST),
    "codes without categories": frame(
        "pandas:Series", ["category", np.array([5]), pd.Index(["a"]), False], pd.RangeIndex(1), None, {}, True
    ),
    "a frequency that is none": frame(
        "pandas:DatetimeIndex", ["numpy", np.array([1], "M8[ns]")], None, "no such frequency"
    ),
    "a long frequency": frame(
        "pandas:Series", ["period", np.array([1]), "1" * 10_000 + "D"], pd.RangeIndex(1), None, {}, True
    ),
    "a step of nothing": frame("pandas:RangeIndex", 0, 1, 0, None),
    "levels that are none": frame("pandas:MultiIndex", [[1]], [np.array([0])], [None], None),
    "a moment that is none": frame("pandas.scalar:Timestamp", "now", None, 0, code=32),
    "many of them": msgpack.Packer().pack_array_header(5000) + frame("pandas:RangeIndex", 0, 1, 1, None) * 5000,
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_tables_are_refused(name: str) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(FORGED[name])


def test_labels_that_claim_to_be_many_take_no_room() -> None:
    assert len(CODEC.decode(frame("pandas:RangeIndex", 0, 10**12, 1, None))) == 10**12
