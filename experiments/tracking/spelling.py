"""How settings, names and texts are written down: spelled as on the command line, without secrets, not too long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from experiments.tracking.redaction import redact
from experiments.tracking.service import TrackingError, one_line_errors

LONGEST_NAME = 250  # MLflow's limits, in characters; beyond them it cuts with a warning, or refuses
LONGEST_PARAM = 6000
LONGEST_TAG = 5000
LONGEST_DIGEST = 36
LONGEST_ERROR = 500


def spelled(value: Any) -> str:
    """A setting as it is spelled on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def shown_params(params: Mapping[str, Any]) -> dict[str, str]:
    """Settings as they are recorded.

    Raises:
        TrackingError: MLflow does not take a name.
    """
    _check("params", params)
    return {name: cut(redact(plain(spelled(value))), LONGEST_PARAM) for name, value in params.items()}


def shown_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags as they are recorded.

    Raises:
        TrackingError: MLflow does not take a name.
    """
    _check("tags", tags)
    return {name: cut(redact(plain(str(value))), LONGEST_TAG) for name, value in tags.items()}


def check_metrics(names: Iterable[str]) -> None:
    """Refuses names that MLflow does not take, before they are in a journal.

    Raises:
        TrackingError: one was found.
    """
    _check("metrics", names)


def plain(text: str) -> str:
    """The text, with a code for each byte of a command line or a path that was no UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def cut(text: str, longest: int) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _check(kind: str, names: Iterable[str]) -> None:
    from mlflow.utils import validation

    checks = {
        "params": validation._validate_param_name,
        "tags": validation._validate_tag_name,
        "metrics": validation._validate_metric_name,
    }
    for name in names:
        with one_line_errors(f"{kind} cannot be recorded"):
            checks[kind](name)
        if len(name) > LONGEST_NAME:
            raise TrackingError(f"{kind} cannot be recorded: {name[:50]}… is longer than {LONGEST_NAME} characters")
