from __future__ import annotations

from pathlib import Path

import pytest

from experiments.tracking.credentials import may_go_to

SERVER = "https://mlflow.example.org"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without credentials."""
    names = ("TRACKING_URI", "TRACKING_USERNAME", "TRACKING_PASSWORD", "TRACKING_TOKEN", "TRACKING_AUTH")
    for name in [f"MLFLOW_{name}" for name in names] + ["PGPASSWORD"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    "name", ["MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_AUTH"]
)
def test_credentials_go_where_the_user_says_and_nowhere_else(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert may_go_to(SERVER), "there are none"
    monkeypatch.setenv(name, "canary")
    assert not may_go_to(SERVER)
    assert may_go_to("sqlite:///mlflow.db")
    assert may_go_to("postgresql://host/db"), "it does not get them"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{SERVER}/")
    assert may_go_to(SERVER)
    assert not may_go_to(f"{SERVER}.evil.org")


def test_those_of_mlflows_file_count_too(home: Path) -> None:
    (home / ".mlflow").mkdir()
    (home / ".mlflow" / "credentials").write_text("[mlflow]\nmlflow_tracking_username = me\n")
    assert not may_go_to(SERVER)
    (home / ".mlflow" / "credentials").write_text("no section")
    assert not may_go_to(SERVER), "nobody knows"


def test_postgresql_has_a_password_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "canary")
    assert not may_go_to("postgresql://host/db")
    assert may_go_to(SERVER)
