"""The connections and clients of the app: made once for each app, available to every view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import current_app

from include.oms.base.fetching import Fetcher
from include.oms.base.limits import MOST_ANSWER_BYTES
from include.oms.base.loop_thread import LoopThread
from include.oms.identity.issuer import tokens_of_issuer
from include.oms.identity.tokens import Tokens
from include.oms.intake.accepting import Store, store_in
from include.oms.intake.bulkheads import Bulkheads
from include.oms.intake.database import Database
from include.oms.intake.documents import Documents
from include.oms.intake.quotas import Quotas
from include.oms.intake.reference_data import REFERENCE_TYPES, Limits, ReferenceData
from oms_intake.metrics import BROKEN_CONTENTS
from oms_intake.settings import IntakeSettings

REFERENCE_DATA_TIMEOUT_SECONDS = 2.0  # one call: a client waits meanwhile
REFERENCE_DATA_FRESH_SECONDS = 30.0  # age up to which cached reference data is used without a call to the API


@dataclass(frozen=True)
class Parts:
    """The app's connections and clients."""

    settings: IntakeSettings
    database: Database
    reference_data: ReferenceData
    tokens: Tokens
    bulkheads: Bulkheads
    quotas: Quotas
    store: Store
    fetcher: Fetcher
    loop_thread: LoopThread
    documents: Documents

    def prefetch(self) -> None:
        """Fetch keys and reference data in the background, so that a new process has them before an outage."""
        self.tokens.prefetch()
        self.reference_data.prefetch("SOURCE_SYSTEM", *REFERENCE_TYPES)

    def close(self) -> None:
        """Close all connections."""
        self.database.close()
        self.fetcher.close()
        self.documents.close()
        self.loop_thread.close()


def make_parts(settings: IntakeSettings) -> Parts:
    """Make all parts by the settings. Opens connections in the background. Raises ValueError for a bad key file."""
    fetcher = Fetcher(timeout_seconds=REFERENCE_DATA_TIMEOUT_SECONDS, max_bytes=MOST_ANSWER_BYTES)
    tokens = tokens_of_issuer(settings, fetcher)
    assert tokens  # IntakeSettings demands a key
    loop_thread = LoopThread("oms-intake loop")
    database = Database(
        settings.database_url,
        pool_size=settings.intake_pool_size,
        pool_timeout_seconds=settings.intake_pool_timeout_seconds,
        statement_timeout_seconds=settings.intake_statement_timeout_seconds,
    )
    reference_data = ReferenceData(
        fetcher,
        settings.reference_data_url,
        fresh_seconds=REFERENCE_DATA_FRESH_SECONDS,
        stale_seconds=settings.reference_data_stale_seconds,
        broken=lambda document_name, mode: BROKEN_CONTENTS.labels(document_name, mode).inc(),
    )
    limits = Limits(settings.quota_open_requests, settings.quota_requests_an_hour, settings.quota_bytes_an_hour)
    return Parts(
        settings,
        database,
        reference_data,
        tokens,
        Bulkheads(threads=settings.intake_threads, wait_seconds=settings.intake_pool_timeout_seconds),
        Quotas(database, reference_data.limits, limits),
        store_in(database),
        fetcher,
        loop_thread,
        Documents(settings, loop_thread),
    )


def parts() -> Parts:
    """The parts of the current app."""
    return cast(Parts, current_app.extensions["oms"])
