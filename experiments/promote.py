"""Make a run's network the champion, if it is better: python -m experiments.promote RUN"""

from __future__ import annotations

import argparse
import re
import sys
from contextlib import nullcontext
from dataclasses import asdict, replace
from itertools import count
from typing import NoReturn

from omegaconf import OmegaConf
from rich.console import Console

from cifar.config import ConfigError, RunConfig
from cifar.proof import DataError
from experiments.commandline import CONF
from experiments.display import say
from experiments.execution import Place, execute
from experiments.folders import new_folder, write_config
from experiments.recipe import as_recipe
from experiments.results.promotion import SCORE, Gate, gate, seeds_of
from experiments.results.statistics import Summary
from experiments.schema import Settings, UsageError, read_params
from experiments.tracking.config import TrackingConfig
from experiments.tracking.finding import find
from experiments.tracking.reading import RecordedRun, read_runs
from experiments.tracking.redaction import redact
from experiments.tracking.registry import has_network, register
from experiments.tracking.service import TrackingError
from experiments.tracking.signals import STOPPED_BY_CTRL_C, Terminated, raise_on_stop
from experiments.tracking.store import open_to_read
from experiments.tracking.words import REAL, REGISTERED, NoSuchRunError, run_id_of

PROMOTES_TAG = "promotes"

HELP = """\
Makes the network of a run the champion of MLflow's registry, if its setting is better than the champion's on the test
images, over several seeds. Seeds that are missing are trained first. The setting is written to conf/experiment/.

  python -m experiments.promote RUN
  python -m experiments.promote best --seeds 5 --name my_recipe

RUN       MLflow's id, the beginning of it, the run's name or folder; best, latest or champion
--seeds   of the setting, at least so many (3); of the champion's all count that the store has
--name    of the preset: conf/experiment/NAME.yaml (the run's name)
--force   register it although it is not better, and replace a preset of this name
--uri     another store than mlflow.db here, or $MLFLOW_TRACKING_URI

Better means that the 95 % interval of the difference (Welch's t over seeds) is above 0. Exit code: 0 it is the
champion, 1 it is not better.
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError("command line", message, "See --help")


def main(argv: list[str]) -> int:
    """Run a command line; returns the exit code: 0 champion, 1 not better, 2 it is the user's to mend, 130, 143."""
    if {"--help", "-h"} & {*argv}:
        print(HELP, end="")
        return 0
    from cifar.checkpoints import CheckpointError

    console = Console(soft_wrap=True)
    try:
        typed = _arguments(argv)
        with raise_on_stop():
            return _promote(typed, TrackingConfig(uri=typed.uri), console)
    except (ConfigError, TrackingError, DataError, CheckpointError, OSError) as error:
        print(f"error: {redact(str(error))}", file=sys.stderr)
        return 2
    except ArithmeticError as error:  # a seed that diverged
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return STOPPED_BY_CTRL_C
    except Terminated:
        return Terminated.exit_code


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = _Parser(prog="python -m experiments.promote", add_help=False, allow_abbrev=False)
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


def _promote(typed: argparse.Namespace, config: TrackingConfig, console: Console) -> int:
    with console.status("reading the runs") if console.is_terminal else nullcontext():
        run, champion = _read(typed.run, config), _champion(config)
    setting = read_params(run.params)
    if not typed.force:
        _refuse_other_images(run, champion)
    preset = CONF / "experiment" / f"{typed.name or _file_name(run.name)}.yaml"
    if preset.exists() and not typed.force:
        raise ConfigError("--name", preset.stem, f"another name, since {preset} is there", "--force replaces it")
    _train_missing(run, setting, typed.seeds, config, console)
    runs = read_runs(config)
    seeds = seeds_of(run, runs)
    others = seeds_of(champion, runs) if champion is not None else {}
    if champion is not None and champion.run_id in {other.run_id for other in seeds.values()}:
        say(console, f"{champion.name} ({champion.run_id[:8]}), the champion, is a seed of this very setting")
        return 0
    found = gate(*([item.metrics[SCORE] for item in group.values()] for group in (seeds, others)))
    say(console, in_words(found))
    if not found.opens and not typed.force:
        say(console, "not promoted: it is not better beyond doubt. --force promotes it all the same")
        return 1
    chosen = run if has_network(run) else _network_of(list(seeds.values()))
    about = {"test_accuracy": _score(found.candidate), "seeds": ",".join(sorted(seeds)), "forced": str(not found.opens)}
    preset.write_text(_recipe(run, setting, found, preset.stem), encoding="utf-8")
    version = register(open_to_read(config), chosen, about)
    say(console, f"champion of {REGISTERED}: version {version}, run {chosen.name} ({chosen.run_id[:8]})")
    say(console, f"to serve it: mlflow models serve -m models:/{REGISTERED}@champion --env-manager local")
    say(console, f"to train it: python -m experiments.run experiment={preset.stem} ({preset})")
    return 0


