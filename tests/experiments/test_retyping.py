"""What a run recorded of its configuration comes back value by value; what was hidden in it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from cifar.fields import ConfigError
from experiments.commandline import check
from experiments.retyping import LARGEST, as_typed, quoted, read_configuration
from experiments.tracking.facts import RunFacts
from experiments.tracking.finding import Found

RUN = Found("", "mine", "KILLED", 0)


def recorded(composed: Any, *overrides: str) -> dict[str, Any]:
    tree: Any = OmegaConf.to_container(composed(*overrides))
    return tree


def write(folder: Path, text: str) -> Path:
    (folder / ".hydra").mkdir(parents=True, exist_ok=True)
    (folder / ".hydra" / "config.yaml").write_text(text)
    return folder


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("model=model3", "optimizer=sgd", "optimizer.momentum=0.8", "schedule=cosine", "epochs=long"),
        ("optimizer.epsilon=1e-08", "training.max_minutes=1.5", "tracking.note='a, b: {c} \\\\ #1'", "seed=7"),
        ("tracking=off", "data=cifar10", "data.train_size=100", "data.path=/some where/x"),
    ],
)
def test_the_settings_are_the_same(project: Path, composed: Any, overrides: tuple[str, ...]) -> None:
    whole = recorded(composed, *overrides)
    again = check([*as_typed(whole, [], RUN)]).first
    assert again is not None
    assert (again.run.seed, again.run.training.epochs) == (whole["seed"], whole["training"]["epochs"])
    for node in ("model", "optimizer", "schedule", "data", "compute"):
        assert {name: getattr(getattr(again.run, node), name) for name in whole[node]} == whole[node]
    tracking = whole["tracking"] | {"experiment": "cifar10"}
    assert {name: getattr(again.tracking, name) for name in whole["tracking"]} == tracking


@pytest.mark.parametrize(
    ("typed", "left_out"),
    [("optimizer=sgd", "optimizer"), ("epochs=long", "training"), ("tracking=off", "tracking"), ("seed=3", "seed")],
)
def test_what_is_typed_anew_is_left_out_with_its_whole_group(composed: Any, typed: str, left_out: str) -> None:
    keys = [item.partition("=")[0].partition(".")[0] for item in as_typed(recorded(composed), [typed], RUN)]
    assert left_out not in keys
    assert {"model", "optimizer", "training", "data", "compute", "tracking", "seed"} - set(keys) == {left_out}


def test_a_hidden_value_has_to_be_typed_again_but_not_a_note(composed: Any) -> None:
    whole = recorded(composed)
    whole["tracking"] |= {"note": "from ***", "uri": "http://***@host"}
    with pytest.raises(ConfigError, match=r"^tracking.uri=http://\*\*\*@host: expected it typed again: what is secret"):
        [*as_typed(whole, [], RUN)]
    assert "tracking.note='from ***'" in as_typed(whole, ["tracking.uri=http://me:secret@host"], RUN)


def test_a_job_keeps_the_parent_and_the_name_that_its_multirun_gave_it(composed: Any) -> None:
    facts = RunFacts("id", "cifar10", "mine-2", 0)
    facts.params = {"tracking.parent_run_id": "abc", "tracking.run_name": "mine-2", "tracking.note": "null"}
    typed = [*as_typed(recorded(composed), [], Found("", "mine-2", "KILLED", 0, facts=facts))]
    assert {"tracking.parent_run_id='abc'", "tracking.run_name='mine-2'", "tracking.note=null"} <= set(typed)


def test_a_run_stays_in_the_experiment_that_the_environment_named_then(
    composed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "another")
    facts = RunFacts("id", "thesis", "mine", 0)
    facts.params = {"tracking.experiment": "thesis"}
    typed = [*as_typed(recorded(composed), [], Found("", "mine", "KILLED", 0, facts=facts))]
    assert [item for item in typed if "experiment" in item] == ["tracking.experiment='thesis'"]


@pytest.mark.parametrize(
    ("uri", "here", "expected"),
    [
        ("http://host:5000", "", "'http://host:5000'"),
        ("http://host:5000", "http://host:5000", "null"),
        ("http://***@host", "http://me:secret@host", "null"),
        ("sqlite:///mlflow.db", "http://host:5000", "'sqlite:///mlflow.db'"),
        ("sqlite:///mlflow.db", "", "null"),
    ],
)
def test_a_run_goes_on_in_the_store_that_the_environment_named_then(
    composed: Any, monkeypatch: pytest.MonkeyPatch, uri: str, here: str, expected: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", here)
    typed = as_typed(recorded(composed), [], Found("", "mine", "KILLED", 0, uri=uri))
    assert f"tracking.uri={expected}" in typed


def test_a_configuration_is_looked_for_in_its_two_places(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no configuration to go on with \(\.hydra/config\.yaml\)$"):
        read_configuration(tmp_path)
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "config.yaml").write_text("seed: 1\n")
    assert read_configuration(tmp_path) == {"seed": 1}
    assert read_configuration(write(tmp_path, "seed: 2\n")) == {"seed": 2}


@pytest.mark.parametrize(
    "text", ["", "- 1\n", "a: &a [1]\nb: *a\n", "a: [\n", "a: " + "b" * LARGEST, "!!python/object:os.system {}\n"]
)
def test_what_is_no_configuration_is_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"config\.yaml: cannot be read \(") as error:
        read_configuration(write(tmp_path, text))
    assert "\n" not in str(error.value)


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30))
def test_any_text_survives_the_command_line(text: str) -> None:
    override = OverridesParser.create().parse_override(f"tracking.note={quoted(text)}")
    assert override.value() == text
