"""What a store has of a run already, so that only the rest is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from experiments.tracking.facts import Measurement
from experiments.tracking.life import HEARTBEAT_TAG


class Inventory:
    """Reads piece by piece what it is asked for. A `new` run has nothing but what it was created with.

    Args:
        client: MLflow's client of the store.
        run: MLflow's run as it was found or created.
        new: whether this process created it, and knows so, and every later write was acknowledged.
    """

    def __init__(self, client: Any, run: Any, new: bool) -> None:
        self._client, self.run, self._new = client, run, new
        self.params: dict[str, str] = dict(run.data.params)
        self.tags: dict[str, str] = dict(run.data.tags)
        self._metrics: dict[str, set[Measurement]] = {}
        self._files: dict[str, dict[str, int | None]] = {}

    def other_params(self, params: Mapping[str, str]) -> dict[str, str]:
        """Those that the store has with another value; they cannot be changed. The value is the store's."""
        there = params.keys() & self.params.keys()
        return {name: self.params[name] for name in sorted(there) if self.params[name] != params[name]}

    def lacking_params(self, params: Mapping[str, str]) -> dict[str, str]:
        """Those that the store has not."""
        return {name: value for name, value in params.items() if name not in self.params}

    def lacking_tags(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Those that the store has not, or with another value; a journal knows only the first heartbeat."""
        later = self.tags.get(HEARTBEAT_TAG, "") > tags.get(HEARTBEAT_TAG, "")
        left = {HEARTBEAT_TAG} if later else set()
        return {name: value for name, value in tags.items() if self.tags.get(name) != value and name not in left}

    def lacking_metrics(self, metrics: Iterable[Measurement]) -> list[Measurement]:
        """Those that the store has not, none twice: name, step, time and value together make a measurement."""
        told = list(dict.fromkeys(metrics))
        if self._new:
            return told
        for name in {metric.name for metric in told} - self._metrics.keys():
            self._metrics[name] = self._history(name)
        return [metric for metric in told if metric not in self._metrics[metric.name]]

    def add(self, metrics: Iterable[Measurement], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Remembers what was written."""
        self.params |= params
        self.tags |= tags
        if not self._new:
            for metric in metrics:
                self._metrics.setdefault(metric.name, set()).add(metric)

    def lacking_inputs(self, inputs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The data sets that the store does not show with the run."""
        there = set()
        if not self._new:
            there = {(item.dataset.name, item.dataset.digest) for item in self.run.inputs.dataset_inputs}
        return [told for told in inputs if (told["name"], told["digest"]) not in there]

    def lacks_file(self, name: str, file: Path) -> bool:
        """Whether there is no artifact of this name, or one of another size: cut off, or of an earlier time.

        One that is there is as it should be if our own file was deleted since.
        """
        if self._new:
            return True
        folder = str(PurePosixPath(name).parent)
        if folder not in self._files:
            found = self._client.list_artifacts(self.run.info.run_id, None if folder == "." else folder)
            self._files[folder] = {item.path: item.file_size for item in found if not item.is_dir}
        there = self._files[folder]
        return name not in there or (file.is_file() and there[name] != file.stat().st_size)

    def _history(self, name: str) -> set[Measurement]:
        if name not in self.run.data.metrics:
            return set()
        history = self._client.get_metric_history(self.run.info.run_id, name)
        return {Measurement.of(item.key, item.value, item.timestamp, item.step) for item in history}
