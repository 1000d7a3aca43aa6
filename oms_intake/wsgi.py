"""What a WSGI server loads: ``gunicorn -c oms_intake/gunicorn.conf.py oms_intake.wsgi:app``."""

from oms_intake import create_app
from oms_intake.logs import log_json_lines
from oms_intake.settings import intake_settings

log_json_lines()
app = create_app(intake_settings())
app.extensions["oms"].prefetch()
