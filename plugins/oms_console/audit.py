"""What belongs to no single request's timeline stands in Airflow's own audit log."""

from __future__ import annotations


def audit(user: str, event: str, what: str) -> None:
    """Keep who did it. Blocks: it writes to Airflow's database."""
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    with create_session() as session:
        session.add(Log(event=event, owner=user, extra=what))