def _read(named: str, config: TrackingConfig) -> RecordedRun:
    run_id = find(named, config).run_id
    run = next((item for item in read_runs(config) if item.run_id == run_id), None)
    if run is None:
        raise TrackingError(f"run {named}: is not in the store that was asked, or was deleted there")
    if run.status != "FINISHED":
        raise TrackingError(f"run {named}: is {run.status}; only a finished run is promoted")
    return run


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


def _train_missing(run: RecordedRun, setting: RunConfig, number: int, config: TrackingConfig, console: Console) -> None:
    """Train the setting on further seeds until there are so many, at least one of them with a network."""
    there = seeds_of(run, read_runs(config))
    missing = max(number - len(there), 0 if any(map(has_network, (run, *there.values()))) else 1)
    free = (seed for seed in count(setting.seed + 1) if str(seed % 2**32) not in there)
    for position in range(1, missing + 1):
        seed = next(free) % 2**32
        say(console, f"\ntraining {position} of {missing}: seed {seed}")
        tracking = replace(config, run_name=f"{_file_name(run.name)}-seed{seed}")
        settings = Settings(replace(setting, seed=seed), tracking)
        folder = new_folder("outputs")
        text = redact(OmegaConf.to_yaml(asdict(settings.run) | {"tracking": asdict(tracking)}))
        write_config(folder, text)
        execute(settings, text, Place(folder, console), tags={PROMOTES_TAG: run.run_id})


def _network_of(runs: list[RecordedRun]) -> RecordedRun:
    """Of the seeds that have a network the one with the best validation accuracy; test images choose nothing."""
    return max(
        (run for run in runs if has_network(run)),
        key=lambda run: (run.metrics.get("best_val_accuracy", 0.0), -run.began),
    )


def _file_name(name: str) -> str:
    return re.sub(r"[^\w-]+", "-", re.sub(r"-seed\d+$", "", name)).strip("-")[:100] or "promoted"


def _recipe(run: RecordedRun, setting: RunConfig, found: Gate, name: str) -> str:
    comments = [
        f"python -m experiments.run experiment={name}",
        f"Measured: {_score(found.candidate)} on the test images; promoted from run {run.run_id}.",
    ]
    return as_recipe(asdict(setting), comments)


def in_words(found: Gate) -> str:
    """The candidate beside the champion, in a line or three."""
    lines = [f"candidate: test accuracy {_score(found.candidate)}"]
    if found.champion is None:
        return f"{lines[0]}; there is no champion yet"
    lines.append(f"champion: test accuracy {_score(found.champion)}")
    if found.difference is not None:
        one = found.difference
        interval = (
            "no interval, since one of them has a single seed"
            if one.low is None or one.high is None
            else f"95 % interval {100 * one.low:+.2f} to {100 * one.high:+.2f}"
        )
        lines.append(f"difference {100 * one.mean:+.2f} points, {interval}")
    return "\n".join(lines)


def _score(summary: Summary) -> str:
    deviation = "" if summary.deviation is None else f" \N{PLUS-MINUS SIGN} {100 * summary.deviation:.2f}"
    return f"{100 * summary.mean:.2f}{deviation} % (n = {summary.n})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
