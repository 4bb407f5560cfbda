from __future__ import annotations

from pathlib import Path

import pytest

from experiments.search.ledger import LEDGER_FILE
from experiments.search.named import folder_of, sweep_of
from experiments.search.records import SweepError
from experiments.tracking.config import TrackingConfig
from experiments.tracking.recorder import Recorder
from experiments.tracking.service import TrackingError


def test_a_sweep_is_named_by_its_folder_or_by_its_run_in_mlflow(database: Path, project: Path) -> None:
    folder = project / "sweeps" / "a"
    with Recorder(TrackingConfig(), folder, "sweep-depth") as parent:
        (folder / LEDGER_FILE).touch()
    for named in (str(folder), "sweep-depth", parent.run_id, parent.run_id[:8]):
        assert folder_of(named, TrackingConfig()).resolve() == folder.resolve()


def test_a_run_is_no_sweep_and_a_name_that_nothing_has_is_said_so(database: Path, project: Path) -> None:
    with Recorder(TrackingConfig(), project / "outputs" / "b", "model1-sgd-seed0"):
        pass
    with pytest.raises(SweepError, match=r"resume=model1-sgd-seed0: .* is no sweep's \(it has no ledger\.jsonl\)"):
        folder_of("model1-sgd-seed0", TrackingConfig())
    with pytest.raises(TrackingError, match="there is no such run"):
        folder_of("sweep-dep", TrackingConfig())


def test_the_latest_is_the_one_that_began_last(database: Path, project: Path) -> None:
    with pytest.raises(SweepError, match="resume=latest: there is no sweep yet"):
        folder_of("latest", TrackingConfig())
    for name in ("a", "b"):
        with Recorder(TrackingConfig(), project / "sweeps" / name, name, params={"sweep.space": "depth"}):
            (project / "sweeps" / name / LEDGER_FILE).touch()
    with Recorder(TrackingConfig(), project / "outputs" / "c", "a run"):
        pass
    assert folder_of("latest", TrackingConfig()).resolve() == (project / "sweeps" / "b").resolve()


@pytest.mark.parametrize("word", ["best", "champion"])
def test_a_word_that_means_a_run_is_refused_with_what_works(word: str, project: Path) -> None:
    with pytest.raises(
        SweepError, match=rf"resume={word}: means a run; expected a sweep's folder, id or name, or latest$"
    ):
        folder_of(word, TrackingConfig())


def test_a_run_of_a_sweep_knows_its_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = tmp_path / "sweeps" / "a"
    for folder in (sweep / "trials" / "0003", sweep / "finals" / "0001", tmp_path / "outputs" / "b"):
        folder.mkdir(parents=True)
    (sweep / LEDGER_FILE).touch()
    assert sweep_of(sweep) == sweep_of(sweep / "trials" / "0003") == sweep_of(sweep / "finals" / "0001") == sweep
    assert sweep_of(tmp_path / "outputs" / "b") is None
    monkeypatch.chdir(sweep / "trials")
    assert sweep_of(Path("0003")) == sweep
