"""What is written down of a run, before and after its training."""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from cifar.config import CLASS_NAMES, RunConfig
from cifar.fields import flatten
from experiments.results.settings import LEFT_OUT
from experiments.schema import Settings
from experiments.tracking.config import TrackingConfig
from experiments.tracking.provenance import code_digest, library_versions, packages, uncommitted_diff
from experiments.tracking.recorder import Recorder
from experiments.tracking.redaction import redact

if TYPE_CHECKING:
    from cifar.data import Dataset
    from cifar.evaluation import Evaluation
    from cifar.training import Trained


def run_params(settings: Settings) -> dict[str, Any]:
    """Each value that decides the result, under its dotted key."""
    return flatten(settings.run)


def tracking_params(settings: Settings) -> dict[str, Any]:
    """How the run is recorded, under its dotted keys."""
    return {TrackingConfig.key(name): value for name, value in asdict(settings.tracking).items()}


def fingerprint(run: RunConfig, data_digest: str) -> str:
    """SHA-256 of all that decides a result: settings, images and their split, code, libraries. Equal runs are twins."""
    settings = {key: value for key, value in flatten(run).items() if key not in LEFT_OUT}
    decisive = {"settings": settings, "data": data_digest, "code": code_digest(), "libraries": library_versions()}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def run_name(settings: Settings) -> str:
    """A name that tells a person what was trained: model2-sgd-seed0."""
    run = settings.run
    return f"{run.model.name}-{run.optimizer.name}-seed{run.seed}"


def as_yaml(settings: Settings) -> str:
    """The whole configuration, without secrets."""
    return redact(OmegaConf.to_yaml(asdict(settings.run) | {"tracking": asdict(settings.tracking)}))


def record_beginning(recorder: Recorder, dataset: Dataset, name: str, resolved_config: str) -> None:
    """The configuration as it was composed, the data, the packages, and what git does not know yet."""
    recorder.log_text(redact(resolved_config), "config.yaml")
    recorder.log_text(packages(), "environment/packages.txt")
    if diff := uncommitted_diff():
        recorder.log_text(redact(diff), "environment/uncommitted.diff")
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    for context, split in splits.items():
        if split is not None:
            recorder.log_dataset(
                split.images,
                split.labels,
                digest=dataset.digest,
                source=dataset.source,
                name=f"{name}-{context}",
                context=context,
            )


def final_metrics(trained: Trained, evaluation: Evaluation) -> dict[str, float]:
    """The run's results under the names that tables and sweeps use."""
    metrics = {
        "test_loss": evaluation.loss,
        "test_accuracy": evaluation.accuracy,
        "epochs_run": float(len(trained.history)),
        "training_seconds": trained.seconds,
        "parameters": float(trained.model.count_params()),
    }
    if trained.best_epoch is not None:
        metrics["best_epoch"] = float(trained.best_epoch)
        metrics["best_val_accuracy"] = trained.history[trained.best_epoch - 1]["val_accuracy"]
    return metrics


def record_result(
    recorder: Recorder, settings: Settings, trained: Trained, evaluation: Evaluation, dataset: Dataset
) -> None:
    """Results, pictures, predictions and the network itself."""
    from cifar import figures
    from cifar.evaluation import save_predictions

    epoch = len(trained.history)
    looks = recorder.steps_of("test_accuracy") | {epoch}
    recorder.log_metrics(final_metrics(trained, evaluation), step=epoch)
    recorder.set_tags({"stop_reason": trained.stop_reason, "test_evaluations": str(len(looks))})
    recorder.log_text(layers_text(trained), "layers.txt")
    recorder.log_json(per_class(evaluation), "per_class_accuracy.json")
    title = f"{settings.run.model.name}, {settings.run.optimizer.name}, seed {settings.run.seed}"
    recorder.log_figure(figures.learning_curves(trained.history, title), "figures/learning_curves.png")
    recorder.log_figure(figures.confusion_matrix(evaluation), "figures/confusion_matrix.png")
    recorder.log_figure(figures.per_class_accuracy(evaluation), "figures/per_class_accuracy.png")
    recorder.log_figure(figures.confident_mistakes(dataset.test.images, evaluation), "figures/confident_mistakes.png")
    with tempfile.TemporaryDirectory() as folder:
        predictions = Path(folder) / "test_predictions.npz"
        save_predictions(predictions, evaluation)
        recorder.log_file(predictions, "predictions")
    if settings.tracking.log_model:
        from cifar.models import with_raw_input

        recorder.log_model(with_raw_input(trained.model), dataset.test.images[:2], step=epoch)


def layers_text(trained: Trained) -> str:
    """The network as a table: layer, kind, output shape, parameters."""
    from cifar.models import layer_table

    rows = [
        (name, kind, " x ".join(map(str, shape)), f"{count:,}")
        for name, kind, shape, count in layer_table(trained.model)
    ]
    rows.append(("", "", "total", f"{trained.model.count_params():,}"))
    return "\n".join(f"{name:<16}{kind:<16}{shape:<16}{count:>12}".rstrip() for name, kind, shape, count in rows) + "\n"


def per_class(evaluation: Evaluation) -> Mapping[str, float | None]:
    """The share of each class that was recognised; None for a class without images (JSON knows no NaN)."""
    shares = [None if math.isnan(share) else float(share) for share in evaluation.per_class_accuracy]
    return dict(zip(CLASS_NAMES, shares, strict=True))
