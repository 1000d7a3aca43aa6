"""Four roles of Airflow's FAB auth manager, out of one file: `python -m include.roles` sets them."""
