"""The served documentation: the contract, a page to browse it, and a page for every problem."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from flask import Blueprint, Response, abort, redirect, render_template, send_from_directory
from flask.typing import ResponseReturnValue
from markupsafe import Markup, escape

from include.oms.words.problems import PROBLEMS
from oms_intake.answers import json_answer
from oms_intake.openapi import openapi
from oms_intake.parts import parts

documentation = Blueprint("documentation", __name__, template_folder="templates")

STATIC = Path(__file__).with_name("static")
OUR_FILES = ("docs.css", "docs.js")
SWAGGER_UI = Path(str(files("flask_swagger_ui"))) / "dist"


@documentation.app_template_filter("code")
def code(text: str) -> Markup:
    """The catalogue's texts as HTML: text between backticks becomes code."""
    # str: in a Markup, Python 3.11 escapes what is put in the place of the backticks once more.
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  # escaped


@documentation.get("/")
def home() -> ResponseReturnValue:
    """The page to browse the API."""
    return redirect("/docs/")


@documentation.get("/docs/")
def docs() -> str:
    """The contract in Swagger UI, which is served from here: the page needs no other host."""
    return render_template("docs.html")


@documentation.get("/docs/<name>")
def docs_file(name: str) -> Response:
    """A script or style of that page: our own, or Swagger UI's."""
    return send_from_directory(STATIC if name in OUR_FILES else SWAGGER_UI, name)


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
