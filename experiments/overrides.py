"""One override after another: does its key exist, is its option there, does the job that it makes load?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from difflib import get_close_matches
from itertools import chain, islice
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from cifar.fields import ConfigError, shown
from experiments.schema import NODES, Settings, UsageError, known_keys, load, refuse_code, unknown_key
from experiments.suggestions import did_you_mean, near_option

MOST_JOBS = 10_000
"""A multirun of more jobs is taken for a mistake."""

Job = tuple[Override, ...]
"""The overrides of one job, each with one value."""

_BUILT_BY_HYDRA = {
    "launcher": r"(hydra_plugins|hydra\._internal\.core_plugins)\.[\w.]+",
    "sweeper": r"hydra\._internal\.core_plugins\.[\w.]+",
    "callbacks": r"(?!)",
    "job_logging": r"logging\.(handlers\.)?[A-Z]\w+",
    "hydra_logging": r"logging\.(handlers\.)?[A-Z]\w+",
}
"""What Hydra builds from names, and the names it may be given: its own plugins, Python's own log handlers."""

_FOLDERS = {"hydra.sweep.subdir", "hydra.job.chdir", "hydra.output_subdir"}
"""Not for the user to choose: runs, and secrets in what Hydra wrote of them, are looked for where these say."""

_AXES = "hydra.sweeper.params"

_OWN_FOLDER = "--config-dir adds a folder of your own to conf/"


