from __future__ import annotations

from dataclasses import replace

import pytest

from tests.soak.outages import Outage, as_row

KEPT = Outage(
    scenario="It hangs.",
    exit_code=0,
    seconds_spent=12.34,
    slowest_call=10.0,
    warnings=1,
    complete_by_itself=False,
    sync_exit_codes=(0, 0),
    told=420,
    stored=420,
    equal=True,
    runs=1,
)


def test_what_was_kept_is_a_row_with_the_wait() -> None:
    row = as_row(KEPT, 80.0)
    assert (row.tried, row.lost, row.seconds) == (420, 0, 80.0)
    assert row.what == "values, It hangs. The run waited 12.3 s for it in all"


@pytest.mark.parametrize(
    "broken",
    [
        {"exit_code": 1},
        {"seconds_spent": 30.1},
        {"warnings": 0},
        {"warnings": 2},
        {"sync_exit_codes": (0, 1)},
        {"runs": 2},
        {"equal": False},
    ],
)
def test_any_promise_that_is_broken_counts_as_everything_lost(broken: dict[str, object]) -> None:
    assert as_row(replace(KEPT, **broken), 80.0).lost == 420  # type: ignore[arg-type]


def test_a_server_that_was_caught_up_with_needs_no_warning() -> None:
    assert as_row(replace(KEPT, warnings=0, complete_by_itself=True), 80.0).lost == 0
