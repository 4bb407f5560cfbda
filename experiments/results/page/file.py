"""The file of a page: nothing of anybody else's is overwritten, and no half of a page is left."""

from __future__ import annotations

from pathlib import Path

GENERATOR = "cifar-experiments report"
"""What a page says it was made by."""

HEAD = 500
"""Bytes in which a page of ours says what made it."""


def refusal(path: Path) -> str | None:
    """Why a page cannot be written there; None if it can."""
    if path.is_dir():
        return "is a folder"
    if path.exists() and GENERATOR.encode() not in _head(path):
        return "is there already, and is no report: name another file"
    return None


def write(path: Path, page: str) -> None:
    """Write all of it or nothing.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    try:
        unfinished.write_text(page, encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)