class Checker:
    """Checks overrides against the files of `conf/`; Hydra has to be initialised.

    Composing is the slow part (a tenth of a second), so each choice of options is composed once.

    Args:
        config_name: the file that Hydra starts from.
        folders: `conf/`, and a folder of the user's own if one was given.
    """

    def __init__(self, config_name: str, folders: list[Path]) -> None:
        files = [file for folder in folders if (file := folder / f"{config_name}.yaml").is_file()]
        if not files:
            raise UsageError(f"--config-name={config_name}", "no such file in conf/")
        self.config_name, self.folders = config_name, folders
        self.loader = GlobalHydra.instance().config_loader()
        self.parser = OverridesParser.create(self.loader)
        self.keys = set(known_keys())
        self.groups = _groups(files[0], folders)
        self._composed: dict[tuple[str, ...], DictConfig] = {}

    def parse(self, typed: Iterable[str]) -> list[Override]:
        """Overrides whose keys exist; their values are not looked at yet.

        Raises:
            ConfigError: one cannot be read, or its key does not exist.
        """
        overrides = [self._parse(item) for item in typed]
        for override in overrides:
            self._check_key(override)
        groups = [override.key_or_group for override in overrides if self._picks(override)]
        for group in groups:
            if groups.count(group) > 1:
                raise UsageError(group, "given more than once", f"To run several options: -m {group}=a,b")
        return overrides

    def axes(self, overrides: Iterable[Override]) -> list[list[Override]]:
        """For each key its values, an override each; a later override of a key replaces an earlier one.

        Raises:
            ConfigError: a group has no such option, or a range holds nothing.
        """
        by_key = {override.key_or_group: self._values(override) for override in overrides}
        for override in chain.from_iterable(by_key.values()):
            self._check_option(override)
        return list(by_key.values())

    def composed(self, overrides: Sequence[Override]) -> DictConfig:
        """What Hydra composes from the options picked, the first of each group's, before values are set."""
        picks = [self._values(override)[0] for override in overrides if self._picks(override)]
        for pick in picks:
            self._check_option(pick)
        lines = tuple(str(pick.input_line) for pick in picks)
        if lines not in self._composed:
            extra = ",".join(f"'file://{folder}'" for folder in self.folders[1:])
            search = [f"hydra.searchpath=[{extra}]"] if extra else []
            self._composed[lines] = compose(self.config_name, [*lines, *search], return_hydra_config=True)
        return self._composed[lines]

    def merged(self, job: Job) -> DictConfig:
        """What Hydra composes for one job.

        Raises:
            ConfigError: Hydra cannot, or would not know how to run it.
        """
        cfg = deepcopy(self.composed(job))
        for override in job:
            if not self._picks(override):
                _set(override, cfg)
        _refuse_code_in_hydra(cfg.hydra)
        _check_numbers(cfg.hydra)
        return cfg

    def load(self, job: Job) -> Settings:
        """Build the objects of one job, as the job itself will.

        Raises:
            ConfigError: they cannot be built.
        """
        cfg = self.merged(job)
        try:
            return load(cfg)
        except UsageError as error:
            preset = next((item.value() for item in job if item.key_or_group == "experiment"), None)
            if preset is None or error.key in {override.key_or_group for override in job}:
                raise
            hint = f"{error.hint} It is set by experiment={preset}".strip()
            raise UsageError(error.typed, error.expected, hint) from error

    def _picks(self, override: Override) -> bool:
        """Whether an override picks an option of a group, rather than sets a value."""
        return override.key_or_group in self.groups or override.key_or_group.startswith("hydra/")

    def _parse(self, typed: str) -> Override:
        try:
            return self.parser.parse_overrides([typed])[0]
        except (HydraException, RecursionError, ValueError):
            key, equals, _ = typed.partition("=")
        if equals and re.fullmatch(r"[~+]*[\w./@-]+", key):
            hint = f"Quote text with spaces or symbols: \"{key}='...'\""
            raise UsageError(typed, "the value cannot be read", hint)
        options = [f"{group}={typed}" for group, names in self.groups.items() if typed in names]
        raise UsageError(typed, "expected key=value", did_you_mean(options))

    def _check_key(self, override: Override) -> None:
        key, typed = override.key_or_group, str(override.input_line)
        if "_target_" in key:
            raise UsageError(typed, "nothing is built from a name in a configuration")
        if override.is_delete():
            raise UsageError(typed, "nothing can be taken out of the configuration", "null switches most things off")
        if override.package is not None:
            raise UsageError(typed, "no such key", f"Without @: {key}=...")
        if override.is_hydra_override():
            self._check_hydra_key(override)
            return
        if key not in self.keys and key not in self.groups:
            raise self._unknown(key, override.get_value_string())
        if key.endswith(".name"):
            raise UsageError(typed, "a name is chosen with its group", f"Did you mean {typed.replace('.name', '')}?")
        if override.is_add():
            raise UsageError(typed, "needs no +", f"Did you mean {typed.lstrip('+')}?")

    def _check_hydra_key(self, override: Override) -> None:
        key, typed = override.key_or_group, str(override.input_line)
        if override.is_sweep_override():
            raise UsageError(typed, "Hydra's own settings have one value for all jobs")
        if key == "hydra.searchpath":
            raise UsageError(typed, "not used here", _OWN_FOLDER)
        named = {key, *(_keys(value, key) if isinstance(value := override.value(), dict) else ())}
        if named & _FOLDERS:
            raise UsageError(typed, "not used here", "hydra.run.dir and hydra.sweep.dir name another folder")
        if _AXES in named or key.startswith(f"{_AXES}."):
            raise UsageError(typed, "not used here", "Values are given as such: -m seed=1,2")
        if key in ("hydra.run.dir", "hydra.sweep.dir") and "${" in typed:
            raise UsageError(typed, "expected a plain folder, without ${...}")
        if "/" in key:
            groups = [f"hydra/{name}" for name in self.loader.list_groups("hydra")]
            if key not in groups:
                raise UsageError(typed, "no such group", did_you_mean(get_close_matches(key, groups, n=1)))

    def _unknown(self, key: str, value: str) -> UsageError:
        """The error for a key that does not exist; its value may tell what was meant."""
        typed = f"{key}={value}"
        if key in NODES:  # `training`, which `epochs` fills
            meant = f"epochs={value}" if value in self.groups.get("epochs", ()) else f"{key}.epochs=..."
            return UsageError(typed, "no such group", did_you_mean([meant]))
        group = near_option(key, self.groups)
        if group and value in self.groups[group]:
            return UsageError(typed, "no such group", did_you_mean([f"{group}={value}"]))
        if "/" in key:
            return UsageError(typed, "no such group", "The groups are " + ", ".join(self.groups))
        return unknown_key(key, value)

    def _values(self, override: Override) -> list[Override]:
        typed = str(override.input_line)
        if not override.is_sweep_override():
            return [override]
        if not override.is_discrete_sweep():
            raise UsageError(typed, "a multirun needs listed values", "For example a,b,c or range(1,4)")
        values = list(islice(override.sweep_string_iterator(), MOST_JOBS + 1))
        if not 0 < len(values) <= MOST_JOBS:
            raise UsageError(typed, f"more than {MOST_JOBS} values" if values else "no value at all")
        return self.parser.parse_overrides([f"{override.get_key_element()}={value}" for value in values])

    def _check_option(self, override: Override) -> None:
        group, option = override.key_or_group, override.value()
        if not self._picks(override) or (option is None and group == "experiment"):
            return
        options = self.groups.get(group) or self.loader.get_group_options(group, results_filter=ObjectType.CONFIG)
        if option not in options:
            raise ConfigError(group, option, "one of " + ", ".join(options), self._option_hint(group, option, options))

    def _option_hint(self, group: str, option: Any, options: list[str]) -> str:
        if group == "epochs" and isinstance(option, int | float):
            return f"Did you mean training.epochs={shown(option)}?"
        if option in (None, False) and "off" in options:
            return f"Did you mean {group}=off?"
        elsewhere = [f"{other}={option}" for other, names in self.groups.items() if option in names]
        near = near_option(str(option), options)
        return did_you_mean(elsewhere or ([f"{group}={near}"] if near else []))


