"""Make a run's network the champion, if it is better: python -m experiments.promote RUN"""

from __future__ import annotations

if __name__ == "__main__":
    from experiments.tracking.signals import end_on_stop

    end_on_stop()  # before the imports below, which take their time

import argparse
import math
import re
import sys
from contextlib import nullcontext
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path

from rich.console import Console

from cifar.config import RunConfig
from cifar.fields import ConfigError
from experiments.anew import train_anew
from experiments.display import say
from experiments.ending import tell_error
from experiments.frame import answer, new_parser
from experiments.recipe import as_recipe
from experiments.results.promotion import SCORE, Gate, gate, in_words, is_same, score, seeds_of
from experiments.schema import Settings, read_params
from experiments.tracking.config import TrackingConfig
from experiments.tracking.finding import recorded
from experiments.tracking.reading import RecordedRun, read_runs
from experiments.tracking.registry import has_network, register
from experiments.tracking.service import TrackingError
from experiments.tracking.store import open_to_read
from experiments.tracking.words import REAL, REGISTERED, NoSuchRunError, run_id_of
from experiments.usage import CONF

PROMOTES_TAG = "promotes"

HELP = """\
Makes the network of a run the champion of MLflow's registry, if its setting is better than the champion's on the test
images, over several seeds. Seeds that are missing are trained first. The setting is written to conf/experiment/.

  python -m experiments.promote RUN
  python -m experiments.promote best --seeds 5 --name my_recipe

RUN       MLflow's id, the beginning of it, the run's name or folder; best, latest or champion
--seeds   of the setting, at least so many (3); of the champion's all count that the store has
--name    of the preset: conf/experiment/NAME.yaml (the run's name without its seed)
--force   register it although it is not better, and replace a preset of this name
--uri     another store than mlflow.db here, or $MLFLOW_TRACKING_URI

Better means that the 95 % interval of the difference (Welch's t over seeds) is above 0. Exit code: 0 it is the
champion, 1 it is not better.
"""


def main(argv: list[str]) -> int:
    """Run a command line; returns the exit code: 0 champion, 1 not better, 2 it is the user's to mend, 130, 143."""
    return answer(argv, HELP, _promote)


def _promote(argv: list[str]) -> int:
    typed, console = _arguments(argv), Console(soft_wrap=True)
    try:
        return _decide(typed, TrackingConfig(uri=typed.uri), console)
    except ArithmeticError as error:  # a seed diverged
        tell_error(error)
        return 1


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = new_parser("promote")
    parser.add_argument("run")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--name")
    parser.add_argument("--force", action="store_true")
    parser.add_argument("--uri")
    typed = parser.parse_args(argv)
    if typed.seeds < 1:
        raise ConfigError("--seeds", typed.seeds, "a whole number of at least 1")
    if typed.name is not None and not re.fullmatch(r"[\w-]{1,100}", typed.name):
        raise ConfigError("--name", typed.name, "1 to 100 letters, digits, _ and -")
    return typed


def _decide(typed: argparse.Namespace, config: TrackingConfig, console: Console) -> int:
    with console.status("reading the runs") if console.is_terminal else nullcontext():
        run, champion = _read(typed.run, config), _champion(config)
    if champion is not None and is_same(run, champion) and not typed.force:
        say(console, f"{champion.name} ({champion.run_id[:8]}), the champion, is a seed of this very setting")
        return 0
    setting = read_params(run.params)
    if not typed.force:
        _refuse_other_images(run, champion)
        _refuse_unscored(champion, config)
    preset = _preset(typed, run)
    _train_missing(run, setting, typed.seeds, config, console)
    runs = read_runs(config)
    seeds = seeds_of(run, runs)
    others = seeds_of(champion, runs) if champion is not None else {}
    found = gate(*([item.metrics[SCORE] for item in group.values()] for group in (seeds, others)))
    say(console, in_words(found))
    if not found.opens and not typed.force:
        say(console, "not promoted: it is not better beyond doubt. --force promotes it all the same")
        return 1
    chosen = run if has_network(run) else _network_of(list(seeds.values()))
    about = {"test_accuracy": score(found.candidate), "seeds": ",".join(sorted(seeds)), "forced": str(not found.opens)}
    version = register(open_to_read(config), chosen, about)
    preset.write_text(_recipe(run, setting, found, preset.stem), encoding="utf-8")
    say(console, f"champion of {REGISTERED}: version {version}, run {chosen.name} ({chosen.run_id[:8]})")
    say(console, f"to serve it: mlflow models serve -m models:/{REGISTERED}@champion --env-manager local")
    say(console, f"to train it: python -m experiments.run experiment={preset.stem} ({preset})")
    return 0


