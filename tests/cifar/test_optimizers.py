"""Each optimizer gets its own arguments; each schedule gives the rates that its formula says."""

from __future__ import annotations

import math

import pytest

from cifar.config import OPTIMIZERS, SCHEDULES, Constant, Cosine, InverseTime, ScheduleConfig, Step

pytestmark = pytest.mark.usefixtures("tensorflow_on_cpu")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer_is_keras_own_with_our_arguments(name: str) -> None:
    import keras

    from cifar.optimizers import OPTIMIZER_CLASSES, build_optimizer

    config = OPTIMIZERS[name](learning_rate=0.02)
    built = build_optimizer(config, Constant(), epochs=1, steps_per_epoch=1)
    assert OPTIMIZER_CLASSES[name].__name__.lower() == name
    assert isinstance(built, keras.optimizers.Optimizer)
    assert float(built.learning_rate) == pytest.approx(0.02)
    kept = built.get_config()
    for argument, value in vars(config).items():
        if argument not in ("name", "learning_rate"):
            assert kept[argument] == value, argument


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_our_defaults_are_keras_defaults(name: str) -> None:
    from cifar.optimizers import OPTIMIZER_CLASSES

    ours, theirs = OPTIMIZERS[name](), OPTIMIZER_CLASSES[name]().get_config()
    for argument, value in vars(ours).items():
        if argument != "name":
            assert value == pytest.approx(theirs[argument]), argument


@pytest.mark.parametrize(
    ("config", "rates"),
    [
        (Constant(warmup_epochs=1), {0: 0.01, 4: 0.05, 9: 0.1, 50: 0.1}),
        (Cosine(), {0: 0.1, 50: 0.05, 100: 0.0}),
        (Cosine(final_fraction=0.1), {0: 0.1, 50: 0.055, 100: 0.01}),
        (Cosine(warmup_epochs=2), {9: 0.05, 60: 0.05, 100: 0.0}),
        (Step(every_epochs=3, factor=0.1), {0: 0.1, 29: 0.1, 30: 0.01, 60: 0.001}),
        (InverseTime(decay=0.01), {0: 0.1, 100: 0.05}),
    ],
    ids=lambda value: value.name if isinstance(value, ScheduleConfig) else "",
)
def test_a_schedule_gives_these_rates(config: ScheduleConfig, rates: dict[int, float]) -> None:
    from cifar.optimizers import build_schedule

    schedule = build_schedule(0.1, config, epochs=10, steps_per_epoch=10)
    for step, rate in rates.items():
        assert float(schedule(step)) == pytest.approx(rate, abs=1e-7), step


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_says_whether_its_rates_depend_on_the_number_of_epochs(name: str) -> None:
    from cifar.optimizers import build_schedule

    config = SCHEDULES[name](warmup_epochs=1)  # type: ignore[call-arg]
    short, long = (build_schedule(0.1, config, epochs=epochs, steps_per_epoch=10) for epochs in (10, 20))
    differ = any(float(short(step)) != float(long(step)) for step in range(100))
    assert differ == config.spans_training


def test_a_constant_rate_stays_a_plain_number() -> None:
    from cifar.optimizers import build_schedule

    assert build_schedule(0.1, Constant(), epochs=1, steps_per_epoch=1) == 0.1


def test_inverse_time_is_what_early_keras_called_decay() -> None:
    from cifar.optimizers import build_schedule

    schedule = build_schedule(0.01, InverseTime(decay=0.01 / 15), epochs=15, steps_per_epoch=1563)
    assert math.isclose(float(schedule(23_445)), 0.01 / (1 + 23_445 * 0.01 / 15), rel_tol=1e-5)
