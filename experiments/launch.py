"""What `python -m experiments.run` does, by way of Hydra, once it is not asked for its help."""

from __future__ import annotations

import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from cifar.fields import ConfigError
from experiments.attempt import attempt
from experiments.commandline import CommandLine, check
from experiments.ending import tell_error
from experiments.folders import CONFIG_FILE, hydra_arguments, new_folder, option, redact_files, typed_folder
from experiments.multirun import Membership, run_all
from experiments.presets import expand, mixed
from experiments.resuming import Resumption, prepare, take_out
from experiments.retyping import quoted
from experiments.tracking.service import TrackingError
from experiments.usage import CONF

_composed = hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")


@_composed
def job(cfg: DictConfig) -> None:
    """One run; Hydra calls this once, or once for each job of a multirun."""
    here = HydraConfig.get()
    membership = None
    if here.mode == RunMode.MULTIRUN:
        redact_files(Path(here.sweep.dir))
        membership = Membership.read(Path(here.sweep.dir), number=here.job.num + 1, overrides=here.overrides.task)
    code = attempt(cfg, OmegaConf.to_yaml(cfg), Path(here.runtime.output_dir), membership)
    if membership is None:
        sys.exit(code)


def launch(argv: list[str]) -> int:
    """Run a command line; returns the exit code: 0 done, 1 a run failed, 2 the command line, or its run, is wrong."""
    try:
        argv, named = take_out(argv)
        argv = expand(argv) if named is None else argv
        resumed = prepare(named, argv) if named is not None else None
        argv = resumed.argv if resumed is not None else argv
        typed = check(argv)
        notes = mixed(argv) if resumed is None else []
        folder, told = (Path(), []) if resumed is not None or typed.passthrough else _folder(typed)
    except (ConfigError, TrackingError, OSError) as error:  # the last: no folder can be made here
        tell_error(error)
        return 2
    for line in notes:
        print(line, file=sys.stderr)
    if typed.passthrough:
        _compose(argv)
        return 0
    if resumed is not None:
        return _go_on(resumed, typed)
    if typed.multirun:
        return run_all(typed, folder, lambda: _compose(hydra_arguments(argv, typed, told)))
    _compose(hydra_arguments(argv, typed, told))
    return 0


def _folder(typed: CommandLine) -> tuple[Path, list[str]]:
    """The one that was typed, or a new one, and what Hydra is told of it.

    One that was typed may be another run's: Hydra writes no configuration there, and the run its own once it may begin.
    """
    key, parent = ("hydra.sweep.dir", "multirun") if typed.multirun else ("hydra.run.dir", "outputs")
    named = option(typed.overrides, key)
    folder = typed_folder(key, named) if named else new_folder(parent)
    subfolder = "null" if named else CONFIG_FILE.parent
    return folder, [f"{key}={quoted(str(folder))}", f"hydra.output_subdir={subfolder}"]


def _go_on(run: Resumption, typed: CommandLine) -> int:
    """Run on, in the run's folder, where Hydra writes its log only: the configuration there changes with the run."""
    if run.done:
        print(run.done)
        return 0

    def resumed_job(cfg: DictConfig) -> None:
        sys.exit(attempt(cfg, OmegaConf.to_yaml(cfg), run.folder, resume=run.reference))

    told = [f"hydra.run.dir={quoted(str(run.folder))}", "hydra.output_subdir=null"]
    sys.argv[1:] = hydra_arguments(run.argv, typed, told)
    _composed(resumed_job)()
    return 0


def _compose(argv: list[str]) -> None:
    sys.argv[1:] = argv
    job()
