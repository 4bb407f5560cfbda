from __future__ import annotations

import pytest

from experiments.tracking.service import TrackingError
from experiments.tracking.spelling import check_metrics, cut, plain, shown_params, shown_tags, spelled


def test_settings_are_spelled_as_on_the_command_line() -> None:
    assert [spelled(value) for value in (None, True, False, 0.001, 3, "a")] == [
        "null", "true", "false", "0.001", "3", "a",
    ]  # fmt: skip


def test_secrets_are_left_out_and_long_texts_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "canary-token")
    assert shown_params({"uri": "http://a:b@host", "x": "y" * 7000}) == {
        "uri": "http://***@host",
        "x": "y" * 5999 + "…",
    }
    assert shown_tags({"t": "canary-token", "x": "y" * 7000}) == {"t": "***", "x": "y" * 4999 + "…"}
    assert (cut("abc", 3), cut("abcd", 3)) == ("abc", "ab…")


@pytest.mark.parametrize("name", ["a\nb", "../a", "/a", "a//b", "x" * 251, ""])
def test_names_that_mlflow_does_not_take_are_refused(name: str) -> None:
    for refuse in (lambda: shown_params({name: 1}), lambda: shown_tags({name: "1"}), lambda: check_metrics([name])):
        with pytest.raises(TrackingError, match="cannot be recorded: "):
            refuse()


def test_bytes_that_are_no_utf_8_are_shown_as_codes() -> None:
    typed = b"caf\xe9".decode("utf-8", "surrogateescape")  # as Python reads a command line
    assert shown_tags({"command": typed}) == {"command": "caf\\udce9"}
    assert shown_params({"data.path": typed}) == {"data.path": "caf\\udce9"}
    assert plain("für") == "für"
