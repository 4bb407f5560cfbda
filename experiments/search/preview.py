"""A sweep before it begins: its trials, as far as they do not depend on what comes out, and what they cost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from cifar.config import RunConfig
from experiments.search.config import BayesianConfig, RandomConfig, TunerConfig
from experiments.search.plan import Plan, overrides_of, read_tree
from experiments.search.records import Trial
from experiments.search.tuner import NothingLeftError, initial_points
from experiments.search.tuners import build_tuner


@dataclass(frozen=True)
class Foreseen:
    """A trial that a sweep would make.

    Attributes:
        settings: as on a command line, or in words where they depend on what comes out.
        epochs: that it would train, those of a rung below not included.
        images: that it would train on, each counted in each epoch.
        run: its configuration; `run.training.epochs` includes those of a rung below.
    """

    number: int
    settings: str
    epochs: int
    images: int
    run: RunConfig


def foresee(config: TunerConfig, plan: Plan, objective: str, seed: int, number: int) -> list[Foreseen]:
    """The trials of a sweep of so many, as if none failed."""
    drawing = RandomConfig(name="random") if isinstance(config, BayesianConfig) else config
    tuner = build_tuner(drawing, plan.space, objective, seed)
    trials: list[Trial] = []
    foreseen = []
    for n in range(1, number + 1):
        try:
            proposal = tuner.propose(trials)
        except NothingLeftError:
            break
        assert proposal is not None, "nothing runs that could be waited for"
        rung = proposal.rung
        tree = plan.tree(proposal.point, rung.epochs if rung else None)
        trial = Trial(n, proposal.point, tree, rung, state="finished", score=0.0)
        epochs = tree["training"]["epochs"] - (rung.initial_epoch if rung else 0)
        run = read_tree(tree)
        images = epochs * run.data.train_images
        foreseen.append(Foreseen(n, _settings(config, plan, trial, trials), epochs, images, run))
        trials.append(trial)
    return foreseen


def _settings(config: TunerConfig, plan: Plan, trial: Trial, before: list[Trial]) -> str:
    if trial.rung and trial.rung.from_trial:
        return f"one of the best after epoch {trial.rung.initial_epoch} goes on to epoch {trial.rung.epochs}"
    if isinstance(config, BayesianConfig):
        key = plan.space.compared
        option = trial.point[key] if key else None
        part = plan.space.narrowed(key, option) if key else plan.space
        same = Counter(other.point[key] if key else None for other in before)[option]
        if same >= initial_points(config.initial_points, part):
            return f"{overrides_of({key: option})[0]} and what promises most then" if key else "what promises most then"
    return " ".join(overrides_of(trial.point))
