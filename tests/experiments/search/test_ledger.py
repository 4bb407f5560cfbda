from __future__ import annotations

import json
import logging
import os
import re
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from experiments.search import ledger as ledger_module
from experiments.search.ledger import LEDGER_FILE, Ledger, open_ledger, read_ledger
from experiments.search.lock import DRIVER_FILE
from experiments.search.records import Limits, SweepError
from tests.experiments.search.sweeps import run_sweep, sweep_of


def filled(folder: Path) -> Path:
    """The ledger of a sweep of three trials."""
    run_sweep(folder, sweep_of(), Limits(3))
    return folder / LEDGER_FILE


def test_what_was_written_is_read(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "a" / "b") as ledger:
        ledger.begin(sweep_of(), Limits(5, max_minutes=1.5))
        ledger.append("opened", host="ü", process=1)
        ledger.append("proposed", trial=1, point={"seed": 1}, config={"rate": 0.1 + 0.2}, rung=None)
        written = ledger.history
    read = read_ledger(tmp_path / "a" / "b")
    assert (read.sweep, read.limits, read.trials) == (sweep_of(), Limits(5, max_minutes=1.5), written.trials)
    assert read.trials[0].config == {"rate": 0.30000000000000004}


def test_so_are_the_trainings_that_a_sweep_ends_with(tmp_path: Path) -> None:
    run_sweep(tmp_path, sweep_of(), Limits(3, final_seeds=1))
    lines = [json.loads(line) for line in (tmp_path / LEDGER_FILE).read_text(encoding="utf-8").splitlines()]
    each = ["proposed", "started", "ended"]
    assert [line["kind"] for line in lines] == ["sweep", "opened", *each * 3, *each * 2, "closed"]
    assert [line.get("final") for line in lines] == [None] * 11 + [1] * 3 + [2] * 3 + [None]
    assert [line["of"] for line in lines if line["kind"] == "proposed" and "final" in line] == ["winner", "default"]
    assert all("trial" not in line for line in lines if "final" in line)
    with open_ledger(tmp_path) as ledger:
        assert ledger.history.finals == read_ledger(tmp_path).finals
        assert [final.state for final in ledger.history.finals] == ["finished", "finished"]
        assert ledger.history.finals[0].facts.keys() == {"test_accuracy"}


def test_a_person_can_read_it(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in filled(tmp_path).read_text(encoding="utf-8").splitlines()]
    assert [line["kind"] for line in lines] == ["sweep", "opened", *["proposed", "started", "ended"] * 3, "closed"]
    assert [line["seq"] for line in lines] == [*range(1, 13)]
    assert lines[2]["point"]["optimizer"] == lines[2]["config"]["optimizer"]["name"]
    assert lines[-1]["reason"] == "3 trials, as many as were to be made"
    assert (tmp_path / LEDGER_FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kept", range(12))
def test_a_last_line_that_was_cut_off_is_left_out_and_written_over(tmp_path: Path, kept: int) -> None:
    path = filled(tmp_path)
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    path.write_bytes(whole[: -len(last)] + last[: len(last) * kept // 12])
    assert len(read_ledger(tmp_path).trials) == 3
    with open_ledger(tmp_path) as ledger:
        assert ledger.append("closed", reason="again").seq == 12
    assert path.read_bytes().startswith(whole[: -len(last)])
    assert json.loads(path.read_text(encoding="utf-8").splitlines()[-1])["reason"] == "again"


@pytest.mark.parametrize("damage", ["", "null", "[]", '{"seq": 4}', '{"seq": 9, "at": 1, "kind": "opened"}', "\x00\x00",
                                    '{"seq": 4, "at": 1, "kind": "started", "trial": 9, "attempt": 1}'])  # fmt: skip
def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path, damage: str) -> None:
    path = filled(tmp_path)
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines[:3], damage, *lines[4:]]) + "\n", encoding="utf-8")
    for reader in (read_ledger, Ledger):
        with pytest.raises(SweepError) as error:
            reader(tmp_path)
        assert str(error.value) == f"{path}: line 4 is damaged; restore the file from a copy, or begin another sweep"


def test_another_sweep_in_its_place_is_refused_with_what_differs(tmp_path: Path) -> None:
    filled(tmp_path)
    with open_ledger(tmp_path) as ledger:
        ledger.begin(sweep_of(), Limits(3))
        with pytest.raises(SweepError) as error:
            ledger.begin(sweep_of("grid", seed=7), Limits(3))
    assert str(error.value) == (
        f'{tmp_path}: this sweep was begun with tuner.name="random", now "grid"; seed=0, now 7; '
        "tuner.points_per_range=nothing, now 2. Resume it without that, or begin another sweep"
    )


