"""Readers take turns, and only the usual store is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks import reading


def test_the_first_round_warms_up_and_does_not_count() -> None:
    calls: list[str] = []

    def reader(name: str) -> Any:
        return lambda: calls.append(name) or float(len(calls))

    found = {name: reader(name) for name in ("command", "page")}
    results = reading.measure(found, 2, Console(quiet=True))
    assert calls == ["command", "page"] * 3
    assert results["seconds"] == {"command": [3.0, 5.0], "page": [4.0, 6.0]}
    assert len(results["others_cpu"]) == 2


@pytest.mark.parametrize(
    ("typed", "kept"), [([], reading.KEPT), (["--runs", "10"], None), (["--json", "x"], Path("x"))]
)
def test_only_the_usual_number_of_runs_is_kept(
    typed: list[str], kept: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(reading, "carry_out", lambda options, *rest: seen.append(options) or 0)
    assert reading.main(typed) == 0
    assert seen[0].json == kept


def test_every_reader_reads_a_small_store(tmp_path: Path) -> None:
    from benchmarks.many_runs import make

    store = make(tmp_path, runs=6, epochs=2)
    readers = reading.readers(f"sqlite:///{store}", str(tmp_path))
    assert list(readers) == ["command", "page", "reading", "mlflow"]
    assert all(reader() > 0 for reader in readers.values())
    assert (tmp_path / "report.html").is_file()
