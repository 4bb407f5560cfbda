from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from tests.soak.report import BEGIN, END, as_table, read, write
from tests.soak.row import Row

PART = {"began": "2026-01-01", "commit": "abc", "cpu": "A", "cores": 2, "mlflow": "3", "rows": []}
ROW = {"what": "values, SQLite", "tried": 1600, "lost": 0, "seconds": 9.7}


def test_the_table_of_a_page_is_exchanged_and_the_rest_stays(tmp_path: Path) -> None:
    page, file = tmp_path / "page.md", tmp_path / "soak.json"
    page.write_text(f"above\n{BEGIN}\nold\n{END}\nbelow\n")
    record = {"load": {**PART, "rows": [ROW]}}
    write(record, file, page)
    assert read(file) == record
    text = page.read_text()
    assert text.startswith(f"above\n{BEGIN}\n")
    assert text.endswith(f"{END}\nbelow\n")
    assert "| values, SQLite | 1,600 | 0 | 10 |" in text
    assert "- `python -m tests.soak load`: 2026-01-01, commit abc, A, 2 cores, mlflow 3" in text
    assert "old" not in text


def test_a_page_without_markers_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("mine")
    with pytest.raises(ValueError, match="expected the lines"):
        write({}, tmp_path / "soak.json", tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text() == "mine"


def test_a_loss_is_seen_on_a_terminal() -> None:
    console = Console(record=True, width=80)
    console.print(as_table([Row("a", 10, 0, 1.0), Row("b", 10, 3, 1.0)]))
    styles = {
        line.strip("│ ").split(" ")[0] for line in console.export_text(styles=True).splitlines() if "\x1b[31m" in line
    }
    assert len(styles) == 1
