"""Where a page may be written."""

from pathlib import Path

import pytest

from experiments.results.page.file import GENERATOR, refusal, write


def test_a_page_replaces_an_older_page_only(tmp_path: Path) -> None:
    page = tmp_path / "deep" / "report.html"
    assert refusal(page) is None
    write(page, f"<meta name=generator content='{GENERATOR}'>")
    assert refusal(page) is None
    other = tmp_path / "notes.html"
    other.write_text("mine")
    assert refusal(other) == "is there already, and is no report: name another file"
    assert refusal(tmp_path) == "is a folder"


def test_no_half_of_a_page_is_left(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    with pytest.raises(UnicodeEncodeError):
        write(page, "a" * 100_000 + "\ud800")
    assert list(tmp_path.iterdir()) == []
