# Everything one does with the project. `make` lists it; OMS_PYTHON names another interpreter.
OMS_PYTHON ?= python3
PYTHON := .venv/bin/python
PIP := $(PYTHON) -m pip --disable-pip-version-check --no-input --quiet --quiet
LOCK := $(PYTHON) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
# pip asks for the pin of celery[redis] by that name. Not in requirements.txt: that is a constraint too, which knows no extras.
EXTRAS := --no-strip-extras


.DEFAULT_GOAL := help
.PHONY: help venv venv-dev demo chaos bench up new-job reload airflow token pause resume status env check-env container-token containers \
	test test-database lint audit format diagrams pictures lock clean

help: ## List what there is to make.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.runtime ## Start everything, make 200 documents, compare what went in with what came out, stop.
	@$(PYTHON) -m include.local demo $(ARGS)

chaos: .venv/.runtime ## Start everything, break it while 5,000 documents are made, compare four ledgers. ARGS="--seed 2 --requests 300".
	@$(PYTHON) -m include.local chaos $(ARGS)

bench: .venv/.runtime ## Measure each figure beside its limit, write docs/benchmarks.md. ARGS="--only intake".
	@$(PYTHON) -m include.local bench $(ARGS)

up: .venv/.runtime ## Start everything and stay; Ctrl-C stops it. ARGS=--verbose shows every log line.
	@$(PYTHON) -m include.local up $(ARGS)

new-job: .venv/.dev ## Write a job of the kit, its test and its runbook row: NAME=document_reminder. SIMPLE=1: of stock operators.
	@$(PYTHON) -m include.local new_job "$(NAME)" $(if $(SIMPLE),--simple)

reload: .venv/.runtime ## Have the running system take new code of jobs and new migrations: it keeps what it has imported.
	@$(PYTHON) -m include.local reload

airflow: .venv/.runtime ## Run Airflow's command on a database of its own: ARGS="dags test my_job", ARGS="connections test oms_db".
	@$(PYTHON) -m include.local airflow $(ARGS)

token: .venv/.runtime ## Print a client token: source system CIBT, 12 hours. ARGS="--source-system ARCADE" for another.
	@$(PYTHON) -m include.local token $(ARGS)

pause: .venv/.runtime ## Stop the schedules of both jobs.
	@$(PYTHON) -m include.local pause

resume: .venv/.runtime ## Start the schedules of both jobs again.
	@$(PYTHON) -m include.local resume

status: .venv/.runtime ## Show every part of the running system.
	@$(PYTHON) -m include.local status

env: ## Fill .env for containers: secrets made, nothing overwritten. ARGS=--simulator sets all that development needs.
	@$(OMS_PYTHON) include/deploy/environment.py fill $(ARGS)

check-env: ## Say what .env lacks.
	@$(OMS_PYTHON) include/deploy/environment.py check

container-token: ## Print a client token of the system on containers, as make token does. ARGS="--source-system ARCADE".
	@docker compose exec -T issuer python -m include.services.issuer.tokens $(ARGS)

containers: .venv/.dev ## Run the deployment on containers, break it, compare all ledgers, remove it. Needs an engine, or root on Debian.
	$(PYTHON) -m pytest tests/containers -s -x

test: .venv/.dev ## Run all tests: unit, integration, one through a real scheduler.
	$(PYTHON) -m pytest tests/unit -n 2 --dist loadfile
	$(PYTHON) -m pytest tests/integration -n 2
	$(PYTHON) -m pytest tests/e2e

# Every way of opening, claiming, watching, accepting and erasing; the rest of the SQL is in test_indexes.py. The test
# that runs Airflow itself is left out: it takes a minute, and asks the database nothing new.
DATABASE_TESTS := tests/integration/database tests/integration/test_indexes.py tests/integration/intake/test_idempotency.py \
	$(addprefix tests/integration/jobs/test_,watching.py claims.py a_requests_life.py housekeeping.py personal_data.py) -k 'not airflow_learns'
POSTGRES_15 := /usr/lib/postgresql/15/bin
test-database: .venv/.dev ## Run the tests of the database on the oldest PostgreSQL promised, and through pgbouncer.
	@if [ -x $(POSTGRES_15)/postgres ]; then OMS_TEST_POSTGRES=$(POSTGRES_15) $(PYTHON) -m pytest -q -n 2 $(DATABASE_TESTS); \
	else echo "no $(POSTGRES_15): PostgreSQL 15 is not tested here" >&2; fi
	@if command -v pgbouncer >/dev/null; then \
	OMS_TEST_POOLER=session $(PYTHON) -m pytest -q -n 2 $(DATABASE_TESTS) && \
	OMS_TEST_POOLER=transaction $(PYTHON) -m pytest -q -n 2 tests/integration/intake/test_idempotency.py tests/integration/jobs/test_claims.py; \
	else echo "no pgbouncer: it is not tested here" >&2; fi

lint: .venv/.dev ## Check style, format, types, who imports whom, SQL and JavaScript.
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy
	.venv/bin/lint-imports --no-logo
	PYTHONPATH=. $(PYTHON) .ci/lint_sql.py
	@if [ -x .venv/bin/biome ]; then .venv/bin/biome check --error-on-warnings; \
	else echo "Biome's wheel is for Linux on x86_64: the JavaScript is not linted here." >&2; fi

audit: .venv/.dev ## Look for known vulnerabilities in what is pinned, where an advisory service can be reached.
	@$(PIP) check
	@$(PYTHON) .ci/audit.py

format: .venv/.dev ## Put the format right.
	$(PYTHON) -m ruff format
	$(PYTHON) -m ruff check --fix
	@if [ -x .venv/bin/biome ]; then .venv/bin/biome check --write; fi

diagrams: .venv/.runtime ## Draw docs/diagrams anew, with plantuml.
	$(PYTHON) .ci/diagrams.py

pictures: .venv/.dev ## Take the pictures of docs/operators.md anew, with the browser tests: some minutes. Look at each.
	$(PYTHON) .ci/pictures.py

venv: .venv/.runtime ## Set up .venv with what the system runs on. All that need it do so by themselves.
venv-dev: .venv/.dev ## Set up .venv with the tools of the tests, too.

lock: .venv/.runtime ## Pin what is new in requirements*.in, with hashes; what is pinned stays. Newer pins: remove the old lines first.
	$(PIP) install uv==0.13.9  # one version: others may write all lines in another way
	$(LOCK) requirements.in --output-file requirements.txt
	$(LOCK) $(EXTRAS) requirements-dev.in --output-file requirements-dev.txt
	for image in airflow services; do \
		$(LOCK) $(EXTRAS) include/deploy/$$image/requirements.in --output-file include/deploy/$$image/requirements.txt || exit; \
	done

clean: ## Remove data, logs and caches; .venv stays.
	@if [ -e var/local.pids ]; then echo "The system is up: stop it first." >&2; exit 1; fi
	rm -rf var .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# The stamps are as new as the pins that are installed. What pip has to say goes to standard error: `make token`
# prints the token alone.
.venv/bin/python:
	@$(OMS_PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "OMS needs Python 3.11 or newer, and this is %d.%d: name another by OMS_PYTHON=..." % sys.version_info[:2])'
	@$(OMS_PYTHON) -m venv .venv

.venv/.runtime: requirements.txt | .venv/bin/python
	@echo "Installing what OMS runs on into .venv: a minute or two, once." >&2
	@$(PIP) install --require-hashes --requirement requirements.txt >&2
	@touch $@

.venv/.dev: requirements-dev.txt .venv/.runtime
	@$(PIP) install --require-hashes --requirement requirements-dev.txt >&2
	@touch $@
