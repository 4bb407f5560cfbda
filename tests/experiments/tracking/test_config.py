from __future__ import annotations

import subprocess
import sys

import pytest

from cifar.fields import ConfigError, flatten
from experiments.tracking.config import TrackingConfig


def test_the_defaults_are_mlflows_own_places() -> None:
    assert flatten(TrackingConfig()) == {
        "enabled": True,
        "uri": None,
        "experiment": "cifar10",
        "run_name": None,
        "note": None,
        "log_model": True,
        "parent_run_id": None,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("experiment", ""),
        ("experiment", "a\nb"),
        ("experiment", "x" * 300),
        ("experiment", None),
        ("run_name", "  "),
        ("run_name", "a\x00b"),
        ("enabled", "yes"),
        ("log_model", 1),
    ],
)
def test_a_value_that_mlflow_could_not_show_is_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        TrackingConfig(**{name: value})  # type: ignore[arg-type]
    assert caught.value.key == f"tracking.{name}"


@pytest.mark.parametrize("name", ["../x", "' OR 1=1 --", "日本 🚀", "a/b", "x" * 250])
def test_free_text_is_kept_as_it_is(name: str) -> None:
    assert TrackingConfig(experiment=name, run_name=name).experiment == name


def test_importing_the_config_does_not_import_mlflow() -> None:
    code = "import sys, experiments.tracking.config; print('mlflow' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "False\n"


@pytest.mark.parametrize(
    "uri", ["./mlruns", "mlruns", "file:///data/mlruns", "sqlite://", "sqlite:///:memory:", "ftp://h"]
)
def test_a_place_that_mlflow_cannot_record_to_is_refused(uri: str) -> None:
    with pytest.raises(ConfigError, match="expected the address of a database or a server") as caught:
        TrackingConfig(uri=uri)
    assert caught.value.key == "tracking.uri"


def test_a_refused_address_does_not_show_its_password() -> None:
    with pytest.raises(ConfigError) as caught:
        TrackingConfig(uri="ftp://bob:hunter2@host")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "uri", ["sqlite:///mlflow.db", "sqlite:////data/a.db", "https://host", "postgresql+psycopg2://h/d"]
)
def test_databases_and_servers_are_taken(uri: str) -> None:
    assert TrackingConfig(uri=uri).uri == uri
