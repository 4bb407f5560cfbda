from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.soak import __main__ as soak
from tests.soak.report import BEGIN, END, read
from tests.soak.row import Row


@pytest.fixture
def tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the record goes, with a module of rows in place of the long ones."""
    page = tmp_path / "promises.md"
    page.write_text(f"{BEGIN}{END}")
    rows = [Row("kept", 5, 0, 0.1)]
    monkeypatch.setattr(soak, "RECORD", tmp_path / "soak.json")
    monkeypatch.setattr(soak, "PROMISES", page)
    monkeypatch.setattr(soak, "modules", lambda: ["short", "leaky"])
    leaky = SimpleNamespace(rows=lambda: iter([*rows, Row("gone", 5, 1, 0.1)]))
    parts = {"tests.soak.short": SimpleNamespace(rows=lambda: iter(rows)), "tests.soak.leaky": leaky}
    monkeypatch.setattr(soak, "import_module", parts.__getitem__)
    return tmp_path / "soak.json"


def test_every_module_with_rows_is_found() -> None:
    assert {"load", "starts"} <= set(soak.modules())
    assert not {"row", "report", "forks"} & set(soak.modules())


def test_a_loss_is_exit_code_1_and_earlier_parts_are_kept(tried: Path) -> None:
    assert soak.main(["short"]) == 0
    assert soak.main(["leaky"]) == 1
    assert {name: len(part["rows"]) for name, part in read(tried).items()} == {"short": 1, "leaky": 2}


def test_a_name_that_is_no_soak_is_one_line(tried: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert soak.main(["laod"]) == 2
    assert capsys.readouterr().err == "error: laod: no such soak; expected short, leaky\n"
    assert not tried.exists()
