"""The sweep of `trials` as it is typed for this project, and the settings that it draws."""

from __future__ import annotations

import tempfile
from pathlib import Path

import yaml

from benchmarks.trials import BATCH_SIZE, SEARCH, SEED, Setting, SweepTask
from experiments.search.records import Trial
from experiments.search.tuners import build_tuner
from experiments.sweepline import read_line

SPACE = {"name": "benchmark", "fixed": {"model": "model1", "optimizer": "rmsprop"}, "search": SEARCH}

ALONE = ("sweep.final_seeds=0", "sweep.reuse=false")
"""What a sweep does beside its trials, and keras-tuner does not."""


def typed(task: SweepTask, folder: Path) -> list[str]:
    """What is typed after `python -m experiments.sweep`, with a space of one's own that is written to a folder."""
    (folder / "space").mkdir(parents=True, exist_ok=True)
    (folder / "space" / "benchmark.yaml").write_text(yaml.safe_dump(SPACE, sort_keys=False), encoding="utf-8")
    return [
        f"--config-dir={folder}",
        "space=benchmark",
        "tuner=random",
        f"sweep.seed={SEED}",
        f"sweep.max_trials={task.trials}",
        *ALONE,
        f"training.epochs={task.epochs}",
        f"training.batch_size={BATCH_SIZE}",
        f"data={task.data}",
        f"data.validation_size={task.data_config.validation_size}",
        f"data.train_size={task.images}",
    ]


def draw_settings(task: SweepTask) -> list[Setting]:
    """Those that the sweep's random search draws by itself, in its order; the other contenders are given them."""
    with tempfile.TemporaryDirectory() as folder:
        line = read_line(typed(task, Path(folder)))
    tuner = build_tuner(line.tuner, line.plan.space, line.settings.objective, line.settings.seed)
    trials: list[Trial] = []
    for number in range(1, task.trials + 1):
        proposal = tuner.propose(trials)
        assert proposal is not None, "a random search waits for nothing"
        trials.append(Trial(number, proposal.point, {}))
    return [setting_of(trial) for trial in trials]


def setting_of(trial: Trial) -> Setting:
    """The values of a trial of this project's, without the nodes that they stand in."""
    return {key.rpartition(".")[2]: float(str(value)) for key, value in trial.point.items()}
