"""Run by test_gpu.py in a process of its own, where only JAX and what is to be carried beside it can be imported."""

from __future__ import annotations

import importlib.abc
import json
import os
import sys
from contextlib import redirect_stderr
from functools import partial
from importlib import metadata
from io import StringIO
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

TINY = ["--device", "cpu", "--models", "model1", "--images", "96", "--epochs", "2", "--repeats", "2", "--busy-ok"]
XLA_FLAGS = (
    "--xla_force_host_platform_device_count=2",
    "--xla_backend_optimization_level=0",
)  # compiles in half the time
OURS = {"cifar", "benchmarks", "experiments"}


class Refuse(importlib.abc.MetaPathFinder):
    """Lets nothing be imported of what is installed here, but for this project and some packages."""

    def __init__(self, packages: set[str]) -> None:
        owners = metadata.packages_distributions()
        lent = {name for name, found in owners.items() if packages & set(map(canonicalize_name, found))}
        self._refused = owners.keys() - lent - OURS

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Refuse a module, or leave it to the others."""
        if name.partition(".")[0] in self._refused:
            raise ModuleNotFoundError(f"{name} is not on that machine", name=name)


def main(folder: Path) -> None:
    """Write what the benchmark does there."""
    from benchmarks.packages import closure, to_carry

    os.environ |= {"XLA_FLAGS": " ".join(XLA_FLAGS), "JAX_PLATFORMS": "cpu"}
    carried = {line.partition("==")[0] for line in to_carry()}
    sys.meta_path.insert(0, Refuse(carried | closure(("jax",))))
    from benchmarks import gpu, machine
    from benchmarks.tasks import RECIPES
    from cifar import compute
    from cifar.config import Model1Config
    from tests.cifar.engines.jax_process import compile_once

    compile_once(folder / "compiled")
    machine.look = partial(machine.look, 0.01)
    RECIPES["model1"] = (Model1Config(filters=2, dense_units=4), RECIPES["model1"][1])
    report: dict[str, Any] = {"no gpu": told(gpu, ["--device", "gpu"])}
    compute._prepared = None
    report["code"] = gpu.main([*TINY, "--json", str(folder / "gpu.json")])
    report["imported"] = sorted({"tensorflow", "mlflow", "torch", "pandas"} & sys.modules.keys())
    report["placed"] = placed(gpu)
    report["renewed"] = renewed(gpu)
    report["broken"] = broken(gpu)
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")


def placed(gpu: Any) -> list[int]:
    """On which devices the images and weights are, after a round, of a side that was given the second of two."""
    import jax

    from benchmarks.gpu_parity import Side

    run, split = gpu.config(gpu.parse(TINY), "model1"), gpu.made_up(96).train
    side = Side(run, split, jax.devices()[1], scan=False, precision="highest")
    side.train(side.fresh(), 1)
    arrays = [side._engine._images, *(weight.value for weight in side._engine.model.weights)]
    return sorted({device.id for array in arrays for device in array.devices()})


def renewed(gpu: Any) -> bool:
    """Whether two turns of ours come to the same bits."""
    from benchmarks.gpu_peers import Ours

    ours = Ours(gpu.config(gpu.parse(TINY), "model1"), gpu.made_up(96))
    ours.first()
    ends = []
    for _ in range(2):
        ours.turn()
        ends.append([weight.tobytes() for weight in ours._engine.model.get_weights()])
    return ends[0] == ends[1]


def broken(gpu: Any) -> tuple[int, str]:
    """Exit code and message where the device draws other dropout than the processor."""
    from benchmarks import gpu_parity

    seeds = iter(range(100))
    really = gpu_parity.seed_dropout
    gpu_parity.seed_dropout = lambda model, seed, epoch: really(model, next(seeds), epoch)
    return told(gpu, TINY)


def told(gpu: Any, typed: list[str]) -> tuple[int, str]:
    """Exit code and message of a command that is refused."""
    with redirect_stderr(StringIO()) as error:
        code = gpu.main(typed)
    return code, error.getvalue()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
