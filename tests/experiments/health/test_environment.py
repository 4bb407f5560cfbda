"""What is told of Python, the packages and the images."""

from __future__ import annotations

from pathlib import Path

import pytest

from cifar.proof import Arrays, Proof
from cifar.sample import make_sample
from experiments.health.environment import data, versions
from experiments.health.findings import Level


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pyproject.toml"


def project(python: str, *dependencies: str) -> str:
    return f'[project]\nrequires-python = "{python}"\ndependencies = {list(dependencies)}\n'


def test_this_environment_has_what_the_project_asks_for() -> None:
    (found,) = versions()
    assert found.level is Level.OK


def test_each_package_that_is_wrong_or_missing_is_a_problem_of_its_own(file: Path) -> None:
    file.write_text(project(">=3.11", "numpy>=99", "no-such-package>=1", "psutil>=7"))
    found = list(versions(file))
    assert [item.level for item in found] == [Level.PROBLEM] * 2
    assert found[0].text.startswith("numpy ")
    assert found[0].text.endswith(": >=99 is needed")
    assert found[1].text == "no-such-package is not installed: >=1 is needed"


def test_another_python_is_a_problem(file: Path) -> None:
    file.write_text(project(">=4"))
    found = next(versions(file))
    assert (found.level, found.text.partition(": ")[2]) == (Level.PROBLEM, ">=4 is needed")


def test_images_are_proven_byte_by_byte_and_nothing_is_written(tmp_path: Path) -> None:
    import numpy as np

    sample = make_sample()
    proof = Proof.of(sample)
    (found,) = data(tmp_path, proof)
    assert found.level is Level.NOTE
    for name, array in sample._asdict().items():
        np.save(tmp_path / f"{name}.npy", array)
    (found,) = data(tmp_path, proof)
    assert found.level is Level.OK
    changed = sample.train_labels.copy()
    changed[7] += 1
    np.save(tmp_path / "train_labels.npy", changed)
    (found,) = data(tmp_path, proof)
    assert found.level is Level.WARNING
    assert "train_labels: sha256" in found.text
    (tmp_path / "test_images.npy").unlink()
    (found,) = data(tmp_path, proof)
    assert found.level is Level.WARNING
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{name}.npy" for name in sorted(Arrays._fields) if name != "test_images"
    ]
