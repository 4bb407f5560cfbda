"""The configurations for clusters do what docs/clusters.md says, and Dask knows each option in them."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from distributed.cli import dask_scheduler, dask_worker

DOCS = Path(__file__).resolve().parents[2] / "docs"
SLURM = yaml.safe_load((DOCS / "clusters" / "slurm.yaml").read_text(encoding="utf-8"))["jobqueue"]["slurm"]
COMMANDS = {"scheduler": dask_scheduler.main, "worker": dask_worker.main}


@lru_cache
def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DOCS / "clusters" / "kubernetes.yaml").read_text(encoding="utf-8")))


def containers() -> dict[str, dict[str, Any]]:
    """The container of each deployment, by the deployment's name."""
    return {
        item["metadata"]["name"]: item["spec"]["template"]["spec"]["containers"][0]
        for item in manifests()
        if item["kind"] == "Deployment"
    }


def read(command: str, arguments: list[str]) -> dict[str, Any]:
    """What `python -m dask scheduler` or `worker` takes from its arguments; it refuses what it does not know."""
    return dict(COMMANDS[command].make_context(command, list(arguments)).params)


def documented(file: str) -> list[tuple[str, list[str]]]:
    """Each command of Dask's in a page, with its arguments."""
    text = (DOCS / file).read_text(encoding="utf-8")
    found = re.findall(r"dask (scheduler|worker) (.*?)(?:  +#.*)?$", text, flags=re.MULTILINE)
    return [(command, shlex.split(arguments)) for command, arguments in found if arguments.startswith(("--", "tcp:"))]


def test_each_command_in_the_page_is_one_that_dask_knows() -> None:
    commands = documented("clusters.md")
    assert [command for command, _ in commands] == ["scheduler", "worker", "worker"]
    for command, arguments in commands:
        told = read(command, arguments)
        assert told["dashboard"] is False
        if command == "worker":
            assert (told["nthreads"], told["memory_limit"], told["nanny"]) == (1, "0", True)


def test_a_worker_on_kubernetes_has_one_thread_and_its_memory_is_for_kubernetes_to_watch() -> None:
    worker = containers()["worker"]
    assert worker["command"][1:4] == ["-m", "dask", "worker"]
    told = read("worker", [*worker["command"][4:], *worker["args"]])
    assert (told["nthreads"], told["memory_limit"], told["dashboard"]) == (1, "0", False)
    assert "memory" in worker["resources"]["limits"]


def test_workers_on_kubernetes_find_the_scheduler_by_its_service() -> None:
    scheduler = containers()["scheduler"]
    assert scheduler["command"][1:4] == ["-m", "dask", "scheduler"]
    told = read("scheduler", [*scheduler["command"][4:], *scheduler["args"]])
    (service,) = [item for item in manifests() if item["kind"] == "Service"]
    name, port = service["metadata"]["name"], service["spec"]["ports"][0]["port"]
    assert containers()["worker"]["command"][-1] == f"tcp://{name}:{port}"
    assert told["port"] == str(port)
    labels = {item["metadata"]["name"]: item["spec"]["template"]["metadata"]["labels"] for item in deployments()}
    assert labels["scheduler"] == service["spec"]["selector"]


def deployments() -> list[dict[str, Any]]:
    return [item for item in manifests() if item["kind"] == "Deployment"]


def test_driver_and_workers_on_kubernetes_see_the_same_folder_data_and_passwords() -> None:
    driver, worker = containers()["driver"], containers()["worker"]
    for key in ("image", "env", "envFrom", "volumeMounts"):
        assert driver[key] == worker[key]
    (mount,) = driver["volumeMounts"]
    assert driver["workingDir"] == mount["mountPath"]
    (claim,) = [item for item in manifests() if item["kind"] == "PersistentVolumeClaim"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for item in deployments():
        for volume in item["spec"]["template"]["spec"].get("volumes", []):
            assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


def test_nobody_but_the_pods_of_the_sweep_reaches_dask_on_kubernetes() -> None:
    (policy,) = [item["spec"] for item in manifests() if item["kind"] == "NetworkPolicy"]
    assert policy["ingress"] == [{"from": [{"podSelector": policy["podSelector"]}]}]
    for item in deployments():
        labels = item["spec"]["template"]["metadata"]["labels"]
        assert policy["podSelector"]["matchLabels"].items() <= labels.items()
        assert item["spec"]["selector"]["matchLabels"] == labels


def test_a_job_of_slurm_is_one_worker_with_one_thread() -> None:
    assert (SLURM["cores"], SLURM["processes"]) == (1, 1)
    told = read("worker", ["tcp://host:8786", "--nthreads", "1", "--memory-limit", "4GB", *SLURM["worker-extra-args"]])
    assert (told["nthreads"], told["memory_limit"], told["dashboard"]) == (1, "0", False)


def test_what_starts_slurm_workers_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = importlib.util.spec_from_file_location("slurm", DOCS / "clusters" / "slurm.py")
    assert spec is not None
    assert spec.loader is not None
    slurm = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(slurm)
    monkeypatch.setattr("sys.argv", ["slurm.py", "--jobs", "2"])
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    assert slurm.main() == 2
    assert "pip install dask-jobqueue" in capsys.readouterr().err


def test_what_the_page_tells_to_run_is_there() -> None:
    text = (DOCS / "clusters.md").read_text(encoding="utf-8")
    named = set(re.findall(r"docs/(clusters/[\w.]+)|\((clusters/[\w.]+)\)", text))
    files = {path.relative_to(DOCS).as_posix() for path in (DOCS / "clusters").iterdir() if path.is_file()}
    assert {first or second for first, second in named} == files
    config = yaml.safe_load(text[text.index("    distributed:\n") : text.index("\nThen write `tls://`")])
    assert set(config["distributed"]["comm"]["tls"]) == {"ca-file", "scheduler", "worker", "client"}
