"""What was typed, checked whole before Hydra, TensorFlow or MLflow start: every mistake is one line.

A multirun is expanded here, so that a bad value in its last job is refused before the first job starts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain, product
from math import prod
from pathlib import Path
from typing import Any, NoReturn

import yaml  # type: ignore[import-untyped]
from hydra import initialize_config_dir
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from cifar.fields import ConfigError
from experiments.overrides import MOST_JOBS, Checker, Job, one_line
from experiments.schema import Settings, UsageError, known_keys
from experiments.suggestions import did_you_mean, nearest
from experiments.usage import CONF

ALL_CHECKED = 64
"""Up to so many jobs each is checked; of a larger multirun, every value of every key at least once."""


@dataclass(frozen=True)
class CommandLine:
    """A command line that can run.

    `passthrough`: Hydra answers it (`--help`, `--cfg`, ...) and nothing runs. `first`: the settings of the first job.
    """

    multirun: bool
    jobs: int
    overrides: list[str]
    passthrough: bool = False
    first: Settings | None = None


def check(argv: list[str], config_name: str = "config") -> CommandLine:
    """Read a command line as Hydra will and load the configuration of each of its jobs.

    Args:
        argv: what was typed after the name of the command.
        config_name: the file in `conf/` that Hydra starts from.

    Raises:
        ConfigError: something in it cannot be used; the message is one line.
    """
    with _one_line_errors(argv):
        return _check(argv, config_name)


def check_keys(argv: list[str], config_name: str = "config") -> CommandLine:
    """Read a command line as far as that can be done before it is known what it goes on top of: flags and keys.

    `first` has the values of `tracking` alone; it is None if there is nothing to compose.

    Raises:
        ConfigError: something in it cannot be used; the message is one line.
    """
    with _one_line_errors(argv):
        args = _arguments(argv)
        if _is_unchecked(args):
            return CommandLine(args.multirun, 1, args.overrides, passthrough=True)
        with _checker(args, config_name) as checker:
            overrides = checker.parse(args.overrides)
            _refuse_several_values(overrides)
            tracking = tuple(item for item in overrides if item.key_or_group.partition(".")[0] == "tracking")
            checker.axes(tracking)
            multirun = args.multirun or _multirun_mode(overrides, checker.composed(tracking).hydra)
            return CommandLine(multirun, 1, args.overrides, bool(args.cfg or args.help), checker.load(tracking))


def text_of(typed: str) -> str:
    """The value of an override as text, with quotes read as Hydra reads them; a number or several values as typed."""
    with suppress(HydraException, RecursionError, ValueError):
        value = OverridesParser.create().parse_override(typed).value()
        if isinstance(value, str):
            return value
    return typed.partition("=")[2]


@contextmanager
def _one_line_errors(argv: list[str]) -> Iterator[None]:
    try:
        yield
    except ConfigError:
        raise
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise UsageError(" ".join(argv) or "conf/", one_line(error)) from error


@contextmanager
def _checker(args: Any, config_name: str) -> Iterator[Checker]:
    folders = [CONF, *([Path(args.config_dir).resolve()] if args.config_dir else [])]
    _refuse_aliases(folders)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield Checker(args.config_name or config_name, folders)


def _is_unchecked(args: Any) -> bool:
    return bool(args.hydra_help or args.shell_completion or args.info or (args.help and not args.overrides))


def _check(argv: list[str], config_name: str) -> CommandLine:
    args = _arguments(argv)
    passthrough = bool(args.help or args.hydra_help or args.cfg or args.info or args.shell_completion)
    if _is_unchecked(args):
        return CommandLine(args.multirun, 1, args.overrides, passthrough)
    with _checker(args, config_name) as checker:
        overrides = checker.parse(args.overrides)
        hydra = checker.composed(overrides).hydra
        multirun = args.multirun or _multirun_mode(overrides, hydra)
        if not multirun:
            _refuse_several_values(overrides)
        sweep = [f"{key}={value}" for key, value in (hydra.sweeper.get("params") or {}).items()] if multirun else []
        axes = checker.axes([*checker.parse(sweep), *overrides])
        _refuse_several_computers(axes)
        jobs = prod(len(axis) for axis in axes)
        if jobs > MOST_JOBS:
            raise UsageError(" ".join(args.overrides), f"{jobs} jobs, and a multirun may have {MOST_JOBS}")
        checked = [checker.load(job) for job in _jobs_to_check(axes, jobs)]
        if args.cfg and args.package:
            _check_package(args, checker.merged(tuple(axis[0] for axis in axes)))
    return CommandLine(multirun, jobs, args.overrides, passthrough, checked[0])


def _check_package(args: Any, cfg: DictConfig) -> None:
    """Refuse a part of the configuration, to be shown alone, that is not there."""
    kind = "hydra" if args.package.partition(".")[0] == "hydra" else "job"
    shown = args.package == "_global_" or (
        args.cfg in ("all", kind) and OmegaConf.select(cfg, args.package) is not None
    )
    if not shown:
        raise UsageError(f"--package={args.package}", f"--cfg {args.cfg} has no such part, or it is null")


def _refuse_several_computers(axes: Iterable[Sequence[Override]]) -> None:
    for axis in axes:
        key = axis[0].key_or_group
        if len(axis) > 1 and key.partition(".")[0] == "compute":
            raise UsageError(
                f"{key}=...",
                "one value for all jobs, since a process sets up its device once",
                "Start a command for each",
            )


def _arguments(argv: list[str]) -> Any:
    parser = get_args_parser()

    def refuse(message: str) -> NoReturn:
        raise _flag_error(message, list(parser._option_string_actions))

    parser.error = refuse  # type: ignore[method-assign]
    args = parser.parse_args(argv)
    modes = [args.run, args.multirun, args.cfg, args.shell_completion, args.info]
    if sum(bool(mode) for mode in modes) > 1:
        raise UsageError(
            " ".join(argv), "only one of --run, --multirun, --cfg, --info and --shell-completion can be given"
        )
    if args.resolve and not (args.cfg or args.help):
        raise UsageError("--resolve", "goes with --cfg or --help only")
    if args.package and not args.cfg:
        raise UsageError("--package", "goes with --cfg only")
    if args.config_path:
        raise UsageError("--config-path", "not used here", "--config-dir adds a folder of your own to conf/")
    if args.experimental_rerun:
        raise UsageError("--experimental-rerun", "not used here; it would load a pickle")
    if args.config_dir and not Path(args.config_dir).is_dir():
        raise UsageError(f"--config-dir={args.config_dir}", "no such folder")
    return args


def _flag_error(message: str, flags: list[str]) -> UsageError:
    unknown = re.match(r"unrecognized arguments: (\S+)", message)
    if not unknown:
        return UsageError("command line", message.replace("\n", " "))
    typed = unknown[1]
    if not typed.startswith("-"):
        return UsageError(typed, "stands apart from the other key=value", "Put flags such as -m before all of them")
    key = typed.lstrip("-").partition("=")[0]
    near = get_close_matches(typed, flags, n=1, cutoff=0.7) or [f"{name}=..." for name in nearest(key, known_keys())]
    return UsageError(typed, "no such flag", did_you_mean(near) or "Values are given as key=value")


def _multirun_mode(overrides: list[Override], hydra: DictConfig) -> bool:
    """Whether `hydra.mode`, typed or in a file, asks for a multirun, as -m does."""
    modes = [item.value() for item in overrides if item.key_or_group == "hydra.mode"] or [hydra.mode]
    return str(modes[-1]).upper().endswith(RunMode.MULTIRUN.name)


def _refuse_several_values(overrides: list[Override]) -> None:
    for override in overrides:
        if override.is_sweep_override():
            hint = f"To run each, put -m first; text with a comma needs quotes: \"{override.key_or_group}='...'\""
            raise UsageError(str(override.input_line), "more than one value", hint)


def _jobs_to_check(axes: list[list[Override]], jobs: int) -> Iterator[Job]:
    """First as few jobs as show every value once, so that a bad one is found soon; then all, if they are not many."""
    for index in range(max((len(axis) for axis in axes), default=1)):
        yield tuple(axis[index % len(axis)] for axis in axes)
    if jobs <= ALL_CHECKED:
        yield from product(*axes)


def _refuse_aliases(folders: list[Path]) -> None:
    """A few YAML anchors and aliases can stand for gigabytes; no file of ours needs one."""
    for file in chain.from_iterable(folder.rglob("*.yaml") for folder in folders):
        text = file.read_text(encoding="utf-8")
        if "&" in text and "*" in text and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
            raise UsageError(str(file), "YAML aliases (*name) are not used here")
