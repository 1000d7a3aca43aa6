# One image for every part of the system; the command says which. Not run where this is built: no engine there.
FROM python:3.11-slim
RUN useradd --create-home --uid 50000 oms
WORKDIR /opt/oms
COPY requirements.txt requirements-deploy.txt ./
RUN pip install --no-cache-dir --require-hashes -r requirements.txt -r requirements-deploy.txt
COPY alembic.ini ./
COPY config config
COPY dags dags
COPY include include
COPY oms_intake oms_intake
COPY plugins plugins
ENV PYTHONPATH=/opt/oms:/opt/oms/config \
    PYTHONUNBUFFERED=1 \
    AIRFLOW_HOME=/opt/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/oms/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/oms/plugins
RUN mkdir -p /opt/airflow/logs /var/lib/oms && chown -R oms /opt/airflow /var/lib/oms
USER oms
