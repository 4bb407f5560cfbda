"""How a large library is imported: without what nothing here uses of it, and without looking for garbage."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def first_import(library: str, without: tuple[str, ...] = ()) -> Iterator[None]:
    """What is imported in here with a library is not looked through for garbage: hundreds of thousands of objects.

    Python would, again and again, while they are made, and in each whole collection from then on. What little garbage
    is among them (a thousand objects of TensorFlow's) stays. Does nothing where the library is imported already.

    Args:
        library: its name.
        without: libraries that it is to take for missing; what is imported later has them.
    """
    if library in sys.modules:
        yield
        return
    collecting = gc.isenabled()
    gc.disable()
    hidden = [name for name in without if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: "is not there"
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
        gc.freeze()
        if collecting:
            gc.enable()
