"""How the large libraries are imported: without what nothing here uses of them, and without looking for garbage."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def without(*libraries: str) -> Iterator[None]:
    """Imports in here do without these; what is imported later has them again."""
    hidden = [name for name in libraries if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: "is not there"
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextlib.contextmanager
def for_good(library: str) -> Iterator[None]:
    """What is imported in here with the library, hundreds of thousands of objects, is not looked through for garbage.

    Python would, again and again, while they are made, and in each whole collection from then on. Does nothing where
    the library is imported already.
    """
    if library in sys.modules:
        yield
        return
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()
