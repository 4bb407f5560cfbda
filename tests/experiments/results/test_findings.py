"""The sentences that a report begins with."""

from __future__ import annotations

import subprocess
import sys

from experiments.results.findings import counted, findings
from experiments.results.overview import look_at
from experiments.results.sorting import sort
from experiments.tracking.config import TrackingConfig
from experiments.tracking.life import HEARTBEAT_TAG, Process, signs_of_life
from experiments.tracking.reading import RecordedRun
from tests.experiments.results.recorded import recorded, sweep_run, trial

WHOLE = {"data__validation_size": 0, "data__train_size": "null"}
PLUS_MINUS = "\N{PLUS-MINUS SIGN}"


def told(*runs: RecordedRun) -> list[str]:
    return findings(look_at(runs, TrackingConfig(uri="sqlite:///none.db")))


def test_the_best_setting_is_named_with_its_interval_and_what_cannot_be_told_from_it() -> None:
    best = [recorded(score, score - 0.01, seed=seed) for seed, score in enumerate((0.62, 0.63, 0.64))]
    tied = [recorded(score, seed=seed, optimizer__name="adam") for seed, score in enumerate((0.63, 0.62, 0.635))]
    assert told(*best, *tied) == [
        "6 finished trainings in 2 different settings.",
        f"The best setting by validation images is model1 sgd learning_rate=0.01, with 63.00 {PLUS_MINUS} 1.00 % "
        f"(n = 3, 95 % interval 60.52 to 65.48 %); on the test images it scores 62.00 {PLUS_MINUS} 1.00 %. "
        "1 other setting of 1 cannot be told from it.",
    ]


def test_one_seed_is_warned_of() -> None:
    sentences = told(recorded(0.7), recorded(0.5, optimizer__name="adam"))
    assert sentences[1].endswith("with 70.00 % (n = 1). It can be told from the other setting.")
    assert sentences[2].startswith("2 settings have one seed only.")


def test_the_document_is_compared_with() -> None:
    sentences = told(recorded(None, 0.7758, model__name="model2", **WHOLE))
    assert sentences[1] == (
        "model2, trained as the document has it, scores 77.58 % on the test images (n = 1): 5.67 points above the "
        "document's 71.91 %; one seed does not say how much of that is luck."
    )
    within = told(*(recorded(None, 0.62 + seed / 100, seed=seed, **WHOLE) for seed in range(3)))
    assert within[1].endswith(
        "0.05 points below the document's 63.05 %; the 95 % interval holds the document's figure."
    )
    beyond = told(*(recorded(None, 0.70 + seed / 1000, seed=seed, **WHOLE) for seed in range(3)))
    assert beyond[1].endswith("the 95 % interval does not hold the document's figure.")


def test_made_up_images_are_named() -> None:
    assert "of sample is" in told(recorded(0.7, data__name="sample"))[1]


def test_sweeps_are_counted() -> None:
    assert told(sweep_run(run_id="s" * 32), trial(1, 0.5, "s" * 32))[0] == (
        "0 finished trainings in 0 different settings, and 1 sweep of 1 trial."
    )


def test_a_run_whose_process_is_gone_is_not_said_to_go_on() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        gone = Process.own().tags() | {"process.pid": str(process.pid), "process.started": "1"}
    here = signs_of_life()
    silent = here | {"process.host": "another", HEARTBEAT_TAG: "2026-01-01T00:00:00Z"}
    told_of = {"here": here, "gone": gone, "silent": silent, "of another tool": {}}
    runs = [recorded(status="RUNNING", name=name, tags=tags) for name, tags in told_of.items()]
    assert counted(sort(runs)) == [
        "2 runs going on: here and of another tool.",
        "2 runs have lost their process: gone and silent. To close them: python -m experiments.doctor --fix.",
    ]


def test_what_is_on_no_board_is_counted_and_named() -> None:
    runs = [recorded(status="RUNNING", name=f"run {n}") for n in range(7)]
    runs += [recorded(status="FAILED", name="bad", tags={"error": "no\nroom " + "x" * 200}), recorded(model__name=None)]
    going_on, failed, others = counted(sort(runs))
    assert going_on == "7 runs going on: run 0, run 1, run 2, run 3, run 4 and 2 more."
    assert failed.startswith("1 run failed or stopped: bad (no room xxx")
    assert len(failed) < 130
    assert others == "1 run of other projects, without model.name: left out."
    assert counted(sort([])) == []
