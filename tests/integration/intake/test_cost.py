"""What a question costs follows what it asks for, not the history."""

from typing import Any

import psycopg

from include.oms.base.queries import query
from include.oms.intake.finding import LARGEST_ID

HISTORY = """
    INSERT INTO document_requests (source_system, request_correlation_id, content_hash, document_type, document_name,
        document_language, source_environment, client_subject, status, revision, created_at, ended_at)
    SELECT (ARRAY['CIBT', 'ARCADE'])[1 + n % 2], 'R' || n, '', 'INVOICE', 'IVZRECPA', 'EN', 'DEV', 'x', 'COMPLETED', 1,
           now() - (60000 - n) * interval '1 hour', now()
    FROM generate_series(1, 60000) n"""
METADATA = """
    INSERT INTO request_metadata SELECT request_id, key, CASE key WHEN 'INVOICE_ID' THEN request_id::text ELSE '2' END
    FROM document_requests, unnest(ARRAY['INVOICE_ID', 'FOOTER_ID']) AS key"""
OPEN = "UPDATE document_requests SET status = 'QUEUED', ended_at = NULL WHERE request_id % 6000 = 0"
ANY = dict.fromkeys(
    ("status", "document_type", "document_name", "request_correlation_id", "run_id", "created_from", "created_to")
)
SEARCH = {"source_system": "CIBT", "before": LARGEST_ID, "limit": 51, **ANY}
RECENT = "2999-01-01"


def blocks_read(db: psycopg.Connection[Any], name: str, **values: Any) -> int:
    """Blocks of 8 kB that the query looked at; the tables and indexes of this history have some 2,000."""
    (plan,) = db.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query(name)}", values).fetchone()[0]  # type: ignore[index,arg-type]
    found: int = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
    return found


QUESTIONS: list[tuple[str, dict[str, Any], int]] = [
    ("count_open_requests", {}, 40),
    ("find_requests", SEARCH, 40),
    ("find_requests", SEARCH | {"request_correlation_id": "R7777"}, 40),
    ("find_requests", SEARCH | {"created_from": RECENT}, 200),
    ("count_requests", {"source_system": "CIBT", "created_from": RECENT, "created_to": None, "most": 1_000_001}, 200),
    ("find_requests_by_metadata", SEARCH | {"keys": ["INVOICE_ID"], "values": ["7777"]}, 40),
    ("find_requests_by_metadata", SEARCH | {"keys": ["FOOTER_ID"], "values": ["2"]}, 900),
    ("show_requests", {"source_system": "CIBT", "request_ids": [7777]}, 40),
    ("timeline_of_request", {"source_system": "CIBT", "request_id": 7777}, 40),
]


def test_a_question_reads_what_it_needs(db: psycopg.Connection[Any]) -> None:
    for statement in (HISTORY, METADATA, OPEN, "VACUUM ANALYZE document_requests, request_metadata"):
        db.execute(statement)
    read = [(name, values, blocks_read(db, name, **values), most) for name, values, most in QUESTIONS]
    assert not [line for line in read if line[2] > line[3]]
