"""The storeys of the house: imports go down only, and each outside service has one owner."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for package in ("cifar", "experiments")
    for file in sorted((ROOT / package).rglob("*.py"))
}

STOREYS = (
    ("cifar.fields", "cifar.document", "cifar.durable", "cifar.imports"),
    ("cifar.config",),
    ("cifar.proof", "cifar.notices"),
    ("cifar.pickles", "cifar.npz", "cifar.downloads", "cifar.cache", "cifar.compute"),
    ("cifar.archives",),
    ("cifar.sources", "cifar.sample", "cifar.model_files", "cifar.images"),
    ("cifar.data",),
    ("cifar.models", "cifar.optimizers", "cifar.evaluation", "cifar.course", "cifar.snapshots"),
    ("cifar.engines", "cifar.checkpoints"),
    ("cifar.training", "cifar.figures"),
    ("experiments.tracking",),
    ("experiments.results",),
    ("experiments.usage", "experiments.ending"),
    ("experiments.suggestions", "experiments.schema", "experiments.overrides", "experiments.commandline"),
    ("experiments.frame",),
    ("experiments.record", "experiments.display", "experiments.folders", "experiments.recipe", "experiments.speed"),
    ("experiments.execution", "experiments.anew"),
    ("experiments.search",),
    ("experiments.retyping",),
    ("experiments.resuming", "experiments.presets"),
    ("experiments.sweepline",),
    ("experiments.dryrun",),
    ("experiments.attempt", "experiments.multirun", "experiments.health"),
    ("experiments.launch",),
    (
        "experiments.run",
        "experiments.sweep",
        "experiments.sync",
        "experiments.ui",
        "experiments.doctor",
        "experiments.predict",
        "experiments.compare",
        "experiments.reproduce",
        "experiments.report",
        "experiments.promote",
    ),
)
"""From the ground up. A module imports from its own storey or from below; a package stands for all of its modules."""


def imported(file: Path) -> set[str]:
    """Every module that a file imports, wherever in it; `from a import b` counts as a.b where that is a module."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                names.add(inner if inner in MODULES else str(node.module))
    return names


def storey(module: str) -> int | None:
    """The number of a module's storey; None if it is in none."""
    found = [
        number
        for number, modules in enumerate(STOREYS)
        if any(module == name or module.startswith(f"{name}.") for name in modules)
    ]
    return found[0] if found else None


def is_within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down_only(module: str) -> None:
    if module in ("cifar", "experiments"):
        assert imported(MODULES[module]) <= {"__future__"}
        return
    own = storey(module)
    assert own is not None, f"{module} is in no storey: give it a place in STOREYS"
    for name in imported(MODULES[module]) & MODULES.keys() - {"cifar", "experiments"}:
        below = storey(name)
        assert below is not None
        assert below <= own, f"{module} imports {name}, which is above it"


@pytest.mark.parametrize(
    ("service", "owners"),
    [
        ("mlflow", ("experiments.tracking",)),
        ("keras_tuner", ("experiments.search",)),
        (
            "distributed",
            (
                "experiments.search.attendance",
                "experiments.search.cluster",
                "experiments.search.nanny",
                "experiments.search.pool",
            ),
        ),
        ("dask", ("experiments.search.attendance", "experiments.search.cluster", "experiments.search.pool")),
        ("keras", ("cifar", "experiments.tracking", "experiments.search")),
        ("tensorflow", ("cifar",)),
        ("jax", ("cifar",)),
        ("experiments", ("experiments",)),
        ("hydra", ("experiments.launch", "experiments.sweepline", "experiments.commandline", "experiments.overrides")),
        ("omegaconf", ("experiments",)),
        ("plotly", ("experiments.results.page",)),
        ("jinja2", ("experiments.results.page",)),
        ("markupsafe", ("experiments.results.page",)),
        ("matplotlib", ("cifar.figures", "experiments.tracking.recorder", "experiments.results")),
    ],
)
def test_each_service_has_its_owners(service: str, owners: tuple[str, ...]) -> None:
    users = {module for module, file in MODULES.items() if any(is_within(n, service) for n in imported(file))}
    assert {user for user in users if not is_within(user, *owners)} == set()


HEAVY = {
    "tensorflow",
    "keras",
    "jax",
    "mlflow",
    "keras_tuner",
    "matplotlib",
    "sklearn",
    "scipy",
    "distributed",
    "plotly",
    "jinja2",
}
"""Libraries that take long to import, or bring others that do."""


def test_the_commands_start_without_the_heavy_libraries() -> None:
    commands = [
        name
        for name in ("run", "sync", "ui", "doctor", "sweep", "report", "compare", "predict", "reproduce", "promote")
        if f"experiments.{name}" in MODULES
    ]
    script = f"import sys, {', '.join(f'experiments.{name}' for name in commands)}\nprint({HEAVY} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(("command", "more"), [("run", {"hydra", "omegaconf"}), ("sweep", set()), ("report", set())])
def test_help_is_shown_without_the_heavy_libraries(command: str, more: set[str]) -> None:
    typed = [sys.executable, "-X", "importtime", "-m", f"experiments.{command}", "--help"]
    done = subprocess.run(typed, cwd=ROOT, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert ("experiments.usage" if command == "run" else "experiments.frame") in imported
    assert imported & (HEAVY | more) == set()


def test_nothing_is_built_from_a_name_in_a_configuration() -> None:
    files = [*(ROOT / "conf").rglob("*.yaml")]
    assert files
    assert [file for file in files if "_target_" in file.read_text(encoding="utf-8")] == []


def test_every_module_has_its_tests() -> None:
    missing = []
    for module, file in MODULES.items():
        tests = ROOT / "tests" / file.relative_to(ROOT).with_name(f"test_{file.name}")
        if file.name != "__init__.py" and not tests.exists():
            missing.append(module)
    assert missing == ["cifar.document"], "document.py holds five numbers and no code"
