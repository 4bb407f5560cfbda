from __future__ import annotations

from pathlib import Path

import pytest

from experiments.tracking.bounds import files_of, leads_into
from experiments.tracking.service import TrackingError


def test_files_are_named_as_a_store_shows_them(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c.txt").write_text("x")
    (tmp_path / "link.txt").symlink_to("a/b/c.txt")
    assert files_of(tmp_path) == {"a/b/c.txt": tmp_path / "a/b/c.txt", "link.txt": tmp_path / "link.txt"}
    assert files_of(tmp_path / "nothing") == {}


@pytest.mark.parametrize("target", ["../secret/key", "../secret", "..", "nowhere/../../secret/key", "here"])
def test_a_link_that_leads_elsewhere_is_named(tmp_path: Path, target: str) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("secret")
    root = tmp_path / "root"
    (root / "nowhere").mkdir(parents=True)
    (root / "here").symlink_to(target)
    with pytest.raises(TrackingError, match=f"^{root}/here: is a link, and what it leads to is not sent"):
        files_of(root)
    assert not leads_into(root / "here", root)
