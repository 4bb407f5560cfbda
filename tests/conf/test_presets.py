"""The recipes of the source document, and the fast ones, as exact values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from cifar.config import (
    SGD,
    Adam,
    AdamW,
    Constant,
    Cosine,
    DataConfig,
    Model1Config,
    Model2Config,
    Model3Config,
    RMSprop,
    RunConfig,
    TrainingConfig,
)
from experiments.commandline import check
from experiments.schema import load
from experiments.tracking.config import TrackingConfig

CONF = Path(__file__).resolve().parents[2] / "conf"
PRESETS = sorted(file.stem for file in (CONF / "experiment").glob("*.yaml"))
WHOLE = DataConfig(name="cifar10", validation_size=0)
FIFTEEN = TrainingConfig(epochs=15, batch_size=32)

EXPECTED = {
    "seed_model1": RunConfig(
        model=Model1Config(),
        optimizer=RMSprop(learning_rate=0.0005),
        schedule=Constant(),
        training=FIFTEEN,
        data=WHOLE,
    ),
    "seed_model2": RunConfig(
        model=Model2Config(),
        optimizer=RMSprop(learning_rate=0.0005),
        schedule=Constant(),
        training=FIFTEEN,
        data=WHOLE,
    ),
    "seed_model3": RunConfig(
        model=Model3Config(depth=1, max_norm=3.0),
        optimizer=SGD(learning_rate=0.01, momentum=0.9),
        schedule=Constant(),
        training=TrainingConfig(epochs=15, batch_size=64),
        data=WHOLE,
    ),
    "fast_model1": RunConfig(
        model=Model1Config(dropout_rate=0.05, dense_dropout_rate=0.2),
        optimizer=Adam(learning_rate=0.002),
        schedule=Cosine(warmup_epochs=0.5),
        training=TrainingConfig(epochs=6, batch_size=64),
        data=WHOLE,
    ),
    "fast_model2": RunConfig(
        model=Model2Config(dropout_rate=0.1, dense_dropout_rate=0.25),
        optimizer=Adam(learning_rate=0.001),
        schedule=Cosine(warmup_epochs=0.5),
        training=TrainingConfig(epochs=4, batch_size=64),
        data=WHOLE,
    ),
    "fast_model3": RunConfig(
        model=Model3Config(dropout_rate=0.1, dense_dropout_rate=0.4),
        optimizer=AdamW(learning_rate=0.003, weight_decay=0.1),
        schedule=Cosine(warmup_epochs=0.5),
        training=TrainingConfig(epochs=7, batch_size=128),
        data=replace(WHOLE, random_flip=True),
    ),
}


def test_every_preset_has_its_expected_values_here() -> None:
    assert sorted(EXPECTED) == PRESETS


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_composes_to_its_recipe(preset: str) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        settings = load(compose("config", [f"experiment={preset}"]))
    assert settings.run == EXPECTED[preset]
    assert settings.tracking == TrackingConfig()


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_headed_by_its_command_and_what_it_measured(preset: str) -> None:
    text = (CONF / "experiment" / f"{preset}.yaml").read_text()
    assert f"# python -m experiments.run experiment={preset}\n" in text
    assert "# Measured: " in text


def test_another_optimizer_network_or_length_can_be_tried_on_a_preset() -> None:
    typed = ["-m", f"experiment={','.join(PRESETS)}", "model=model1", "optimizer=sgd,lion", "epochs=long"]
    assert check(typed).jobs == 2 * len(PRESETS)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_fast_recipe_trains_the_document_s_network_on_the_same_images_in_fewer_epochs(number: int) -> None:
    fast, document = EXPECTED[f"fast_model{number}"], EXPECTED[f"seed_model{number}"]
    open_in_the_document = {"dropout_rate": document.model.dropout_rate}
    open_in_the_document["dense_dropout_rate"] = document.model.dense_dropout_rate
    assert replace(fast.model, **open_in_the_document) == document.model
    assert replace(fast.data, random_flip=False) == document.data
    assert fast.training.epochs < document.training.epochs
