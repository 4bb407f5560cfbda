"""Files that may be sent to a store: those that lie in the run's own folder. A link could lead to any file here."""

from __future__ import annotations

from pathlib import Path

from experiments.tracking.service import TrackingError


def files_of(root: Path) -> dict[str, Path]:
    """The files in a folder, also deep in it, by the name that a store shows; none if it is not there.

    Raises:
        TrackingError: a link in it leads elsewhere, or to a folder.
    """
    found = {}
    for path in sorted(root.rglob("*")) if root.is_dir() else ():
        if path.is_symlink() and (path.is_dir() or not leads_into(path, root)):
            raise TrackingError(f"{path}: is a link, and what it leads to is not sent. Put the file itself there")
        if path.is_file():
            found[path.relative_to(root).as_posix()] = path
    return found


def leads_into(path: Path, root: Path) -> bool:
    """Whether what is at this path really lies in a folder."""
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # links in a circle
        return False
