"""Jobs of the kit: for each due request, one effect, once. ``include/jobs/kit.py`` makes a DAG of such a job."""
