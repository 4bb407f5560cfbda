from __future__ import annotations

import pytest

from benchmarks import driver


@pytest.mark.parametrize("typed", driver.SWEEPS.values(), ids=driver.SWEEPS)
def test_the_driver_s_own_time_is_measured_for_each_trial(typed: list[str]) -> None:
    taken = driver.milliseconds_per_trial(typed, before=5, measured=4)
    assert len(taken) == 4
    assert all(0 < milliseconds < 1000 for milliseconds in taken)


def test_every_tuner_gets_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert driver.main(before=2, measured=2) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [*driver.SWEEPS]
    assert all("ms for each trial after 2 (" in line for line in lines)
