"""Airflow's audit log, for actions that belong to no single request."""

from __future__ import annotations


def audit(user: str, event: str, what: str) -> None:
    """Write who did it to the audit log. Blocks: it writes to Airflow's database."""
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    with create_session() as session:
        session.add(Log(event=event, owner=user, extra=what))
