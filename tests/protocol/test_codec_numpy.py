"""numpy's arrays, scalars and dtypes: what comes back is what went in, and forged ones cost nothing."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.protocol.bombs import ext
from tests.protocol.samples import CODEC

from drumline_protocol import codec_libraries
from drumline_protocol.codec import Codec
from drumline_protocol.codec_types import Opaque, TypeTable
from drumline_protocol.errors import DecodeError, EncodeError

RECORD = np.dtype([("a", "<i4"), ("b", "S3"), ("c", "<f8", (2, 3)), ("d", [("x", "u1"), ("y", ">M8[ms]")])])
ALIGNED = np.dtype({"names": ["a", "b"], "formats": ["u1", "f8"]}, align=True)
ARRAYS = [
    np.arange(6).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.arange(12)[::2],
    np.broadcast_to(np.int8(1), (3, 4)),
    np.array(5),
    np.zeros((0, 3)),
    np.zeros((2, 0, 10**6)),
    np.array(["a", "bcd", "é"]),
    np.array([b"a", b"xyz"]),
    np.array(["2020-01-01", "NaT"], "M8[25m]"),
    np.array([1, 2], "m8[ns]"),
    np.zeros(3, RECORD),
    np.ones(2, ALIGNED),
    np.array([1, 2], ">i2"),
    np.array([True, False]),
    np.array([1 + 2j], np.complex64),
    np.array([1.5], np.float16),
    np.array([1.5], np.longdouble),
    np.array([np.nan, -0.0, np.inf]),
    np.zeros((2, 2), "V5"),
    np.zeros(3, dtype=[]),
    np.array([], "U"),
]
SCALARS = [
    np.float64(1.5),
    np.float32(1),
    np.int8(-3),
    np.uint64(2**64 - 1),
    np.bool_(True),
    np.str_("a\0"),
    np.str_(""),
    np.bytes_(b"x\0"),
    np.datetime64("NaT"),
    np.datetime64("2020", "Y"),
    np.timedelta64(3, "D"),
    np.timedelta64(5),
    np.complex64(1j),
    np.void(b"abc"),
    np.zeros(1, RECORD)[0],
]


def back(value: Any) -> Any:
    return CODEC.decode(CODEC.encode({"a": [value]}))["a"][0]


def same(one: Any, other: Any) -> bool:
    return bool(
        type(one) is type(other)
        and one.dtype == other.dtype
        and one.shape == other.shape
        and one.tobytes() == other.tobytes()
    )


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}"[:40])
def test_arrays(array: Any) -> None:
    result = back(array)
    assert same(result, array)
    assert result.flags.writeable
    assert result.flags.owndata
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    assert result.flags.c_contiguous is not fortran


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_array(data: Any) -> None:
    dtype = data.draw(hnp.scalar_dtypes() | hnp.array_dtypes(allow_subarrays=True))
    array = data.draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)))
    if array.dtype.hasobject:
        return
    assert same(back(array), array)
    if array.size and array.dtype.itemsize:
        scalar = array.ravel()[0]
        assert back(scalar).tobytes() == scalar.tobytes()


@pytest.mark.parametrize("scalar", SCALARS, ids=lambda scalar: f"{type(scalar).__name__}")
def test_scalars(scalar: Any) -> None:
    assert same(back(scalar), scalar)


def test_dtypes_and_classes() -> None:
    for dtype in (np.dtype("f8"), RECORD, ALIGNED, np.dtype("M8[3D]"), np.dtype("U5"), np.dtype(">i2")):
        assert back(dtype) == dtype
    assert back(np.float64) is np.float64
    assert back(np.ndarray) is np.ndarray
    assert back(ALIGNED).isalignedstruct


def test_subclasses_of_arrays() -> None:
    masked = np.ma.masked_array([1, 2, 3], mask=[0, 1, 0], fill_value=9)  # type: ignore[arg-type]
    result = back(masked)
    assert type(result) is np.ma.MaskedArray
    assert (result.tolist(), result.fill_value) == ([1, None, 3], 9)
    assert np.ma.getmask(back(np.ma.masked_array([1.5]))) is np.ma.nomask
    assert same(back(np.matrix([[1, 2]])), np.matrix([[1, 2]]))
    records = np.rec.array([(1, "a"), (2, "b")], names="x,y")  # type: ignore[call-overload]
    result = back(records)
    assert same(result, records)
    assert (result.x.tolist(), type(result[0])) == ([1, 2], np.record)
    assert same(back(np.zeros(3).view(np.recarray)), np.zeros(3).view(np.recarray))


class Mine(np.ndarray):
    pass


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: np.array([object()]), "an array of Python objects"),
        (lambda: np.array([1, "a"], dtype=object), "an array of Python objects"),
        (lambda: np.zeros(2, [("a", "O")]), "an array of Python objects"),
        (lambda: np.broadcast_to(np.int8(1), (10**10,)), "the limit is 134217728"),
        (lambda: np.zeros((10**9,), dtype=[]), "the limit is 2097152"),
        (lambda: np.arange(3).view(Mine), "regist"),
        (lambda: np.random.default_rng(1), "cannot write"),
    ],
)
def test_what_cannot_cross_says_why(make: Any, reason: str) -> None:
    with pytest.raises(EncodeError, match=reason) as caught:
        CODEC.encode({"a": [make()]}, "state")
    assert caught.value.path == "state['a'][0]"


# -- hostile bytes ------------------------------------------------------------------------------------


def array_frame(dtype: Any, shape: Any, data: Any = b"", order: Any = "C") -> bytes:
    return ext(32, msgpack.packb(["numpy:ndarray", dtype, shape, order, data]))


FORGED = {
    "huge": array_frame("<f8", [2**40]),
    "huge in two": array_frame("<f8", [2**31, 2**31]),
    "huge and nothing": array_frame("<f8", [2**61, 0, 2**61]),
    "too little": array_frame("<f8", [2], b"\0" * 15),
    "negative": array_frame("<f8", [-1, -8], b"\0" * 64),
    "objects": array_frame("|O", [1], b"\0" * 8),
    "objects inside": array_frame([["a"], ["|O"], [0], [None], 8, False], [1], b"\0" * 8),
    "objects by another name": array_frame("O8", [1], b"\0" * 8),
    "a dtype as code": array_frame("<f8, (2,)i4", [1], b"\0" * 16),
    "a name of a type": array_frame("float64", [1], b"\0" * 8),
    "a huge item": array_frame("|V999999999", [1]),
    "many items of nothing": array_frame("|V0", [2**40]),
    "many fields of nothing": array_frame([[], [], [], [], 0, False], [2**40]),
    "a field behind the end": array_frame([["a"], ["<f8"], [100], [None], 8, False], [1], b"\0" * 8),
    "many dimensions": array_frame("<f8", [1] * 65, b"\0" * 8),
    "no order": array_frame("<f8", [1], b"\0" * 8, "K"),
    "a text for bytes": array_frame("|S1", [1], "x"),
    "a scalar of another dtype": ext(32, msgpack.packb(["numpy:float64", "<i8", b"\0" * 8])),
    "a scalar of objects": ext(32, msgpack.packb(["numpy:float64", "|O", b"\0" * 8])),
    "a short scalar": ext(32, msgpack.packb(["numpy:float64", "<f8", b"\0"])),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_arrays_are_refused_and_cost_nothing(name: str) -> None:
    CODEC.encode(np.zeros(1))
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            CODEC.decode(FORGED[name])
        assert tracemalloc.get_traced_memory()[1] < 2**19
    finally:
        tracemalloc.stop()


# -- where numpy is not -------------------------------------------------------------------------------


def test_arrays_pass_through_a_process_that_has_no_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    data = CODEC.encode({"a": np.arange(3), "b": np.float64(1)})
    monkeypatch.setattr(codec_libraries, "_table", lambda _library: TypeTable())
    there = Codec()
    result = there.decode(data)
    assert type(result["a"]) is Opaque
    assert there.encode(result) == data
    with pytest.raises(AttributeError, match="numpy:ndarray"):
        _ = result["a"].mean


def test_who_has_no_arrays_imports_no_numpy() -> None:
    code = (
        "import sys\n"
        "from collections import OrderedDict\n"
        "from drumline_protocol.codec import Codec\n"
        "codec = Codec()\n"
        "codec.decode(codec.encode([OrderedDict(a=1), ValueError('x'), {1}]))\n"
        "try:\n"
        "    codec.encode(open)\n"
        "except Exception:\n"
        "    pass\n"
        "print([name for name in ('numpy', 'pandas', 'langchain_core') if name in sys.modules])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
