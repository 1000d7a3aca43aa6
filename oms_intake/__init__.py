"""The Document Request API. Validates, stores, answers; nothing else."""

from __future__ import annotations

from flask import Flask

from oms_intake.authentication import end_call
from oms_intake.bodies import discard_unread_body
from oms_intake.calls import watch_calls
from oms_intake.documentation import documentation
from oms_intake.documents import documents
from oms_intake.errors import handle_errors
from oms_intake.operations import operations
from oms_intake.parts import make_parts
from oms_intake.probes import probes
from oms_intake.requests import requests
from oms_intake.runs import runs
from oms_intake.settings import IntakeSettings
from oms_intake.tracing import trace_calls

__all__ = ["create_app"]


def create_app(settings: IntakeSettings) -> Flask:
    """The app. Raises ValueError, naming the setting, where one makes no sense."""
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False  # a path with a doubled slash is not found
    app.extensions["oms"] = make_parts(settings)
    handle_errors(app)
    app.after_request(discard_unread_body)  # the last registered runs first, so the log measures the work alone
    app.teardown_request(end_call)
    watch_calls(app)
    trace_calls(app, settings)
    for blueprint in (requests, documents, operations, runs, probes, documentation):
        app.register_blueprint(blueprint)
    return app
