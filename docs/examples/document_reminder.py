"""Remind the reader of each document that was made and is some days old. An Airflow DAG of the kit.

- When: every quarter of an hour. The Connection is `document_reminder_api` (type HTTP).
- Reads: requests that are COMPLETED since `days` days.
- Writes: one reminder each, at DOCUMENT_REMINDER_API.
- Red: the reminder was refused. The log names each request and the reason.
- Clear: tries the refused ones again. An outage is no failure: a later run goes on.
"""

from include.jobs.kit import Call, Item, Param, item_job

DUE = """
    SELECT request_id, document_name, source_system FROM document_requests
    WHERE status = 'COMPLETED' AND ended_at < now() - %(days)s * interval '1 day'
      AND ended_at > now() - (%(days)s + 30) * interval '1 day'
"""


async def remind(item: Item, call: Call) -> None:
    """Have the effect, once."""
    content = {"name": item.name, "document": item["document_name"], "to": item["source_system"]}
    await call("POST", "/reminders", json=content)


async def is_reminded(item: Item, call: Call) -> bool:
    """The look-up: whether the reminder of this name exists."""
    return (await call("GET", f"/reminders/{item.name}", expect=[404])).status == 200


document_reminder = item_job(
    "document_reminder",
    doc=__doc__,
    schedule="*/15 * * * *",
    system="DOCUMENT_REMINDER_API",
    connection="document_reminder_api",
    due=DUE,
    act=remind,
    look_up=is_reminded,
    params={"days": Param(7, type="integer", minimum=0, title="Days", description="Age of a document in days.")},
)
