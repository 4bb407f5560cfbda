"""Pickles that hold nothing but plain values and uint8 arrays, read without running anything that they ask for.

The batches of the official archive are pickles of Python 2. A pickle is a program; this reader knows no function but
those that rebuild an array, and even those are replaced by stand-ins that only remember what they were given.
"""

from __future__ import annotations

import io
import math
import pickle
from typing import Any

import numpy as np

from cifar.proof import refused


class _DType:
    """Stands in for numpy.dtype: keeps the type's code, such as "u1"."""

    def __init__(self, code: Any = None, *_: Any) -> None:
        self.code = code.decode("ascii", "replace") if isinstance(code, bytes) else code

    def __setstate__(self, state: Any) -> None:
        """Byte order and the like mean nothing to a single byte."""


class _Array:
    """Stands in for numpy.ndarray: keeps the parts of its state."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _encode(text: Any, encoding: Any = None) -> bytes:
    """How protocol 2 of Python 3 spells bytes: _codecs.encode(text, "latin1")."""
    if encoding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError(f"bytes encoded as {encoding!r}")
    return str(text).encode("latin1")


_STAND_INS = {
    "numpy.core.multiarray._reconstruct": _reconstruct,
    "numpy._core.multiarray._reconstruct": _reconstruct,
    "numpy.ndarray": _Array,
    "numpy.dtype": _DType,
    "_codecs.encode": _encode,
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _STAND_INS[f"{module}.{name}"]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, and only plain arrays are read") from None


def read_plain_pickle(content: bytes, where: object) -> dict[str, Any]:
    """A pickled dict of plain values and uint8 arrays, its keys as text.

    Raises:
        DataError: it is cut or damaged, is no dict, or asks for anything that is not a plain array.
    """
    try:
        values = _PlainUnpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # damaged bytes can end in nearly any exception
        raise refused(where, f"not read as a pickle ({error})", "a pickled batch of CIFAR-10") from None
    if not isinstance(values, dict):
        raise refused(where, f"a pickled {type(values).__name__}", "a pickled dict")
    named = {key.decode("ascii", "replace") if isinstance(key, bytes) else str(key): values[key] for key in values}
    return {key: _plain(value, f"{where}: {key}") for key, value in named.items()}


def _plain(value: Any, where: str) -> Any:
    if not isinstance(value, _Array):
        return value
    try:
        _version, shape, dtype, fortran, raw = value.state
        if (dtype.code, bool(fortran)) != ("u1", False) or len(raw) != math.prod(shape):
            raise ValueError(f"type {dtype.code}, shape {shape}, {len(raw)} bytes")
        return np.frombuffer(raw, np.uint8).reshape(shape)
    except (TypeError, ValueError, AttributeError) as error:
        raise refused(where, f"no plain array ({error})", "uint8 in C order") from None
