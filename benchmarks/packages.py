"""What a machine needs that has JAX, and neither TensorFlow nor a way to the package index; for benchmarks.gpu."""

from __future__ import annotations

from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOTS = ("keras", "rich", "psutil", "filelock", "pillow", "packaging")
"""What is imported, by Keras or by the modules here; the rest follows from these."""


def to_carry() -> list[str]:
    """The lines of a requirements file: these packages and theirs, without those that JAX brings, as installed here."""
    names = sorted(closure(ROOTS) - closure(("jax",)))
    return [f"{name}=={metadata.version(name)}{'' if _is_pure(name) else '  # compiled'}" for name in names]


def closure(roots: tuple[str, ...]) -> set[str]:
    """These packages and all that they require here, without extras."""
    found: set[str] = set()
    todo = [canonicalize_name(name) for name in roots]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            asked = map(Requirement, metadata.requires(name) or [])
            todo += [canonicalize_name(one.name) for one in asked if one.marker is None or one.marker.evaluate()]
    return found


def _is_pure(name: str) -> bool:
    return "Root-Is-Purelib: true" in (metadata.distribution(name).read_text("WHEEL") or "")
