"""The command that starts MLflow's server, and whom the server that it starts lets in."""

from __future__ import annotations

import json
import os
import stat
import warnings
from pathlib import Path
from typing import Any

import psutil
import pytest

from cifar.fields import ConfigError
from experiments.tracking.server import PASSWORD, ServerConfig, build_server
from experiments.tracking.service import TrackingError
from experiments.tracking.store import check_server
from tests.services.server import Server

URI = "sqlite:///mlflow.db"


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for users, and a password for the first of them."""
    monkeypatch.setenv(PASSWORD, "twelve-letters")
    return tmp_path / "users"


def option(config: ServerConfig, name: str) -> str | None:
    arguments = build_server(config).arguments
    return arguments[arguments.index(name) + 1] if name in arguments else None


# --- the command -----------------------------------------------------------------------------------


def test_by_default_it_is_for_this_machine_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = ServerConfig(uri=URI)
    assert option(config, "--host") == "127.0.0.1"
    assert option(config, "--allowed-hosts") == "localhost:5000,127.0.0.1:5000,[::1]:5000"
    assert option(config, "--app-name") is None
    assert option(config, "--cors-allowed-origins") is None
    assert option(config, "--artifacts-destination") == str(tmp_path / "mlruns")
    assert "*" not in " ".join(build_server(config).arguments)
    assert list(tmp_path.iterdir()) == []


def test_jobs_and_telemetry_are_off_and_the_address_is_no_argument() -> None:
    launch = build_server(ServerConfig(uri="postgresql://me:canary@host/runs"))
    assert launch.environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert launch.environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert launch.environment["MLFLOW_BACKEND_STORE_URI"] == "postgresql://me:canary@host/runs"
    assert "canary" not in " ".join(launch.arguments)
    assert "canary" not in repr(launch)


def test_no_variable_of_the_users_switches_a_check_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE", "true")
    monkeypatch.setenv("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "true")
    monkeypatch.setenv("MLFLOW_ENABLE_REMOTE_ASSISTANT", "true")
    monkeypatch.setenv("UVICORN_HOST", "0.0.0.0")
    monkeypatch.setenv(PASSWORD, "twelve-letters")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "kept")
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", "kept")
    environment = build_server(ServerConfig(uri=URI)).environment
    ours = {name for name in environment if name.startswith(("MLFLOW_", "UVICORN_"))}
    assert ours == {
        "MLFLOW_BACKEND_STORE_URI",
        "MLFLOW_REGISTRY_STORE_URI",
        "MLFLOW_DISABLE_TELEMETRY",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION",
        "MLFLOW_LOGGING_LEVEL",
        "MLFLOW_S3_ENDPOINT_URL",
    }
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert environment["AWS_SECRET_ACCESS_KEY"] == "kept"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "10.evil.com", "example.org", "127.evil.com", ""])
def test_another_host_without_users_is_refused(host: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ServerConfig(uri=URI, host=host, names=("mlflow.example.org",))
    assert str(caught.value) == (
        f"--host={host}: expected 127.0.0.1, since without users anyone who reaches it may read, change and delete "
        "every run. Add --auth"
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_every_address_of_this_machine_alone_will_do(host: str) -> None:
    assert ServerConfig(uri=URI, host=host).is_local


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"port": 0}, "--port=0: expected a whole number from 1 to 65535"),
        ({"port": 65536}, "--port=65536: expected a whole number from 1 to 65535"),
        ({"workers": 0}, "--workers=0: expected a whole number from 1 to 64"),
        ({"names": ("*",)}, "--name=*: expected one exact name, such as mlflow.example.org"),
        ({"names": ("10.*",)}, "--name=10.*: expected one exact name, such as mlflow.example.org"),
        ({"names": ("a,b",)}, "--name=a,b: expected one exact name, such as mlflow.example.org"),
        ({"names": ("",)}, "--name=: expected one exact name, such as mlflow.example.org"),
    ],
)
def test_a_value_that_would_open_it_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ServerConfig(uri=URI, **values)
    assert str(caught.value) == message


def test_an_address_that_nobody_types_needs_a_name(users: Path) -> None:
    pytest.importorskip("flask_wtf")
    with pytest.raises(ConfigError, match=r"^--name=null: expected the name that people type, since --host=0\.0\.0\.0"):
        ServerConfig(uri=URI, host="0.0.0.0", auth=users)


def test_behind_a_proxy_its_name_is_a_host_and_an_origin(users: Path) -> None:
    pytest.importorskip("flask_wtf")
    config = ServerConfig(uri=URI, host="0.0.0.0", names=("mlflow.example.org",), auth=users)
    assert option(config, "--allowed-hosts") == (
        "localhost:5000,127.0.0.1:5000,[::1]:5000,mlflow.example.org,mlflow.example.org:5000"
    )
    assert "https://mlflow.example.org" in (option(config, "--cors-allowed-origins") or "").split(",")
    assert option(config, "--app-name") == "basic-auth"


@pytest.mark.parametrize("password", [None, "", "short"])
def test_there_is_no_default_password(users: Path, monkeypatch: pytest.MonkeyPatch, password: str | None) -> None:
    pytest.importorskip("flask_wtf")
    monkeypatch.delenv(PASSWORD)
    if password is not None:
        monkeypatch.setenv(PASSWORD, password)
    with pytest.raises(ConfigError) as caught:
        ServerConfig(uri=URI, auth=users)
    assert str(caught.value).startswith(f"{PASSWORD}={'null' if password is None else '***'}: expected 12 characters")


def test_once_there_are_users_no_password_is_needed(users: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("flask_wtf")
    users.mkdir()
    (users / "users.db").touch(0o644)
    monkeypatch.delenv(PASSWORD)
    build_server(ServerConfig(uri=URI, auth=users))
    assert stat.S_IMODE((users / "users.db").stat().st_mode) == 0o600


def test_the_settings_for_users_are_for_their_owner_only_and_are_kept(users: Path) -> None:
    pytest.importorskip("flask_wtf")
    before = os.umask(0)
    try:
        launch = build_server(ServerConfig(uri=URI, auth=users))
    finally:
        os.umask(before)
    file = Path(launch.environment["MLFLOW_AUTH_CONFIG_PATH"])
    assert stat.S_IMODE(users.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "twelve-letters" not in file.read_text()
    file.write_text("mine")
    build_server(ServerConfig(uri=URI, auth=users))
    assert file.read_text() == "mine"
    assert [path.name for path in users.iterdir()] == ["basic_auth.ini"]


def test_without_the_packages_for_users_the_message_says_what_to_install(
    users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.tracking.server.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"--auth=true: expected an environment with MLflow's users\. pip install"):
        ServerConfig(uri=URI, auth=users)


# --- the server ------------------------------------------------------------------------------------


SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"


def test_it_listens_on_this_machine_only(team_server: Server) -> None:
    processes = [psutil.Process(team_server.pid), *psutil.Process(team_server.pid).children(recursive=True)]
    listening = {
        connection.laddr
        for process in processes
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {("127.0.0.1", team_server.port)}


def test_it_prints_the_page_of_experiments_and_no_password(team_server: Server) -> None:
    assert f"Open {team_server.address}/#/experiments/1?workflowType=machine_learning\n" in team_server.output
    assert team_server.password not in team_server.output


@pytest.mark.parametrize(
    "host",
    [
        "evil.com",
        "10.evil.com",
        "192.168.evil.com:5000",
        "10.0.0.1",
        "127.0.0.1",
        "localhost:1",
        "127.0.0.1.nip.io",
        "",
    ],
)
def test_another_host_gets_403(team_server: Server, host: str) -> None:
    for path in ("/", SEARCH, "/graphql", "/api/2.0/mlflow-artifacts/artifacts/x"):
        assert team_server.ask_as_admin("GET", path, Host=host).status == 403


def test_our_own_hosts_are_answered(team_server: Server) -> None:
    for name in ("127.0.0.1", "localhost", "[::1]"):
        assert team_server.ask_as_admin("GET", SEARCH, Host=f"{name}:{team_server.port}").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_another_page_cannot_change_anything(team_server: Server, method: str) -> None:
    for path in ("/api/2.0/mlflow/experiments/create", "/api/2.0/mlflow-artifacts/artifacts/x"):
        assert team_server.ask_as_admin(method, path, Origin="https://evil.com").status == 403


PUBLIC = {"/health", "/api/3.0/mlflow/server-info", "/ajax-api/3.0/mlflow/server-info"}
"""What MLflow answers without a password: that it is alive, and how it is set up."""

NOWHERE = {"/static-files/x"}
"""Files of MLflow's pages, which it may show anybody; there is none of this name."""


