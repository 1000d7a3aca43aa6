"""Remind the reader of each document that was made some days ago, once, at DOCUMENT_REMINDER_API.

Red: a reminder was refused. The log names each request and the reason. Clear: tries those again.
"""

from include.jobs.kit import Call, Item, Param, item_job

DUE = """SELECT request_id, document_name, source_system FROM document_requests WHERE status = 'COMPLETED'
         AND ended_at BETWEEN now() - (%(days)s + 30) * interval '1 day' AND now() - %(days)s * interval '1 day'"""


async def remind(item: Item, call: Call) -> None:
    """Have the effect. The name is the same at every try."""
    content = {"name": item.name, "document": item["document_name"], "to": item["source_system"]}
    await call("POST", "/reminders", json=content)


async def is_reminded(item: Item, call: Call) -> bool:
    """Whether the reminder of this name exists."""
    return (await call("GET", f"/reminders/{item.name}", expect=[404])).status == 200


document_reminder = item_job(
    "document_reminder", doc=__doc__, schedule="*/15 * * * *",  # in UTC; a later run also does what had to wait
    due=DUE, act=remind, look_up=is_reminded,
    system="DOCUMENT_REMINDER_API", connection="document_reminder_api",
    params={"days": Param(7, type="integer", minimum=0, title="Days", description="Age of a document in days.")},
)  # fmt: skip
