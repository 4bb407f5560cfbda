from __future__ import annotations

import pytest

from cifar.training import TrainingDivergedError
from experiments.search.failures import OWN_FAULTS, NoScoreError, common_reason


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("OSError: [Errno 28] No space left on device: '/a/trials/0001/x'",
         "OSError: [Errno 28] No space left on device: '/a/trials/0002/y'"),
        ("WorkerLostError: its worker tls://127.0.0.1:40001 died (3 times)",
         "WorkerLostError: its worker tls://127.0.0.1:40317 died (3 times)"),
        ("ResourceExhaustedError: OOM when allocating tensor with shape[32,64]",
         "ResourceExhaustedError: OOM when allocating tensor with shape[256,8]"),
    ],
)  # fmt: skip
def test_numbers_and_paths_do_not_make_another_reason(one: str, other: str) -> None:
    assert common_reason(one) == common_reason(other) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("OSError: no space left", "OSError: permission denied"),
        ("OSError: no", "MemoryError: no"),
        ("ValueError: adam has no momentum", "ValueError: sgd has no momentum"),
    ],
)
def test_another_class_or_other_words_do(one: str, other: str) -> None:
    assert common_reason(one) != common_reason(other)


def test_what_is_a_trials_own_fault_is_no_common_reason() -> None:
    assert (TrainingDivergedError.__name__, NoScoreError.__name__) == OWN_FAULTS
    assert common_reason("TrainingDivergedError: epoch 1: the loss is not a finite number after step 3") is None
    assert common_reason("NoScoreError: val_loss is inf") is None