def one_line(error: BaseException) -> str:
    """The first line of what an error says; for a YAML file, with the place in it."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{mark.name}:{mark.line + 1}: {error.problem}"
    if not str(error).strip() and error.__cause__ is not None:
        return one_line(error.__cause__)
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip() or type(error).__name__
    return text.splitlines()[0].strip()


def _groups(config: Path, folders: list[Path]) -> dict[str, list[str]]:
    """The groups in the defaults list of a configuration, each with its options: the files of its folder."""
    defaults = OmegaConf.to_container(OmegaConf.load(config), resolve=False).get("defaults", [])  # type: ignore[union-attr]
    groups: dict[str, list[str]] = {}
    for group in sorted(key for entry in defaults if isinstance(entry, dict) for key in entry):
        options = {file.stem for folder in folders for file in (folder / group).glob("*.yaml")}
        if options:
            groups[group] = sorted(options)
    return groups


def _set(override: Override, cfg: DictConfig) -> None:
    """Set a value as Hydra does. A key that another option has is let in: `load` knows what to say about it."""
    key, typed = override.key_or_group, str(override.input_line)
    built = key.startswith(("hydra.launcher.", "hydra.sweeper."))  # from arguments, of which there are no more
    add = not override.is_hydra_override() or ((override.is_add() or override.is_force_add()) and not built)
    if not add and OmegaConf.select(cfg, key, default=cfg) is cfg:
        raise UsageError(typed, "no such key of Hydra's", _hydra_hint(key, cfg.hydra))
    merges = isinstance(override.value(), dict | list)
    if override.is_hydra_override() and override.is_add() and not merges and OmegaConf.select(cfg, key) is not None:
        raise UsageError(typed, "needs no +", f"Did you mean {typed.lstrip('+')}?")
    try:
        OmegaConf.update(cfg, key, override.value(), merge=True, force_add=add)
    except OmegaConfBaseException as error:
        raise UsageError(typed, one_line(error)) from None


def _hydra_hint(key: str, hydra: DictConfig) -> str:
    if key == "hydra.launcher.n_jobs":
        return "It belongs to hydra/launcher=joblib"
    return did_you_mean(get_close_matches(key, _keys(OmegaConf.to_container(hydra), "hydra"), n=1, cutoff=0.7))


def _keys(tree: Any, prefix: str) -> Iterator[str]:
    for name, value in tree.items():
        yield f"{prefix}.{name}"
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}.{name}")


def _check_numbers(hydra: DictConfig) -> None:
    """What Hydra fails for only when the first job is about to start."""
    processes = OmegaConf.select(hydra, "launcher.n_jobs")
    if processes is not None and processes < 1 and processes != -1:
        raise ConfigError("hydra.launcher.n_jobs", processes, "-1, for one on each processor, or at least 1")
    batch = OmegaConf.select(hydra, "sweeper.max_batch_size")
    if batch is not None and batch < 1:
        raise ConfigError("hydra.sweeper.max_batch_size", batch, "null or a whole number at least 1")


def _refuse_code_in_hydra(hydra: DictConfig) -> None:
    for node, allowed in _BUILT_BY_HYDRA.items():
        if hydra.get(node) is not None:
            refuse_code(OmegaConf.to_container(hydra[node]), f"hydra.{node}", allowed)