@pytest.fixture(scope="module")
def routes() -> set[tuple[str, str]]:
    """Every method and path that MLflow's server has, with something in place of the parts that vary."""
    pytest.importorskip("flask_wtf")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.server.auth.routes as auth_routes
        from mlflow.server import app as flask_app
        from mlflow.server.fastapi_app import app as fastapi_app
    found = {(method, rule.rule) for rule in flask_app.url_map.iter_rules() for method in rule.methods or ()}
    for route in fastapi_app.routes:
        found |= {(method, route.path) for method in getattr(route, "methods", None) or ()}
    for name, path in vars(auth_routes).items():
        if name.isupper() and isinstance(path, str) and path.startswith("/"):
            found |= {(method, path) for method in ("GET", "POST", "PATCH", "DELETE")}
    return {(method, _filled(path)) for method, path in found if method not in ("HEAD", "OPTIONS")}


def _filled(path: str) -> str:
    parts = path.replace("{", "<").replace("}", ">").split("<")
    return parts[0] + "".join("x" + part.partition(">")[2] for part in parts[1:])


KINDS = (
    "experiments/search",
    "runs/search",
    "mlflow-artifacts/artifacts",
    "graphql",
    "model-versions/get",
    "users/get",
)


def test_without_a_password_no_route_answers(team_server: Server, routes: set[tuple[str, str]]) -> None:
    assert len(routes) > 300
    for kind in KINDS:
        assert any(kind in path for _, path in routes), kind
    statuses = {route: team_server.ask(*route).status for route in routes}
    assert {path for (_, path), status in statuses.items() if status < 400} == PUBLIC
    refused = {route: status for route, status in statuses.items() if route[1] not in PUBLIC | NOWHERE}
    assert {route: status for route, status in refused.items() if status != 401} == {}
    assert {status for (_, path), status in statuses.items() if path in NOWHERE} <= {401, 404}


