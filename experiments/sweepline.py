"""A sweep's command line: its own settings, and the overrides of the runs that it makes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

import yaml  # type: ignore[import-untyped]
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from cifar.fields import ConfigError
from experiments.overrides import Checker, one_line
from experiments.schema import UsageError, known_keys, refuse_code
from experiments.search.config import (
    HyperbandConfig,
    PruningConfig,
    SweepConfig,
    TunerConfig,
    WorkersConfig,
    read_node,
    read_tuner,
)
from experiments.search.plan import Plan, Tree, lay_out, read_tree
from experiments.search.records import Limits, Sweep
from experiments.search.space import read_space
from experiments.search.tuners import check_tuner, trials_to_make
from experiments.suggestions import did_you_mean, near_option
from experiments.tracking.config import TrackingConfig
from experiments.usage import CONF

GROUPS = ("space", "tuner", "pruning", "workers")
NODES = (*GROUPS, "sweep")

CHANGEABLE = {
    "sweep": ("max_trials", "max_minutes", "max_retries", "final_seeds", "reuse"),
    "workers": ("address", "count", "trial_timeout_minutes"),
    "tracking": ("uri",),
}
"""What may be typed beside `resume=`."""


LENGTHS = ("training.epochs", "epochs", "experiment")
"""Keys that say how long a run trains."""


@dataclass(frozen=True)
class SweepLine:
    """A command line that can run.

    `space` is as its file has it, plain values; `typed` are the overrides for every run.
    """

    space: Mapping[str, Any]
    tuner: TunerConfig
    pruning: PruningConfig
    settings: SweepConfig
    workers: WorkersConfig
    tracking: TrackingConfig
    typed: tuple[str, ...]
    plan: Plan

    def sweep(self, name: str, code: Mapping[str, Any], threads: int | None = None) -> Sweep:
        """What the sweep's ledger begins with; `threads` for each trial where none were typed."""
        return Sweep(
            name=name,
            space=self.space,
            tuner=asdict(self.tuner),
            pruning=asdict(self.pruning),
            objective=self.settings.objective,
            seed=self.settings.seed,
            bases=tuple({"picks": base.picks, "config": _threaded(base.tree, threads)} for base in self.plan.bases),
            default=_threaded(self.plan.default, threads),
            code=code,
        )

    def limits(self) -> Limits:
        """When the sweep stops.

        Raises:
            ConfigError: too few trials for its tuner.
        """
        number = trials_to_make(self.settings.max_trials, self.tuner, self.plan.space)
        return _limits(replace(self.settings, max_trials=number))


@dataclass(frozen=True)
class Resumed:
    """What a sweep goes on with."""

    limits: Limits
    workers: WorkersConfig
    tracking: TrackingConfig


def read_line(argv: list[str]) -> SweepLine:
    """Read what was typed after `python -m experiments.sweep`, and try the corners of the space.

    Raises:
        ConfigError: something in it cannot be used; the message is one line.
    """
    try:
        return _read(argv)
    except ConfigError:
        raise
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise UsageError(" ".join(argv) or "conf/", one_line(error)) from error


def _read(argv: list[str]) -> SweepLine:
    args = _arguments(argv)
    folders = [CONF, *([Path(args.config_dir).resolve()] if args.config_dir else [])]
    own = [item for item in args.overrides if _node(item) in NODES]
    typed = [item for item in args.overrides if item not in own]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        tree = _compose([_own_override(item, folders) for item in own], folders)
        checker = Checker("config", folders)
        _refuse_near_misses(typed, checker)
        tuner = read_tuner(tree["tuner"])
        pruning = read_node(PruningConfig, tree["pruning"])
        settings = read_node(SweepConfig, tree["sweep"])
        workers = read_node(WorkersConfig, tree["workers"])
        tracking = _tracking(typed, checker)
        plan = lay_out(read_space(tree["space"]), typed, checker)
    check_tuner(tuner, pruning, plan)
    if isinstance(tuner, HyperbandConfig):
        plan = _as_long(plan, tuner, typed)
    return SweepLine(tree["space"], tuner, pruning, settings, workers, tracking, tuple(typed), plan)


def _tracking(typed: list[str], checker: Checker) -> TrackingConfig:
    """How trials are recorded; only what was typed decides it, since no space may."""
    own = [item for item in typed if _node(item) == "tracking"]
    return checker.load(tuple(axis[0] for axis in checker.axes(checker.parse(own)))).tracking


def _as_long(plan: Plan, tuner: HyperbandConfig, typed: list[str]) -> Plan:
    """With a default that trains for as many epochs as the winner may, unless its space says for how many.

    Raises:
        UsageError: training.epochs was typed, which has no say.
    """
    given = {item.partition("=")[0].lstrip("+"): item for item in typed}
    if "training.epochs" in given:
        hint = "tuner.max_epochs sets the epochs of the trials that get furthest"
        raise UsageError(given["training.epochs"], "tuner=hyperband decides how long a trial trains", hint)
    if any(key in LENGTHS and key not in given for key, _ in plan.space.default):
        return plan
    training = {**plan.default["training"], "epochs": tuner.max_epochs}
    return replace(plan, default=asdict(read_tree({**plan.default, "training": training})))


