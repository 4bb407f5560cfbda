"""The soak: every promise that takes minutes to try. python -m tests.soak [load starts ...]"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from rich.console import Console

from tests.soak.report import PROMISES, RECORD, as_table, circumstances, read, write
from tests.soak.row import Row

FOLDER = Path(__file__).resolve().parent


def modules() -> list[str]:
    """The modules here that have rows to try."""
    names = sorted(path.stem for path in FOLDER.glob("[a-z]*.py") if not path.stem.startswith("test_"))
    return [name for name in names if hasattr(import_module(f"tests.soak.{name}"), "rows")]


def main(names: list[str]) -> int:
    """Try the rows of these modules, or of all; returns 1 if anything was lost, 2 for a name that is none."""
    console = Console()
    known = modules()
    if unknown := [name for name in names if name not in known]:
        print(f"error: {unknown[0]}: no such soak; expected {', '.join(known)}", file=sys.stderr)
        return 2
    record = read(RECORD)
    tried: list[Row] = []
    for name in names or known:
        began, rows = time.strftime("%Y-%m-%dT%H:%M:%S%z"), []
        for row in import_module(f"tests.soak.{name}").rows():
            console.print(
                f"{row.what}: {row.lost} of {row.tried} lost, {row.seconds:.0f} s", highlight=False, soft_wrap=True
            )
            rows.append(row)
        record[name] = {"began": began, **circumstances(), "rows": [asdict(row) for row in rows]}
        write(record, RECORD, PROMISES)  # after each, so that a run which is broken off is not for nothing
        tried += rows
    console.print(as_table(tried))
    return int(any(row.lost for row in tried))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
