"""keras-tuner as its users write it."""

from pathlib import Path

import keras
import keras_tuner
import pytest

from benchmarks.our_sweep import draw_settings
from benchmarks.plain_tuner import RandomSearch, build, search
from benchmarks.trials import SEARCH, SweepTask
from cifar.config import Model1Config, RMSprop
from cifar.models import build_model
from cifar.optimizers import OPTIMIZER_CLASSES

pytestmark = pytest.mark.filterwarnings(
    "ignore:currentThread:DeprecationWarning", "ignore:getName:DeprecationWarning"
)  # keras-tuner 1.4.8

TINY = SweepTask(trials=1, images=64, epochs=1, data="sample")


def test_it_tries_the_settings_that_this_project_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def train(self: RandomSearch, trial: keras_tuner.engine.trial.Trial, **_: object) -> float:
        tried.append(trial.hyperparameters.values)
        return 0.5

    monkeypatch.setattr(RandomSearch, "run_trial", train)
    settings = draw_settings(SweepTask())
    RandomSearch(build, settings, str(tmp_path)).search(verbose=0)
    assert tried == settings
    assert len(settings) == 16


def test_its_network_and_optimizer_are_those_of_this_project() -> None:
    theirs, ours = build(keras_tuner.HyperParameters()), build_model(Model1Config(), 0)

    def kinds(model: keras.Model) -> list[tuple[str, tuple[int, ...], int]]:
        return [(type(layer).__name__, layer.output.shape, layer.count_params()) for layer in model.layers]

    assert theirs.count_params() == 181_162
    assert kinds(theirs) == kinds(ours)
    assert isinstance(theirs.optimizer, OPTIMIZER_CLASSES["rmsprop"])
    for name in ("rho", "momentum", "epsilon", "centered", "weight_decay"):
        assert getattr(theirs.optimizer, name) == getattr(RMSprop(), name)


def test_its_space_is_that_of_this_project() -> None:
    hp = keras_tuner.HyperParameters()
    build(hp)
    found = {item.name: (item.min_value, item.max_value, item.sampling) for item in hp.space}
    assert found == {
        key.rpartition(".")[2]: (told["low"], told["high"], told.get("sampling", "linear"))
        for key, told in SEARCH.items()
    }


def test_it_trains_and_tells_what_came_out(tmp_path: Path) -> None:
    settings = draw_settings(TINY)
    found = search(TINY, settings, 50, str(tmp_path))
    assert found["tried"] == settings
    assert found["finished"] == 1
    assert 0 <= found["best_val_accuracy"] <= 1
