"""Keras' fit on its backends, each in a process of its own."""

import os

import pytest

from benchmarks import keras_fit
from benchmarks.keras_fit import KerasFit, TunedKerasFit, pipeline
from benchmarks.peers import NEEDS, PEERS, PLAIN_KERAS
from benchmarks.tasks import Task
from benchmarks.workers import Worker

TINY = Task("model1", 64, "sample")


@pytest.mark.parametrize("peer", ["keras_jax", "keras_torch"])
def test_a_backend_trains_an_epoch_in_a_process_of_its_own(peer: str) -> None:
    pytest.importorskip(NEEDS[peer])
    with Worker(peer) as worker:
        assert worker.ask("build", TINY) == {"backend": peer.removeprefix("keras_"), "steps_per_execution": 1}
        assert worker.ask("turn") > 0


def test_plain_keras_takes_one_step_a_call_on_each_backend() -> None:
    peers = [PEERS[name]() for name in PLAIN_KERAS]
    assert [(peer._backend, peer._steps_per_execution) for peer in peers] == [
        ("tensorflow", 1),
        ("jax", 1),
        ("torch", 1),
    ]


def test_the_pipeline_goes_through_all_images_in_a_new_order_each_time(tensorflow_on_cpu: None) -> None:
    batches = pipeline(Task("model1", 70, "sample"))
    first, second = ([images.numpy() for images, _ in batches] for _ in range(2))
    assert [len(images) for images in first] == [32, 32, 6]
    assert (first[0] != second[0]).any()
    sums = [sorted(float(image.sum()) for images in epoch for image in images) for epoch in (first, second)]
    assert sums[0] == pytest.approx(sums[1])
    assert 0 <= min(images.min() for images in first) <= max(images.max() for images in first) <= 1


def test_tuned_keras_keeps_the_faster_way_to_be_fed(tensorflow_on_cpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras_fit, "start_plain", lambda backend: None)
    monkeypatch.setattr(KerasFit, "_epoch", lambda self, fed: 2.0 if "y" in fed else 1.0)
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    peer = TunedKerasFit()
    notes = peer.build(TINY)
    assert notes["chosen"] == "tf.data"
    assert notes["steps_per_execution"] == 50
    assert notes["images_per_second_when_tried"] == {"arrays": 32.0, "tf.data": 64.0}
    assert "y" not in peer._fed
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == "1"  # TensorFlow, in a process of its own, is not imported yet
