from __future__ import annotations

import threading

import pytest

from experiments.tracking.patience import in_time


def test_what_is_done_in_time_is_given_or_raised() -> None:
    assert in_time(lambda: 3, seconds=60) == 3
    with pytest.raises(ZeroDivisionError):
        in_time(lambda: 1 // 0, seconds=60)


def test_what_takes_too_long_is_left_to_itself() -> None:
    ends = threading.Event()
    with pytest.raises(TimeoutError, match=r"^it says nothing for 0\.05 s$"):
        in_time(lambda: ends.wait(60), seconds=0.05)
    ends.set()
