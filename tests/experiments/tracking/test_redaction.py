from __future__ import annotations

import pytest

from experiments.tracking.redaction import redact, redact_command


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://bob:hunter2@host:5000/x", "http://***@host:5000/x"),
        ("http://bob:p@ss@host", "http://***@host"),
        ("postgresql://u:p@h/db and https://token@h", "postgresql://***@h/db and https://***@h"),
        ("postgresql://u:pa/ssword@h/db", "postgresql://***@h/db"),
        ("'http://u:pa'ss@h:5000', me@home", "'http://***@h:5000', me@home"),
        ("mail bob@host, see http://host/a@b", "mail bob@host, see http://host/a@b"),
        ("http://host:5000/a@b", "http://host:5000/a@b"),
    ],
)
def test_user_and_password_in_an_address_are_hidden(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://h/db?user=u&password=hunter22", "postgresql://h/db?user=u&password=***"),
        ("http://h/?api_token=abc&page=2 and more", "http://h/?api_token=***&page=2 and more"),
        ("https://account.example/x?sv=1&sig=abc%3D", "https://account.example/x?sv=1&sig=***"),
        ("is a design=good one?", "is a design=good one?"),
    ],
)
def test_secret_parameters_of_an_address_are_hidden(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_secrets_of_the_environment_are_hidden_wherever_they_appear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "canary-one")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-two")
    monkeypatch.setenv("HF_TOKEN", "canary-three")
    monkeypatch.setenv("SOME_KEY", "1")
    assert redact("canary-one, canary-two: 401 for canary-three at 1") == "***, ***: 401 for *** at 1"


def test_a_command_line_keeps_everything_but_its_secrets() -> None:
    command = [
        "python",
        "-m",
        "experiments.run",
        "model=model2",
        "tracking.uri=https://bob:hunter2@host",
        "+api_key=abc",
        "--password",
        "abc",
        "--token=abc",
        "note=two words",
    ]
    assert redact_command(command) == (
        "python -m experiments.run model=model2 'tracking.uri=https://***@host' '+api_key=***' "
        "--password *** '--token=***' 'note=two words'"
    )