def test_who_has_no_password_is_told_where_to_put_it(team_server: Server, project: Path) -> None:
    with pytest.raises(TrackingError) as caught:
        check_server(team_server.address)
    assert str(caught.value) == (
        f"{team_server.address}: cannot be reached: it asks for a name and a password, and MLFLOW_TRACKING_USERNAME "
        "and MLFLOW_TRACKING_PASSWORD, or ~/.mlflow/credentials, do not hold them"
    )


def test_with_a_wrong_password_neither(team_server: Server, routes: set[tuple[str, str]]) -> None:
    for kind in KINDS:
        method, path = next(route for route in sorted(routes) if kind in route[1])
        assert team_server.ask(method, path, ("admin", "wrong-password")).status == 401, path


@pytest.mark.parametrize(
    ("user", "password"), [("admin", "password1234"), ("admin", ""), ("", "x"), ("nobody", "nobody")]
)
def test_no_well_known_password_works(team_server: Server, user: str, password: str) -> None:
    assert team_server.ask("GET", SEARCH, (user, password)).status == 401


# --- artifacts -------------------------------------------------------------------------------------

SECRET = b"not for everyone"
ELSEWHERE = (
    "../secret.txt",
    "../../secret.txt",
    "1/../../secret.txt",
    "%2e%2e/secret.txt",
    "%2e%2e%2fsecret.txt",
    "%252e%252e%252fsecret.txt",
    "/etc/hostname",
    "%2fetc%2fhostname",
    "x%00/../../secret.txt",
    "file:///etc/hostname",
)
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.fixture(scope="module")
def secret(team_server: Server) -> Path:
    """A file beside the folder of artifacts."""
    file = team_server.folder / "secret.txt"
    file.write_bytes(SECRET)
    return file


