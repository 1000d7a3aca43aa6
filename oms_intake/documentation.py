"""The served documentation: the contract, a page to browse it, and a page for every problem."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from flask import Blueprint, Response, abort, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_swagger_ui import get_swaggerui_blueprint
from markupsafe import Markup, escape

from include.oms.words.problems import PROBLEMS
from oms_intake.answers import json_answer
from oms_intake.openapi import openapi
from oms_intake.parts import parts

documentation = Blueprint("documentation", __name__, template_folder="templates")

swagger_ui = get_swaggerui_blueprint(
    "/docs",
    "/openapi.json",
    # Given, so that it is not made from the Host header: the page writes it into a script.
    {"app_name": "Document Request API", "oauth2RedirectUrl": "/docs/oauth2-redirect.html", "validatorUrl": None},
)


@documentation.app_template_filter("code")
def code(text: str) -> Markup:
    """The catalogue's texts as HTML: text between backticks becomes code."""
    # str: in a Markup, Python 3.11 escapes what is put in the place of the backticks once more.
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  # escaped


@documentation.get("/")
def home() -> ResponseReturnValue:
    """The page to browse the API."""
    return redirect("/docs/")


@documentation.get("/openapi.json")
def openapi_json() -> Response:
    """The contract."""
    return json_answer(openapi(parts().reference_data.values, datetime.now(UTC)))


@documentation.get("/problems/")
def problems() -> str:
    """All problems on one page."""
    return render_template("problems.html", title="Problems", problems=PROBLEMS.values())


@documentation.get("/problems/<name>")
def problem(name: str) -> str:
    """One problem."""
    if name not in PROBLEMS:
        abort(404)
    return render_template("problems.html", title=PROBLEMS[name].title, problems=[PROBLEMS[name]])
