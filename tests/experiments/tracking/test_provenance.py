from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from experiments.tracking.provenance import (
    code_digest,
    describe_environment,
    library_versions,
    packages,
    uncommitted_diff,
)


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--initial-branch=trunk")
    (tmp_path / "code.py").write_text("x = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message=first")
    return tmp_path


def test_the_commit_and_branch_are_those_of_the_code(repository: Path) -> None:
    tags = describe_environment(folder=repository)
    assert tags["mlflow.source.git.commit"] == git(repository, "rev-parse", "HEAD")
    assert tags["mlflow.source.git.branch"] == "trunk"
    assert tags["git.dirty"] == "false"


def test_a_change_and_a_new_file_are_uncommitted(repository: Path) -> None:
    assert uncommitted_diff(repository) == ""
    (repository / "new.py").write_text("")
    assert describe_environment(folder=repository)["git.dirty"] == "true"
    assert uncommitted_diff(repository) == "# not in git: new.py\n"
    (repository / "code.py").write_text("x = 2\n")
    assert uncommitted_diff(repository).startswith("# not in git: new.py\ndiff --git a/code.py b/code.py\n")
    assert uncommitted_diff(repository).endswith("-x = 1\n+x = 2\n")


def test_the_diff_can_be_applied(repository: Path) -> None:
    (repository / "new.py").write_text("")
    (repository / "code.py").write_text("x = 2\n")
    diff = uncommitted_diff(repository)
    git(repository, "checkout", "--quiet", "code.py")
    subprocess.run(["git", "-C", str(repository), "apply"], input=diff, text=True, check=True)
    assert (repository / "code.py").read_text() == "x = 2\n"


def test_a_very_long_diff_is_cut_and_says_so(repository: Path) -> None:
    (repository / "code.py").write_text("x = 2\n" * 1000)
    cut = uncommitted_diff(repository, limit=500)
    assert len(cut) < 600
    assert cut.endswith("# cut here: the rest is longer than the limit\n")


def test_outside_git_there_is_no_commit_and_no_diff(tmp_path: Path) -> None:
    tags = describe_environment(folder=tmp_path)
    assert not [name for name in tags if "git" in name]
    assert uncommitted_diff(tmp_path) == ""


def test_a_machine_without_git_is_fine(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "git.dirty" not in describe_environment(folder=repository)


def test_the_command_is_recorded_without_its_secrets(tmp_path: Path) -> None:
    command = ["/usr/bin/python", "-m", "experiments.run", "tracking.uri=http://a:b@c", "hf_token=abc"]
    tags = describe_environment(command, tmp_path)
    assert tags["command"] == "python -m experiments.run 'tracking.uri=http://***@c' 'hf_token=***'"
    assert tags["mlflow.source.type"] == "LOCAL"


def test_machine_and_versions_are_named_without_importing_the_libraries(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from experiments.tracking.provenance import describe_environment;"
        "tags = describe_environment(folder=Path(sys.argv[1]));"
        "print(tags['version.tensorflow'], tags['version.keras'], tags['version.mlflow'], tags['cpu.cores']);"
        "assert all(tags[name] for name in ('host', 'os', 'python', 'cpu', 'memory_gb', 'mlflow.user'));"
        "assert not {'tensorflow', 'keras', 'mlflow', 'numpy'} & set(sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    versions = [metadata.version(name) for name in ("tensorflow", "keras", "mlflow")]
    assert answer.stdout.split()[:3] == versions


def test_the_packages_are_a_sorted_list_of_exact_versions() -> None:
    lines = packages().splitlines()
    assert f"numpy=={metadata.version('numpy')}" in lines
    assert lines == sorted(lines, key=str.lower)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==\S+", line) for line in lines)
    assert set(lines) == {f"{item.name}=={item.version}" for item in metadata.distributions() if item.name}


def digest(folder: Path) -> str:
    """That of the files as they are now."""
    code_digest.cache_clear()
    return code_digest(folder)


def test_the_digest_of_the_code_is_that_of_all_source_files_whether_git_knows_them_or_not(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    before = digest(tmp_path)
    assert re.fullmatch("[0-9a-f]{64}", before)
    assert digest(tmp_path) == before
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "b.py").write_text("")
    assert digest(tmp_path) != before
    (tmp_path / "inner" / "b.py").unlink()
    (tmp_path / "notes.txt").write_text("not code")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_bytes(b"compiled")
    assert digest(tmp_path) == before


def test_it_changes_with_a_files_content_its_name_and_its_place(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    path = tmp_path / "a.py"
    path.write_text("x = 1\n")
    digests = [digest(tmp_path)]
    path.write_text("x = 2\n")
    digests.append(digest(tmp_path))
    path = path.rename(tmp_path / "b.py")
    digests.append(digest(tmp_path))
    path.rename(tmp_path / "inner" / "b.py")
    digests.append(digest(tmp_path))
    assert len({*digests}) == 4


def test_it_does_not_depend_on_where_the_code_is(tmp_path: Path) -> None:
    for folder in (tmp_path / "one", tmp_path / "other"):
        folder.mkdir()
        (folder / "a.py").write_text("x = 1\n")
    assert digest(tmp_path / "one") == digest(tmp_path / "other")


def test_what_one_file_has_is_not_taken_for_what_two_have(tmp_path: Path) -> None:
    for name, content in (("a.py", "1"), ("b.py", "2")):
        (tmp_path / name).write_text(content)
    before = digest(tmp_path)
    (tmp_path / "b.py").unlink()
    (tmp_path / "a.py").write_text("1b.py 1\n2")
    assert digest(tmp_path) != before


def test_of_the_libraries_those_that_compute_are_named() -> None:
    versions = library_versions()
    names = ("tensorflow", "keras", "numpy")
    assert {f"version.{name}": metadata.version(name) for name in names}.items() <= versions.items()
    assert versions.keys() <= {"version.tensorflow", "version.keras", "version.jax", "version.numpy"}
