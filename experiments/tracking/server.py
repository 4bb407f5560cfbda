"""MLflow's own server, started so that nobody gets in: loopback, exact hosts, users with passwords, no jobs."""

from __future__ import annotations

import ipaddress
import os
import secrets
import sys
import warnings
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from cifar.fields import ConfigError
from experiments.tracking import gate

PASSWORD = "MLFLOW_AUTH_ADMIN_PASSWORD"
"""MLflow's variable for the password that the first user, `admin`, is made with."""

SHORTEST_PASSWORD = 12  # MLflow's own rule
PRIVATE = 0o077
"""The umask of a server: what it writes is for its own user only."""

# A worker that has not imported MLflow after uvicorn's own 5 s would be killed and begun again without end.
_UVICORN = "--timeout-worker-healthcheck 120 --timeout-graceful-shutdown 5"
_EVERYWHERE = ("0.0.0.0", "::")
_SETTINGS = "basic_auth.ini"
_USERS = "users.db"
_KEPT = ("MLFLOW_S3_", "MLFLOW_GCS_", "MLFLOW_AZURE_")
_KEPT_WITH_AUTH = ("MLFLOW_AUTH_ADMIN_", "MLFLOW_FLASK_SERVER_SECRET_KEY")
_SERVERS = ("MLFLOW_", "_MLFLOW_", "UVICORN_", "FORWARDED_ALLOW_IPS")


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """What is served, where, and to whom.

    `uri`: the database. `artifacts`: the folder or bucket for artifacts that clients send. `names`: the names, beside
    `host`, that people type to reach it. `auth`: the folder for users and settings; None lets in whoever reaches it.

    Raises:
        ConfigError: it would be open to others without a password, or a value cannot be used.
    """

    uri: str = field(repr=False)  # may hold a password
    artifacts: str = "mlruns"
    host: str = "127.0.0.1"
    port: int = 5000
    names: tuple[str, ...] = ()
    auth: Path | None = None
    workers: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise ConfigError("--port", self.port, "a whole number from 1 to 65535")
        if not 1 <= self.workers <= 64:
            raise ConfigError("--workers", self.workers, "a whole number from 1 to 64")
        for name in self.names:
            if not name or not set(name.lower()) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-_[]:"):
                raise ConfigError("--name", name, "one exact name, such as mlflow.example.org")
        if not self.is_local and self.auth is None:
            expected = "127.0.0.1, since without users anyone who reaches it may read, change and delete every run"
            raise ConfigError("--host", self.host, expected, "Add --auth")
        if self.host in _EVERYWHERE and not self.names:
            raise ConfigError("--name", None, f"the name that people type, since --host={self.host} is none")
        if self.auth is not None:
            _check_auth(self.auth)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def address(self) -> str:
        """What to type on this machine."""
        return f"http://{_typed('127.0.0.1' if self.host in ('0.0.0.0', '::') else self.host)}:{self.port}"


@dataclass(frozen=True)
class Launch:
    """A command and the whole environment that it needs; run it under the umask `PRIVATE`."""

    arguments: tuple[str, ...]
    environment: dict[str, str] = field(repr=False)  # holds passwords


def build_server(config: ServerConfig) -> Launch:
    """How `mlflow server` is started. With `auth` its files are written, if they are not there yet.

    What MLflow would read from variables of this process' environment is left out, but for credentials of artifact
    stores and of the first user: one stray variable could switch its checks off.
    """
    arguments = [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--host", config.host, "--port", str(config.port), "--workers", str(config.workers)),
        *("--artifacts-destination", _absolute(config.artifacts)),
        *("--allowed-hosts", ",".join(_hosts(config))),  # exact: MLflow's own list lets 10.evil.com in
        *("--x-frame-options", "DENY"),
    ]
    if config.names:  # a browser names the page's own address too when the page changes something
        origins = [f"{scheme}://{host}" for host in _named(config) for scheme in ("https", "http")]
        arguments += ["--cors-allowed-origins", ",".join(origins)]
    uvicorn = _UVICORN
    environment = _environment(config)
    if config.auth is not None:
        arguments += ["--app-name", "basic-auth"]
        environment["MLFLOW_AUTH_CONFIG_PATH"] = str(_write_auth(config.auth))
        environment.setdefault("MLFLOW_FLASK_SERVER_SECRET_KEY", secrets.token_hex(32))
    else:
        uvicorn += " --log-level warning"  # one person needs no list of requests
    return Launch((*arguments, "--uvicorn-opts", uvicorn), environment)


def serve(launch: Launch) -> None:
    """Run the command in this process, which has imported MLflow already, until it is told to stop."""
    from mlflow.cli import cli

    warnings.simplefilter("ignore")  # about MLflow's own parts; the environment says so to its workers
    os.umask(PRIVATE)
    os.environ.clear()
    os.environ.update(launch.environment)
    cli.main([*launch.arguments[3:]], prog_name="mlflow")


def _environment(config: ServerConfig) -> dict[str, str]:
    kept = _KEPT + (_KEPT_WITH_AUTH if config.auth is not None else ())
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(_SERVERS) or name.startswith(kept)
    }
    return inherited | {
        # not arguments: every user of the machine can read those
        "MLFLOW_BACKEND_STORE_URI": config.uri,
        "MLFLOW_REGISTRY_STORE_URI": config.uri,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "PYTHONWARNINGS": "ignore",
    }


def _hosts(config: ServerConfig) -> list[str]:
    """Every Host header that is answered: the port belongs to it, but for what a proxy serves on its own."""
    own = ["localhost", "127.0.0.1", "[::1]", *([] if config.host in _EVERYWHERE else [_typed(config.host)])]
    return list(dict.fromkeys([f"{host}:{config.port}" for host in own] + _named(config)))


def _named(config: ServerConfig) -> list[str]:
    return [host for name in config.names for host in (name, f"{name}:{config.port}")]


def _typed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _absolute(place: str) -> str:
    return place if "://" in place else str(Path(place).resolve())


def _check_auth(folder: Path) -> None:
    if find_spec("flask_wtf") is None:
        raise ConfigError("--auth", True, "an environment with MLflow's users", "pip install -e '.[server]'")
    password = os.environ.get(PASSWORD)
    if (password is not None or not (folder / _USERS).exists()) and len(password or "") < SHORTEST_PASSWORD:
        shown = None if password is None else "***"
        expected = f"{SHORTEST_PASSWORD} characters or more, the password of the first user, admin"
        raise ConfigError(PASSWORD, shown, expected, f"read -rs {PASSWORD} && export {PASSWORD}")


def _write_auth(folder: Path) -> Path:
    """The file of MLflow's settings for users, made if it is missing and readable by nobody else."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    file = folder / _SETTINGS
    if not file.exists():
        unfinished = folder / f"{_SETTINGS}.{secrets.token_hex(4)}"
        unfinished.touch(mode=0o600)
        unfinished.write_text(_settings(folder), encoding="utf-8")
        unfinished.replace(file)
    for secret in (file, folder / _USERS):
        if secret.exists():
            secret.chmod(0o600)
    return file


def _settings(folder: Path) -> str:
    users = str(folder.resolve() / _USERS).replace("%", "%%")  # Python reads % in such a file as its own
    return f"""[mlflow]
# What a user may do with the runs of others: READ, EDIT (record into the same MLflow experiment) or MANAGE (delete).
default_permission = EDIT
database_uri = sqlite:///{users}
admin_username = admin
authorization_function = {gate.FUNCTION}
# Seconds that a password which was right counts as right: checking it anew takes a fifth of a second of a core.
auth_cache_ttl_seconds = 60
"""