@pytest.mark.parametrize("path", ELSEWHERE)
def test_artifacts_elsewhere_are_neither_read_nor_written_nor_listed(
    team_server: Server, secret: Path, path: str
) -> None:
    before = {file for file in team_server.folder.rglob("*") if "mlruns" not in file.parts}
    hostname = Path("/etc/hostname").read_bytes()
    for answer in (
        team_server.ask_as_admin("GET", f"{ARTIFACTS}/{path}"),
        team_server.ask_as_admin("PUT", f"{ARTIFACTS}/{path}", body="overwritten"),
        team_server.ask_as_admin("GET", f"{ARTIFACTS}?path={path}"),
    ):
        assert answer.status in (400, 404), (answer.status, answer.body)
        assert SECRET not in answer.body
        assert hostname not in answer.body
    assert secret.read_bytes() == SECRET
    assert {file for file in team_server.folder.rglob("*") if "mlruns" not in file.parts} == before


def test_a_backslash_is_a_letter_of_a_name_like_any_other(team_server: Server, secret: Path) -> None:
    assert team_server.ask_as_admin("PUT", f"{ARTIFACTS}/1/..%5csecret.txt", body="mine").status == 200
    assert (team_server.folder / "mlruns" / "1" / "..\\secret.txt").read_text() == "mine"
    assert secret.read_bytes() == SECRET


def test_a_link_to_elsewhere_is_not_followed(team_server: Server, secret: Path) -> None:
    link = team_server.folder / "mlruns" / "1" / "link.txt"
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(secret)
    assert team_server.ask_as_admin("GET", f"{ARTIFACTS}/1/link.txt").status == 400
    assert team_server.ask_as_admin("PUT", f"{ARTIFACTS}/1/link.txt", body="overwritten").status == 400
    assert secret.read_bytes() == SECRET
    link.unlink()


def test_clients_send_their_artifacts_to_the_server(team_server: Server) -> None:
    def place_of(experiment: str) -> str:
        path = f"/api/2.0/mlflow/experiments/get-by-name?experiment_name={experiment}"
        return str(json.loads(team_server.ask_as_admin("GET", path).body)["experiment"]["artifact_location"])

    assert place_of("Default") == "mlflow-artifacts:/0"
    assert place_of("cifar10") == "mlflow-artifacts:/1"


def test_an_artifact_goes_in_and_comes_out(team_server: Server) -> None:
    assert team_server.ask_as_admin("PUT", f"{ARTIFACTS}/1/x/hello.txt", body="hello").status == 200
    answer = team_server.ask_as_admin("GET", f"{ARTIFACTS}/1/x/hello.txt")
    assert answer == (200, b"hello")
    assert team_server.ask("GET", f"{ARTIFACTS}/1/x/hello.txt").status == 401


def test_what_the_server_writes_is_for_its_owner_only(team_server: Server) -> None:
    assert team_server.ask_as_admin("PUT", f"{ARTIFACTS}/1/y/own.txt", body="mine").status == 200
    written = [path for path in team_server.folder.rglob("*") if path.name not in ("output.txt", "secret.txt")]
    assert {"users.db", "basic_auth.ini", "own.txt"} <= {path.name for path in written}
    assert [path for path in written if path.stat().st_mode & 0o077] == []
