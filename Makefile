# Development commands of PiRack. Requires Python 3.11 or newer. `make` prints the menu.

PYTHON ?= python3
PY := .venv/bin/python

# Programs for the tests. Tests are skipped if their programs are not available.
TEST_PROGRAMS := prometheus promtool alertmanager amtool blackbox_exporter chromium dhcpd \
	dhclient dhcpcd udhcpc ip pasta ssh sshd rsyslogd nginx apache2 caddy redis-server nats-server etcd \
	mcopy cloud-init snmpd snmpget snmpset snmpwalk

BUILD_REQUIRES := import tomllib; \
	print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")
COMPILE = $(PY) -c '$(BUILD_REQUIRES)' | .venv/bin/uv pip compile --quiet --universal \
	--python-version 3.11 --generate-hashes --custom-compile-command "make lock" \
	$(if $(UPGRADE),--upgrade) pyproject.toml -

# Python caches bytecode, because the tests start many processes.
export PYTHONDONTWRITEBYTECODE :=

# Run a check, and print its name before and after a failure.
define check
@echo "$(1)"
@$(PY) -m $(1) || { echo "make $@: \`$(1)\` failed, see above" >&2; exit 1; }
endef

# Temporary files are in memory, and those of passed tests are deleted at once.
IN_MEMORY := -p tests.helpers.files_in_memory --override-ini tmp_path_retention_policy=failed

# Build the prerequisites of the tests, on two cores.
PREPARE := $(MAKE) --no-print-directory --jobs 2 --output-sync=line lint types .bytecode

.PHONY: menu demo experiment docs dashboards dashboard-pictures check test verify emulated lint format types bench exporter.pyz lock \
	assets clean .bytecode .programs .venv-master .venv-dev

menu: ## print this menu
	@sed -n 's/^\([a-z.-]*\):.*## /\1\t/p' Makefile | while IFS='	' read -r target text; do \
		printf 'make %-19s %s\n' "$$target" "$$text"; done

demo: .venv-master ## run a virtual rack with Prometheus and pages (RACK=rack.toml PORT_BASE=port NETWORK=namespaces POWER=poe)
	@$(PY) -m virtual_rack.demo $(if $(RACK),--rack $(RACK)) $(if $(PORT_BASE),--port-base $(PORT_BASE)) \
		$(if $(NETWORK),--network $(NETWORK)) $(if $(POWER),--power $(POWER))

experiment: .venv-master ## run an example experiment on a virtual rack, as root (EXAMPLE=redis/blip SEEDS=1-3)
	@$(PY) -m examples.experiments $(or $(EXAMPLE),redis/blip) $(if $(SEEDS),--seeds $(SEEDS))

check: ## run ruff, mypy and the fast tests (90 seconds)
	@$(PREPARE)
	$(call check,pytest -n 4 --dist loadfile $(IN_MEMORY) -m "not process and not slow and not verify and not emulated")

test: ## run ruff, mypy and the tests (8 minutes; PIRACK_FORBID_SKIPS=1: skipped tests fail)
	@$(PREPARE) .programs
	$(call check,pytest -n 8 --dist loadfile $(IN_MEMORY))

verify: .venv-dev .programs ## run the long tests (45 minutes at most)
	$(call check,pytest -n 2 --dist loadfile -m verify)

emulated: .venv-dev ## install and test a master on an emulated Raspberry Pi (an hour on 2 cores; as root)
	@rm -f .emulated/report.txt
	$(call check,pytest -n 2 --dist loadscope -m emulated tests/emulated)
	@cat .emulated/report.txt

lint: .venv-dev ## run ruff
	$(call check,ruff check .)
	$(call check,ruff format --check .)

format: .venv-dev ## apply ruff fixes and format
	@$(PY) -m ruff check --fix . ; $(PY) -m ruff format .

types: .venv-dev ## run mypy
	$(call check,mypy)

bench: .venv-dev ## run the benchmarks (30 minutes; as root)
	@$(PY) -m bench.api
	@$(PY) -m bench.pages
	@$(PY) -m bench.installer
	@$(PY) -m bench.namespaces
	@$(PY) -m bench.actions
	@$(PY) -m bench.edges
	@$(PY) -m bench.exporter
	@$(PY) -m bench.soak
	@$(PY) -m bench.hostile_rasp

dashboards: .venv-master ## generate the dashboards of a rack (RACK=rack.toml CONTROLLER=URL OUTPUT=grafana/dashboards)
	@$(PY) -m grafana $(if $(RACK),--rack $(RACK)) $(if $(CONTROLLER),--controller $(CONTROLLER)) \
		$(if $(OUTPUT),--output $(OUTPUT))

dashboard-pictures: .venv-dev ## draw the dashboards with the data of a running demo (PROMETHEUS=URL; requires npm)
	@$(PY) -m tools.dashboard_pictures $(if $(PROMETHEUS),--prometheus $(PROMETHEUS))

docs: .venv-dev ## build the documentation as a site: build/site/index.html
	@$(PY) -m sphinx --quiet --fail-on-warning --builder html docs build/site
	@echo build/site/index.html

exporter.pyz: .venv-dev ## build the exporter as one file: dist/pirack-exporter.pyz
	@$(PY) -m deploy.make_pyz

lock: .venv-dev ## update requirements/*.lock from pyproject.toml (UPGRADE=1: newest versions)
	@echo "Resolving requirements/dev.lock and master.lock"
	@$(COMPILE) --extra dev --output-file requirements/dev.lock
	@$(COMPILE) --extra master --constraint requirements/dev.lock --output-file requirements/master.lock

assets: ## build the style sheet and scripts of the pages (requires npm)
	@cd controller/assets && npm ci --silent --ignore-scripts && npm run --silent build

clean: ## remove all generated and downloaded files
	@rm -rf .venv .tools .demo* .emulated build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis \
		controller/assets/node_modules
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Compile the tests once, and not in each process of pytest, which reports their errors.
.bytecode: .venv-dev
	@$(PY) -m pytest --collect-only --quiet >/dev/null || true

.programs: .venv-dev
	@$(PY) -m tools.programs $(TEST_PROGRAMS) >/dev/null || true

.venv-master .venv-dev:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "PiRack requires Python 3.11 or \
	newer: set PYTHON, for example `make demo PYTHON=python3.12`")'
	@$(PYTHON) -m deploy.make_venv $(@:.venv-%=%)
