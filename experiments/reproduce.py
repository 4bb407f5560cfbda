"""Train a recorded run again and see whether it comes to the same: python -m experiments.reproduce RUN"""

from __future__ import annotations

if __name__ == "__main__":
    from experiments.tracking.signals import end_on_stop

    end_on_stop()  # before the imports below, which take their time

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console

from cifar.config import RunConfig
from experiments.anew import train_anew
from experiments.compare import read_sides
from experiments.display import say
from experiments.frame import answer, new_parser
from experiments.record import fingerprint
from experiments.results.comparison import CODE, Side, differing
from experiments.results.reproduction import IDENTICAL, Verdict, judge
from experiments.results.settings import setting
from experiments.schema import Settings, read_params
from experiments.tracking.config import TrackingConfig
from experiments.tracking.provenance import describe_environment
from experiments.tracking.service import TrackingError
from experiments.tracking.twins import FINGERPRINT_TAG

if TYPE_CHECKING:
    from cifar.data import Dataset

REPRODUCES_TAG = "reproduces"

HELP = """\
Trains a run again from what it recorded (settings, seed, images, code) and gives a verdict: identical to the bit,
within seed noise, or different; and where the first difference appeared. The new training is a run of its own.

  python -m experiments.reproduce RUN
  python -m experiments.reproduce best

RUN      MLflow's id, the beginning of it, the run's name or folder; best, latest or champion
--uri    another store than mlflow.db here, or $MLFLOW_TRACKING_URI

The same bits can be expected from the same machine, device, number of threads, code and versions. Seed noise is the
95 % prediction interval from runs of three or more seeds with the same settings; else the interval of the difference on
the same test images. Exit code: 0 identical or within noise, 1 different.
"""


def main(argv: list[str]) -> int:
    """Run a command line; returns the exit code: 0 reproduced, 1 different, 2 it is the user's to mend, 130, 143."""
    return answer(argv, HELP, _reproduce)


def _reproduce(argv: list[str]) -> int:
    typed, console = _arguments(argv), Console(soft_wrap=True)
    try:
        verdict = _judged(typed.run, TrackingConfig(uri=typed.uri), console)
    except ArithmeticError as error:  # it diverged
        print(f"different: {error}", file=sys.stderr)
        return 1
    say(console, told(verdict))
    return 0 if verdict.holds else 1


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = new_parser("reproduce")
    parser.add_argument("run")
    parser.add_argument("--uri")
    return parser.parse_args(argv)


def _judged(named: str, config: TrackingConfig, console: Console) -> Verdict:
    from cifar.data import load_dataset

    with console.status("reading the run") if console.is_terminal else nullcontext():
        (then,) = read_sides((named,), config)
    run = _settings(then)
    say(console, f"reproducing {then.name}")
    dataset = load_dataset(run.data)
    for line in premises(then, run, dataset):
        say(console, line)
    tracking = replace(config, run_name=f"reproduction-of-{then.run_id[:8]}", log_model=False)
    run = _in_any_time(run, then, console)
    result = train_anew(Settings(run, tracking), console, {REPRODUCES_TAG: then.run_id}, dataset)
    if not result.run_id:
        raise TrackingError("the store does not have the new run, so it cannot be compared; see above")
    (now,) = read_sides((result.run_id,), config)
    return judge(then, now, _other_seeds(then, config))


def _settings(then: Side) -> RunConfig:
    """What the run was set to, as long as it trained in fact."""
    run, epochs = read_params(then.params), _epochs(then)
    if not epochs:
        raise TrackingError(f"run {then.name}: recorded no epoch, so there is nothing to reproduce")
    if epochs == run.training.epochs or run.schedule.spans_training:
        return run
    return replace(run, training=replace(run.training, epochs=epochs))


def _epochs(then: Side) -> int:
    return max((len(curve) for curve in then.curves.values()), default=0)


def _in_any_time(run: RunConfig, then: Side, console: Console) -> RunConfig:
    """Without a time limit: it trains as long as the run did, however busy this machine is."""
    limit = run.training.max_minutes
    if limit is not None and run.training.epochs != _epochs(then):  # its rates depend on the epochs it was begun for
        say(console, f"training.max_minutes={limit:g} applies again: it may train for more or fewer epochs")
        return run
    return replace(run, training=replace(run.training, max_minutes=None))


def premises(then: Side, run: RunConfig, dataset: Dataset) -> list[str]:
    """What is not as it was, so that other bits may come out; nothing where all of it is the same."""
    here = describe_environment()
    said = [then.missing] if then.missing else []
    said += [
        f"{key}: {before or 'not recorded'}, now {now or 'not known'}"
        for key, (before, now) in differing(
            {key: then.tags[key] for key in (*CODE, "cpu", "cpu.cores") if key in then.tags},
            {key: here[key] for key in (*CODE, "cpu", "cpu.cores") if key in here},
        ).items()
    ]
    versions = [{k: v for k, v in tags.items() if k.startswith("version.")} for tags in (then.tags, here)]
    said += [f"{key}: {before}, now {now}" for key, (before, now) in differing(*versions).items()]
    digest = then.tags.get("data.digest")
    if digest is not None and digest != dataset.digest:
        said.append(f"data.digest: {digest[:12]}, now {dataset.digest[:12]}: these are other images")
    recorded = then.tags.get(FINGERPRINT_TAG)
    if recorded is not None and recorded == fingerprint(run, dataset.digest):
        said.append("settings, images, training code and libraries are those of the run")
    return said


def _other_seeds(then: Side, config: TrackingConfig) -> Sequence[dict[str, float]]:
    """The final metrics of finished runs with these settings but another seed, one for each seed."""
    from experiments.tracking.reading import read_runs

    own = setting(then.params)
    found: dict[str, dict[str, float]] = {}
    for run in read_runs(config):
        seed = run.params.get("seed", "")
        if run.status == "FINISHED" and seed != then.params.get("seed") and setting(run.params) == own:
            found.setdefault(seed, dict(run.metrics))
    return list(found.values())


def told(verdict: Verdict) -> str:
    """A verdict in a line or two."""
    if verdict.word == IDENTICAL:
        answers = " and every answer to the test images" if verdict.answers else "; the run's answers are not known"
        return f"verdict: {verdict.word}, in all {verdict.epochs} epochs{answers}"
    lines = [f"verdict: {verdict.word}"]
    if verdict.first is not None:
        lines.append(f"first difference: {verdict.first[1]} of epoch {verdict.first[0]} of {verdict.epochs}")
    elif verdict.epochs:
        lines.append(f"the {verdict.epochs} epochs are equal to the bit, the answers to the test images are not")
    then, now = (("-" if value is None else f"{value:.2%}") for value in (verdict.then, verdict.now))
    if verdict.low is None or verdict.high is None:
        lines.append(f"{verdict.metric} {then} then, {now} now; {verdict.basis}")
    else:
        expected = f"{verdict.low:.2%} to {verdict.high:.2%} ({verdict.basis})"
        lines.append(f"{verdict.metric} {then} then, {now} now; expected {expected}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
