"""What the runs of a test need not do again and again: all that comes out the same, and pictures that nobody looks at.

Each function takes what puts an attribute in place of another: `setattr`, or pytest's `monkeypatch.setattr`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

Put = Callable[[Any, str, Any], None]


def work_out_once(put: Put = setattr) -> None:
    """The made-up images and the list of what is installed, which stay the same as long as a process lives."""
    import importlib_metadata

    from cifar import data
    from experiments import record

    put(data, "make_sample", cache(data.make_sample))  # a split copies what it takes
    put(record, "packages", cache(record.packages))
    of_modules = cache(importlib_metadata.packages_distributions)  # MLflow asks for it when it keeps a network
    put(importlib_metadata, "packages_distributions", of_modules)


def leave_pictures_empty(put: Put = setattr) -> None:
    """They are drawn in a second, and recorded like those that show something."""
    from matplotlib.figure import Figure

    from cifar import figures

    for name in ("learning_curves", "confusion_matrix", "per_class_accuracy", "confident_mistakes"):
        put(figures, name, lambda *_: Figure(figsize=(1, 1)))