def _read(named: str, config: TrackingConfig) -> RecordedRun:
    (run,) = recorded([named], config)
    if run.status != "FINISHED":
        raise TrackingError(f"run {named}: is {run.status}; only a finished run is promoted")
    return run


def _preset(typed: argparse.Namespace, run: RecordedRun) -> Path:
    """The file that the setting is written to."""
    preset = CONF / "experiment" / f"{typed.name or _file_name(run.name)}.yaml"
    if preset.exists() and not typed.force:
        raise ConfigError("--name", preset.stem, f"another name, since {preset} is there", "--force replaces it")
    return preset


def _champion(config: TrackingConfig) -> RecordedRun | None:
    """The champion's run; None where there is none, or it was deleted."""
    try:
        run_id = run_id_of("champion", config)
    except NoSuchRunError:
        return None
    return next((item for item in read_runs(config) if item.run_id == run_id), None)


def _refuse_other_images(run: RecordedRun, champion: RecordedRun | None) -> None:
    """Only what was scored on the same images can be compared, and made-up ones are easy."""
    name, size = (run.params.get(key, "") for key in ("data.name", "data.test_size"))
    if name != REAL:
        raise ConfigError("data.name", name, f"{REAL}, the images that {REGISTERED} is for", "--force takes it")
    if champion is not None and champion.params.get("data.test_size", "") != size:
        others = champion.params.get("data.test_size")
        raise ConfigError("data.test_size", size, f"{others}, as the champion was scored", "--force takes it")


def _refuse_unscored(champion: RecordedRun | None, config: TrackingConfig) -> None:
    """A champion that was gone on with and stopped, or never saw the test images, is nothing to be compared with."""
    if champion is not None and not seeds_of(champion, read_runs(config)):
        expected = f"a finished run of its setting with a test accuracy; {champion.name} is {champion.status}"
        raise ConfigError("champion", champion.run_id[:8], expected, "--force promotes without a comparison")


def _train_missing(run: RecordedRun, setting: RunConfig, number: int, config: TrackingConfig, console: Console) -> None:
    """Train the setting on further seeds until there are so many, at least one of them with a network."""
    there = seeds_of(run, read_runs(config))
    missing = max(number - len(there), 0 if any(map(has_network, (run, *there.values()))) else 1)
    free = (seed for seed in count(setting.seed + 1) if str(seed % 2**32) not in there)
    for position in range(1, missing + 1):
        seed = next(free) % 2**32
        say(console, f"\ntraining {position} of {missing}: seed {seed}")
        tracking = replace(config, run_name=f"{_file_name(run.name)}-seed{seed}")
        train_anew(Settings(replace(setting, seed=seed), tracking), console, {PROMOTES_TAG: run.run_id})


def _network_of(runs: list[RecordedRun]) -> RecordedRun:
    """Of the seeds that have a network the one with the best validation accuracy; test images choose nothing."""
    return max(
        (run for run in runs if has_network(run)),
        key=lambda run: (run.kept_validation if math.isfinite(run.kept_validation) else 0.0, -run.began),
    )


def _file_name(name: str) -> str:
    return re.sub(r"[^\w-]+", "-", re.sub(r"-seed\d+$", "", name)).strip("-")[:100] or "promoted"


def _recipe(run: RecordedRun, setting: RunConfig, found: Gate, name: str) -> str:
    comments = [
        f"python -m experiments.run experiment={name}",
        f"Measured: {score(found.candidate)} on the test images; promoted from run {run.run_id}.",
    ]
    return as_recipe(asdict(setting), comments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
