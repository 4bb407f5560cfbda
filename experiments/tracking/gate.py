"""Asked by MLflow's server about every request: who is it, and does it leave the place of artifacts to the server?"""

from __future__ import annotations

from typing import Any

FUNCTION = f"{__name__}:authenticate"
"""As MLflow's settings for users name it."""


def authenticate() -> Any:
    """MLflow's own check of name and password, and one more.

    MLflow lets any user make an experiment whose artifacts lie in a folder of the user's choice, /etc for example, and
    then has the server write there. Here the server chooses.

    Returns:
        Who it is, or the answer that turns the request away.
    """
    from flask import Response, request
    from mlflow.server.auth import authenticate_request_basic_auth

    answer = authenticate_request_basic_auth()
    if isinstance(answer, Response) or not request.path.endswith("/mlflow/experiments/create"):
        return answer
    return _refused() if _chooses_place() else answer


def _chooses_place() -> bool:
    # read by the function that MLflow's handler reads it with, so that both understand the same
    from mlflow.exceptions import MlflowException
    from mlflow.protos.service_pb2 import CreateExperiment
    from mlflow.server.handlers import _get_request_message

    try:
        return bool(_get_request_message(CreateExperiment()).artifact_location)
    except MlflowException:
        return True


def _refused() -> Any:
    from flask import jsonify, make_response

    message = "artifact_location: the server chooses where artifacts lie. Leave it out"
    return make_response(jsonify({"error_code": "PERMISSION_DENIED", "message": message}), 403)
