"""Protection against cross-site request forgery (CSRF).

Airflow's session is a cookie. What changes anything is a POST, PUT or DELETE with a JSON body, and three things must
hold: the content type is application/json, which a form cannot send and a script of another site only after a CORS
preflight that nothing here answers; the header X-OMS-Console is there, for the same reason; and where the browser
says where the call comes from, it comes from here.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import HTTPException, Request

from include.oms.base.media_type import media_type

SAFE = {"GET", "HEAD"}


async def same_origin(request: Request) -> None:
    """Refuse a call that another site may have sent. Raises HTTPException 403 or 415."""
    if request.method in SAFE:
        return
    if media_type(request.headers) != "application/json":
        raise HTTPException(415, "the body must be application/json")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, "the call comes from another site")
    origin = request.headers.get("origin")
    if origin and urlsplit(origin).netloc not in (request.headers.get("host"), request.headers.get("x-forwarded-host")):
        raise HTTPException(403, "the call comes from another site")
    if "x-oms-console" not in request.headers:
        raise HTTPException(403, "the header X-OMS-Console is missing")
