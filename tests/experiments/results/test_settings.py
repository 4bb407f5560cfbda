"""Which params tell one setting from another."""

from __future__ import annotations

from cifar.config import RunConfig
from cifar.fields import flatten
from experiments.results.settings import LEFT_OUT, decisive, setting


def test_seed_threads_device_cache_and_tracking_make_no_other_setting() -> None:
    params = {"model.name": "model1", "seed": "2", "compute.threads": "1", "tracking.uri": "x", "sweep.seed": "0"}
    assert decisive(params) == {"model.name": "model1", "seed": "2"}
    assert setting(params) == {("model.name", "model1")}
    assert setting({**params, "seed": "3", "data.cache": "y", "compute.device": "cpu"}) == setting(params)
    assert setting({**params, "compute.backend": "jax"}) != setting(params)


def test_what_is_left_out_is_there() -> None:
    assert {*LEFT_OUT} <= flatten(RunConfig()).keys()