def _threaded(tree: Tree, threads: int | None) -> Tree:
    compute = tree["compute"]
    return {**tree, "compute": {**compute, "threads": compute["threads"] or threads}}


def read_resumed(argv: list[str], limits: Limits, workers: WorkersConfig, tracking: TrackingConfig) -> Resumed:
    """Read what was typed beside resume=: limits, workers and the store may change, since no trial depends on them.

    Raises:
        ConfigError: something else was typed, or a value cannot be used.
    """
    given: dict[str, dict[str, Any]] = {
        "sweep": asdict(limits),
        "workers": asdict(workers),
        "tracking": asdict(tracking),
    }
    for item in argv:
        key, equals, _ = item.partition("=")
        node, _, name = key.partition(".")
        if not equals or name not in CHANGEABLE.get(node, ()):
            may = ", ".join(f"{node}.{name}" for node, names in CHANGEABLE.items() for name in names)
            raise UsageError(item, "not with resume=: a sweep goes on as it was begun", f"What may change: {may}")
        given[node][name] = _parse(item).value()
    return Resumed(
        _limits(read_node(SweepConfig, given["sweep"])),
        read_node(WorkersConfig, given["workers"]),
        read_node(TrackingConfig, given["tracking"]),
    )


def typed_value(argv: list[str], key: str) -> Any:
    """The value that was typed for a key; None where none was, or null."""
    values = [_parse(item).value() for item in argv if item.partition("=")[0] == key and "=" in item]
    return values[-1] if values else None


def _limits(settings: SweepConfig) -> Limits:
    if settings.max_trials is None:
        raise ConfigError("sweep.max_trials", None, "a whole number at least 1, since the sweep has begun")
    return Limits(**{item.name: getattr(settings, item.name) for item in fields(Limits)})


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config-dir")
    parser.add_argument("overrides", nargs="*")

    def refuse(message: str) -> NoReturn:
        raise UsageError("command line", message.replace("\n", " "), "Values are given as key=value")

    parser.error = refuse  # type: ignore[method-assign]
    args = parser.parse_intermixed_args(argv)
    if args.config_dir and not Path(args.config_dir).is_dir():
        raise UsageError(f"--config-dir={args.config_dir}", "no such folder")
    return args


def _node(typed: str) -> str:
    return typed.partition("=")[0].partition(".")[0].lstrip("+~")


def _own_override(typed: str, folders: list[Path]) -> str:
    """A setting of the sweep's as Hydra takes it; `read_node` knows which ones there are."""
    override = _parse(typed)
    key = override.key_or_group
    if override.is_sweep_override():
        raise UsageError(typed, "more than one value; a sweep searches what its space names")
    if override.is_delete() or override.is_add() or override.is_force_add():
        raise UsageError(typed, "expected key=value", f"Without {typed[0]}: {typed.lstrip('~+')}")
    if key in GROUPS:
        options = sorted({file.stem for folder in folders for file in (folder / key).glob("*.yaml")})
        if override.value() not in options:
            near = near_option(str(override.value()), options)
            hint = did_you_mean([f"{key}={near}"] if near else [])
            raise ConfigError(key, override.value(), "one of " + ", ".join(options), hint)
        return typed
    if key.startswith("space."):
        hint = "Put one of your own into FOLDER/space/NAME.yaml: --config-dir=FOLDER space=NAME"
        raise UsageError(typed, "a space is changed in its file", hint)
    if key == "sweep":
        settings = [f"sweep.{item.name}" for item in fields(SweepConfig)]
        raise UsageError(typed, "no such setting", did_you_mean(settings[:3]))
    if key.endswith(".name"):
        raise UsageError(typed, "a name is chosen with its group", f"Did you mean {typed.replace('.name', '')}?")
    return f"++{typed}"


def _parse(typed: str) -> Override:
    try:
        return OverridesParser.create().parse_overrides([typed])[0]
    except (HydraException, RecursionError, ValueError):
        raise UsageError(typed, "the value cannot be read", "Quote text with spaces or symbols") from None


def _compose(overrides: list[str], folders: list[Path]) -> dict[str, Any]:
    extra = ",".join(f"'file://{folder}'" for folder in folders[1:])
    search = [f"hydra.searchpath=[{extra}]"] if extra else []
    tree = OmegaConf.to_container(compose("sweep", [*overrides, *search]), resolve=False)
    assert isinstance(tree, dict)
    named = {str(key): value for key, value in tree.items()}
    refuse_code(named)
    return named


def _refuse_near_misses(typed: list[str], checker: Checker) -> None:
    """A mistyped key of the sweep's own (swep.max_trials) is not for the runs to explain."""
    own = [*GROUPS, *(f"sweep.{item.name}" for item in fields(SweepConfig))]
    for item in typed:
        key = item.partition("=")[0].lstrip("+~")
        if key not in {*known_keys(), *checker.groups} and (near := get_close_matches(key, own, n=1, cutoff=0.75)):
            raise UsageError(item, "no such key", did_you_mean(near))
