"""What a user who is let in cannot do."""

from __future__ import annotations

import json

import pytest

from tests.services.server import Server

LOGIN = ("bob", "bobs-password-1")
CREATE = "/mlflow/experiments/create"


@pytest.fixture(scope="module")
def server(team_server: Server) -> Server:
    """The server, with a user who is no admin."""
    user = json.dumps({"username": LOGIN[0], "password": LOGIN[1]})
    assert (
        team_server.ask_as_admin(
            "POST", "/api/2.0/mlflow/users/create", user, **{"Content-Type": "application/json"}
        ).status
        == 200
    )
    return team_server


def create(server: Server, api: str, body: object) -> tuple[int, bytes]:
    return server.ask("POST", api + CREATE, LOGIN, json.dumps(body), **{"Content-Type": "application/json"})


@pytest.mark.parametrize("api", ["/api/2.0", "/ajax-api/2.0"])
@pytest.mark.parametrize("place", ["/etc", "file:///etc", "../", "mlflow-artifacts:/../..", "s3://bucket", "mlruns"])
def test_a_user_cannot_choose_where_the_server_writes(server: Server, api: str, place: str) -> None:
    status, said = create(server, api, {"name": f"at {place}", "artifact_location": place})
    assert status == 403
    assert json.loads(said)["message"] == "artifact_location: the server chooses where artifacts lie. Leave it out"


@pytest.mark.parametrize(
    "body",
    [
        {"name": "camel", "artifactLocation": "/etc"},
        json.dumps({"name": "twice", "artifact_location": "/etc"}),
        {"name": "both", "artifactLocation": "", "artifact_location": "/etc"},
    ],
)
def test_another_spelling_of_it_is_understood_as_mlflow_understands_it(server: Server, body: object) -> None:
    assert create(server, "/api/2.0", body)[0] == 403


def test_an_experiment_at_the_servers_own_place_can_be_made(server: Server) -> None:
    status, said = create(server, "/api/2.0", {"name": "bob's"})
    assert status == 200
    number = json.loads(said)["experiment_id"]
    _, found = server.ask("GET", f"/api/2.0/mlflow/experiments/get?experiment_id={number}", LOGIN)
    assert json.loads(found)["experiment"]["artifact_location"] == f"mlflow-artifacts:/{number}"


def test_without_a_password_the_answer_is_401(server: Server) -> None:
    assert server.ask("POST", f"/api/2.0{CREATE}", body="{}").status == 401
    assert server.ask("POST", f"/api/2.0{CREATE}", ("bob", "wrong"), "{}").status == 401


def test_one_user_adds_to_anothers_experiment_but_cannot_delete_it(server: Server) -> None:
    create_run = json.dumps({"experiment_id": "1"})
    json_type = {"Content-Type": "application/json"}
    assert server.ask("POST", "/api/2.0/mlflow/runs/create", LOGIN, create_run, **json_type).status == 200
    assert server.ask("POST", "/api/2.0/mlflow/experiments/delete", LOGIN, create_run, **json_type).status == 403
