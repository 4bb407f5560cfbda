from __future__ import annotations

import gc
import weakref
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from cifar.config import ComputeConfig, DataConfig, RunConfig
from experiments.search.process import cleared, engines, prepared, sweep_tags
from experiments.search.records import Rung, Trial
from experiments.search.site import Site
from experiments.tracking.config import TrackingConfig

SITE = Site(Path("/a"), "a sweep", Path("/"), TrackingConfig(), command=("python", "-m", "experiments.sweep", "seed=1"))


def test_a_worker_sets_up_its_device_and_loads_its_images_once(tensorflow_on_cpu: None) -> None:
    data = DataConfig(name="sample", train_size=64, validation_size=20, test_size=20)
    run = RunConfig(data=data, compute=ComputeConfig(device="cpu"))
    device, dataset = prepared(run)
    assert device.kind == "cpu"
    assert (len(dataset.train), len(dataset.test)) == (64, 20)
    assert prepared(replace(run, seed=3))[1] is dataset
    assert prepared(replace(run, data=replace(data, train_size=65)))[1] is not dataset
    assert engines() is engines()


def test_a_trial_says_of_which_sweep_it_is_and_which_one() -> None:
    tags = sweep_tags(Trial(7, {}, {}), SITE)
    assert (tags["sweep"], tags["sweep.trial"]) == ("a sweep", "7")
    assert tags["command"] == "python -m experiments.sweep seed=1", (
        "what the user typed, not what a worker was started by"
    )
    assert not {"sweep.final", "sweep.final_of", "sweep.level"} & tags.keys()
    assert "host" in tags


def test_a_trial_of_hyperband_says_where_it_stands() -> None:
    tags = sweep_tags(Trial(7, {}, {}, Rung(bracket=1, level=0, from_trial=None, initial_epoch=0, epochs=3)), SITE)
    told = {name: value for name, value in tags.items() if name.startswith("sweep")}
    assert told == {
        "sweep": "a sweep", "sweep.trial": "7",
        "sweep.bracket": "1", "sweep.level": "0", "sweep.initial_epoch": "0", "sweep.epochs": "3",
    }  # fmt: skip


def test_a_final_training_says_whose_settings_it_has_and_is_no_trial() -> None:
    tags = sweep_tags(Trial(2, {}, {}, of="winner"), SITE)
    assert (tags["sweep.final"], tags["sweep.final_of"]) == ("2", "winner")
    assert "sweep.trial" not in tags


def test_what_the_libraries_are_made_of_is_not_looked_through_for_garbage(tensorflow_on_cpu: None) -> None:
    data = DataConfig(name="sample", train_size=64, validation_size=20, test_size=20)
    prepared(RunConfig(data=data, compute=ComputeConfig(device="cpu")))
    assert gc.get_freeze_count() > 200_000


@pytest.mark.parametrize("error", [None, ValueError("no")])
def test_what_keras_keeps_of_a_network_is_let_go_however_it_ended(
    tensorflow_on_cpu: None, error: Exception | None
) -> None:
    import keras

    with suppress(ValueError), cleared():
        gone = weakref.ref(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
        if error is not None:
            raise error
    gc.collect()
    assert gone() is None
    assert keras.layers.Dense(1).name == "dense", "names are counted anew"
