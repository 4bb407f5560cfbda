"""What a sweep's driver takes for itself."""

from __future__ import annotations

import pytest

from benchmarks import driver


@pytest.mark.parametrize("typed", driver.SWEEPS.values(), ids=driver.SWEEPS)
def test_the_driver_s_own_time_is_measured_for_each_trial(typed: list[str]) -> None:
    taken = driver.milliseconds_per_trial(typed, before=5, measured=4)
    assert len(taken) == 4
    assert all(0 < milliseconds < 1000 for milliseconds in taken)


def test_every_tuner_gets_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "milliseconds_per_trial", lambda typed, before, measured: [3.0, 1.0, 2.0])
    assert driver.measure(before=7, measured=3) == {
        "trials_before": 7,
        "trials_measured": 3,
        "milliseconds": {name: {"median": 2.0, "min": 1.0, "max": 3.0} for name in driver.SWEEPS},
    }
