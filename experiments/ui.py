"""Look at the runs: serves the store and opens its page. python -m experiments.ui --help"""

from __future__ import annotations

if __name__ == "__main__":
    from experiments.tracking.signals import end_on_stop

    end_on_stop()  # before the imports below, which take their time

import os
import socket
import sys
import threading
import time
import webbrowser
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from cifar.fields import ConfigError
from experiments.ending import framed
from experiments.frame import Parser
from experiments.tracking.config import DEFAULT_URI, TrackingConfig, check_uri
from experiments.tracking.redaction import redact
from experiments.tracking.server import ServerConfig, build_server, serve
from experiments.tracking.store import open_store, open_to_serve

AUTH = Path("mlflow-auth")
"""The folder for users and their passwords' hashes."""


def main(argv: list[str]) -> int:
    """Serve until Ctrl-C; returns the exit code: 2 for what the user can mend."""
    return framed(lambda: _serve(argv))


def _serve(argv: list[str]) -> int:
    uri = os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    args = _parser().parse_args(argv)
    check_uri("MLFLOW_TRACKING_URI", uri)
    if uri.startswith("http"):
        return _show(f"{uri.rstrip('/')}/{_page('1')}", browse=not args.no_browser)
    config = ServerConfig(
        uri=uri,
        artifacts=args.artifacts,
        host=args.host,
        port=args.port,
        names=tuple(args.name),
        auth=AUTH if args.auth else None,
        workers=args.workers,
    )
    _check_free(config)
    launch = build_server(config)
    experiment_id = _prepare(uri, for_others=args.auth)
    _show_when_up(config, f"{config.address}/{_page(experiment_id)}", browse=not args.no_browser)
    serve(launch)
    return 0


def _parser() -> Parser:
    parser = Parser(prog="python -m experiments.ui", description="Serves the store and opens its page.")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen; others than this machine need --auth")
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--name", action="append", default=[], help="a name that people type to reach it; repeatable")
    parser.add_argument("--auth", action="store_true", help=f"ask for name and password; kept in {AUTH}/")
    parser.add_argument("--artifacts", default="mlruns", metavar="PLACE", help="a folder, or s3://bucket/folder")
    parser.add_argument("--workers", type=int, default=1, help="processes that answer")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    return parser


def _prepare(uri: str, for_others: bool) -> str:
    """Opens the store, as a run would, or so that clients elsewhere can record; returns the MLflow experiment's id."""
    if for_others:
        return open_to_serve(uri, TrackingConfig().experiment)
    return open_store(TrackingConfig(uri=uri)).experiment_id


def _page(experiment_id: str) -> str:
    # without the last part MLflow shows traces of language models first
    return f"#/experiments/{experiment_id}?workflowType=machine_learning"


def _check_free(config: ServerConfig) -> None:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.host, config.port))
        except OSError as error:
            raise ConfigError("--port", config.port, f"a free port of {config.host} ({error.strerror})") from None


def _show_when_up(config: ServerConfig, page: str, browse: bool) -> None:
    """In a thread, since the server has this process' main thread."""

    def wait() -> None:
        while not _answers(config):
            time.sleep(0.2)
        _show(page, browse)

    print("starting MLflow's server; Ctrl-C ends it", flush=True)
    threading.Thread(target=wait, name="show-when-up", daemon=True).start()


def _answers(config: ServerConfig) -> bool:
    connection = HTTPConnection(config.address.removeprefix("http://"), timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _show(page: str, browse: bool) -> int:
    print(f"Open {redact(page)}", flush=True)
    if browse and has_screen():
        webbrowser.open(page)
    return 0


def has_screen() -> bool:
    """Whether a browser would have a window: without one Python starts a browser inside the terminal."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
