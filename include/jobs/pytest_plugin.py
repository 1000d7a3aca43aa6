"""The test kit as a plugin of pytest (entry point `oms`): its fixtures for a project that has OMS installed.

Fixtures: ``oms``, ``items``, ``db``, ``oms_database_url``, ``airflow_runs``; see docs/add-a-job.md. It needs
``pytest-asyncio``, with ``asyncio_mode = "auto"``.
"""

from __future__ import annotations

from include.oms.testing import FIXTURES

pytest_plugins = (*FIXTURES, "include.jobs.testing")
