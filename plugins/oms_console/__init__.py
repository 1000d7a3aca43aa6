"""The operators' console: a FastAPI application inside Airflow's API server, and the pages that it serves."""
