"""The best trial as a preset: a file that `python -m experiments.run experiment=PATH` runs as it is."""

from __future__ import annotations

from experiments.recipe import as_recipe
from experiments.search.finals import as_judged
from experiments.search.records import Sweep, Trial

BEST_FILE = "best.yaml"


def as_preset(trial: Trial, sweep: Sweep, trials: int, path: str) -> str:
    """A preset of all settings of a trial, with what it scored as a comment.

    Args:
        trial: the best one.
        sweep: which it is of.
        trials: how many have ended.
        path: where the file will be.
    """
    run = f", MLflow run {trial.facts['run_id']}" if trial.facts.get("run_id") else ""
    comments = [
        f"python -m experiments.run experiment={path}",
        f"Trial {trial.number}{run}: best {sweep.objective} {trial.score:.4f}, one seed, the best of {trials} "
        f"trials of {sweep.name}.",
        *_threads(trial),
        "The best of many looks better than it is: judge it on other seeds, and on the test images once.",
        _kept(sweep.objective),
    ]
    return as_recipe(as_judged(trial.config), comments)


def _kept(objective: str) -> str:
    if objective == "val_accuracy":
        return "A trial counts by its best epoch, so that one is kept: training.restore_best_weights."
    return f"It counts by its best {objective}; kept is its best val_accuracy: training.restore_best_weights."


def _threads(trial: Trial) -> list[str]:
    threads = trial.config["compute"]["threads"]
    return [f"Trained with compute.threads={threads}, which repeats it to the bit."] if threads else []
