"""The machine, and who else uses it."""

import subprocess
import sys
import time

import pytest

from benchmarks import machine


def test_what_others_do_is_told_from_what_this_process_and_its_children_do() -> None:
    meter = machine.Meter()
    started, worked = time.perf_counter(), time.process_time()
    while time.process_time() - worked < 0.4:
        pass
    elapsed = time.perf_counter() - started
    others = meter.others() * elapsed * machine.cores()
    total = machine._busy_seconds() - meter._all
    assert others <= total - 0.3  # the loop's 0.4 seconds are not in it; clocks tick in hundredths


def test_the_time_of_a_child_that_has_ended_counts_as_this_process_own() -> None:
    before = machine._own_seconds()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.4: pass"], check=True)
    assert machine._own_seconds() - before > 0.35


@pytest.mark.parametrize(("others", "load"), [(0.5, 0.0), (0.0, 100.0)])
def test_a_busy_machine_is_refused_with_the_way_to_insist(others: float, load: float) -> None:
    with pytest.raises(machine.BusyMachineError, match="--busy-ok"):
        machine.refuse_if_busy({"load_average": [load, load, load], "others_cpu": others})


def test_a_quiet_machine_is_accepted() -> None:
    machine.refuse_if_busy({"load_average": [0.1, 3.0, 3.0], "others_cpu": 0.01})


def test_a_look_reports_load_and_share() -> None:
    seen = machine.look(0.05)
    assert len(seen["load_average"]) == 3
    assert 0 <= seen["others_cpu"] <= 1


def test_the_machine_is_described_without_names_of_users_or_hosts() -> None:
    assert set(machine.describe()) == {"cpu", "cores", "memory_gb", "os"}
    assert {"python", "tensorflow", "keras"} <= set(machine.versions())
