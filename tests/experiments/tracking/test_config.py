from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from cifar.fields import ConfigError, flatten
from experiments.schema import load
from experiments.tracking.config import TrackingConfig
from experiments.usage import CONF


def test_the_defaults_are_mlflows_own_places(project: Path) -> None:
    assert flatten(TrackingConfig()) == {
        "enabled": True,
        "uri": None,
        "experiment": "cifar10",
        "run_name": None,
        "note": None,
        "log_model": True,
        "parent_run_id": None,
    }


def test_an_experiment_that_was_not_typed_is_the_one_that_mlflow_s_variable_names(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "")
    assert TrackingConfig().experiment == "cifar10"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "thesis")
    assert TrackingConfig(experiment=None).experiment == "thesis"  # type: ignore[arg-type]
    assert TrackingConfig(experiment="mine").experiment == "mine"
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for typed, name in (([], "thesis"), (["tracking=off"], "thesis"), (["tracking.experiment=cifar10"], "cifar10")):
            assert load(compose("config", typed)).tracking.experiment == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("experiment", ""),
        ("experiment", "a\nb"),
        ("experiment", "x" * 300),
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