def test_of_many_differences_the_first_five_are_told(tmp_path: Path) -> None:
    filled(tmp_path)
    bases = tuple({**base, "config": {"seed": 5}} for base in sweep_of().bases)
    with open_ledger(tmp_path) as ledger, pytest.raises(SweepError, match=r"; and 116 more\. Resume it") as error:
        ledger.begin(replace(sweep_of(), bases=bases), Limits(3))
    assert str(error.value).count("now nothing") == 5


def test_limits_are_written_down_when_they_change(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with open_ledger(tmp_path) as ledger:
        ledger.extend(Limits(3))
        assert len(path.read_bytes().splitlines()) == 12
        ledger.begin(sweep_of(), Limits(60, max_minutes=5))
        assert ledger.history.limits == Limits(60, max_minutes=5)
        with pytest.raises(SweepError) as error:
            ledger.extend(Limits(2))
    assert str(error.value) == "sweep.max_trials=2: expected at least 3, the trials made already"
    last = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
    assert {key: last[key] for key in last if key != "at"} == {
        "seq": 13, "kind": "extended", "max_trials": 60, "max_minutes": 5,
    }  # fmt: skip


def test_what_cannot_be_is_not_written(tmp_path: Path) -> None:
    path = filled(tmp_path)
    before = path.read_bytes()
    with open_ledger(tmp_path) as ledger:
        with pytest.raises(ValueError, match="trial 1 has ended"):
            ledger.append("started", trial=1, attempt=2)
        with pytest.raises(ValueError, match="not JSON compliant"):
            ledger.append("closed", reason=float("nan"))
    assert path.read_bytes() == before


def test_observers_are_told_after_the_disk_and_cannot_stop_a_sweep(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[tuple[str, int]] = []
    with open_ledger(tmp_path) as ledger:

        def watch(entry: object, history: object) -> None:
            seen.append((ledger.history.limits.max_trials, len(ledger.path.read_bytes().splitlines())))
            raise RuntimeError("away")

        ledger.observers.append(watch)
        with caplog.at_level(logging.ERROR, "experiments"):
            ledger.begin(sweep_of(), Limits(3))
            ledger.append("opened")
    assert seen == [(3, 1), (3, 2)]
    assert "a sweep's observer failed at entry 1" in caplog.text


def test_where_there_are_no_locks_the_hour_of_a_driver_counts_from_its_last_entry(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        driver = tmp_path / DRIVER_FILE
        os.utime(driver, (time.time() - 3700,) * 2)
        ledger.begin(sweep_of(), Limits(3))
        assert time.time() - driver.stat().st_mtime < 60


def test_a_full_disk_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / LEDGER_FILE).symlink_to("/dev/full")
    with open_ledger(tmp_path) as ledger, pytest.raises(SweepError) as error:
        ledger.begin(sweep_of(), Limits(3))
    assert re.fullmatch(
        re.escape(f"{tmp_path}/ledger.jsonl: the sweep's ledger cannot be written (No space left on device): ")
        + r"[\d,]+ bytes, [\d,]+ are free\. Free some space or allow it to be written; then resume the sweep",
        str(error.value),
    )


def test_a_clock_that_was_set_back_does_not_make_an_entry_older_than_those_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_ledger(tmp_path) as ledger:
        monkeypatch.setattr(ledger_module, "now", lambda: 2000)
        ledger.begin(sweep_of(), Limits(3))
        monkeypatch.setattr(ledger_module, "now", lambda: 1000)
        assert ledger.append("opened").at == 2000


@pytest.mark.parametrize("folder", ["/sys/none", "/dev/full"])
def test_a_folder_that_cannot_be_written_to_is_named(folder: str) -> None:
    with pytest.raises(SweepError, match=rf"^{folder}/ledger\.jsonl: the sweep's ledger cannot be written \("):
        Ledger(Path(folder))


def test_where_no_sweep_was_begun_there_is_none(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(SweepError, match="no sweep was begun here"):
            read_ledger(folder)


def test_a_ledger_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        ledger.begin(sweep_of(), Limits(3))
        assert asdict(read_ledger(tmp_path).limits)["max_trials"] == 3
        with pytest.raises(SweepError, match="drives the sweep already"):
            Ledger(tmp_path)
    Ledger(tmp_path).close()
