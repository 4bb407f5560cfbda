"""MLflow's registry: the network that nothing better was found than has the alias `champion`."""

from __future__ import annotations

from collections.abc import Mapping

from experiments.tracking.model import HASH_TAG, NAME
from experiments.tracking.reading import RecordedRun
from experiments.tracking.service import TrackingError, one_line_errors
from experiments.tracking.store import Store
from experiments.tracking.words import CHAMPION, REGISTERED


def register(store: Store, run: RecordedRun, about: Mapping[str, str]) -> str:
    """Registers the network of a run as a new version, and makes it the champion; returns the version.

    Args:
        store: where the run is.
        run: has a network (see `has_network`).
        about: tags of the version.

    Raises:
        TrackingError: the run's network is not in the store, or the registry cannot be written.
    """
    client = store.client
    with one_line_errors(f"run {run.run_id}: its network cannot be registered"):
        outputs = sorted(client.get_run(run.run_id).outputs.model_outputs, key=lambda output: output.step)
        models = [model for output in outputs if (model := client.get_logged_model(output.model_id)).name == NAME]
        if not models:
            raise TrackingError(f"run {run.run_id}: has no network in {store}")
        if not client.search_registered_models(f"name = '{REGISTERED}'"):
            client.create_registered_model(
                REGISTERED, description="Networks for CIFAR-10: raw images to probabilities."
            )
        made = client.create_model_version(
            REGISTERED,
            models[-1].artifact_location,
            run.run_id,
            tags={HASH_TAG: run.tags[HASH_TAG], **about},
            model_id=models[-1].model_id,
        )
        client.set_registered_model_alias(REGISTERED, CHAMPION, made.version)
    return str(made.version)


def has_network(run: RecordedRun) -> bool:
    """Whether a run recorded its network."""
    return HASH_TAG in run.tags
