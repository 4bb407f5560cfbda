"""What the soak found: for the terminal, for docs/soak.json, and as a table in docs/promises.md."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks import machine
from tests.soak.row import Row

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "docs" / "soak.json"
PROMISES = ROOT / "docs" / "promises.md"
BEGIN, END = "<!-- soak: made by `make soak` -->", "<!-- soak: end -->"


def as_table(rows: Iterable[Row]) -> Table:
    """For a terminal."""
    table = Table("what", "tried", "lost", "seconds")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        colour = "red" if row.lost else "yellow" if not row.tried else None
        table.add_row(row.what, f"{row.tried:,}", f"{row.lost:,}", f"{row.seconds:,.0f}", style=colour)
    return table


def as_markdown(record: dict[str, Any]) -> str:
    """The table, and a line on where each part of it was measured."""
    rows = [Row(**row) for part in record.values() for row in part["rows"]]
    lines = ["| what | tried | lost | seconds |", "|---|---|---|---|"]
    lines += [f"| {row.what} | {row.tried:,} | {row.lost:,} | {row.seconds:,.0f} |" for row in rows]
    made = [
        f"- `python -m tests.soak {name}`: {part['began']}, commit {part['commit']}, {part['cpu']}, "
        f"{part['cores']} cores, mlflow {part['mlflow']}"
        for name, part in record.items()
    ]
    return "\n".join([*lines, "", *made])


def circumstances() -> dict[str, Any]:
    """The machine, the code and the library that a figure depends on."""
    commit = subprocess.run(
        ["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    described = machine.describe()
    return {
        "commit": commit.stdout.strip() or "unknown",
        "cpu": described["cpu"],
        "cores": described["cores"],
        "mlflow": machine.versions()["mlflow"],
    }


def read(file: Path) -> dict[str, Any]:
    """What earlier soaks found, by module; nothing if there was none."""
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}


def write(record: dict[str, Any], file: Path, page: Path) -> None:
    """Keep the record, and put its table between the page's markers."""
    file.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page}: expected the lines {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n\n{as_markdown(record)}\n\n{END}{after}", encoding="utf-8")
