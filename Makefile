# make run     the bundled edition, from a bare machine to the report
# make test    everything that CI runs
# make book    the book edition (set KERASBOOK_MIRROR to a folder that has the data)
# make ui      the MLflow UI on what was run
# make tracking-server   an MLflow server with PostgreSQL behind it, for many machines
# make trace   ID=<a number's or an MLflow run's id>: where it comes from
# make crate   validate the results' RO-Crate
# make bench   speed, memory, and what the workflow itself costs
# make determinism   what keeps equal seeds' numbers equal, measured
# make compare CHAPTER=ch04   run a chapter of the book edition and compare it with results/reference;
#              SKIP=1 without the experiments whose data cannot be had
# make snapshot   write results/reference and the README's results from the book edition;
#              CHAPTER=ch04 of one chapter, the others staying as they are
# make test-slurm    the SLURM profile on a real SLURM; installs Debian's packages, wants root
# make slurm-cancel  cancel the SLURM jobs that were submitted from this folder
# make pages   the pages of a finished run (EDITION=bundled) before validators and a browser
# make picture   the README's picture of a page, from the book edition's 4.7

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CRATE := $(VENV)/crate
CORES ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
PORT ?= 5000
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes

PAGES := tests/pages/node_modules

.PHONY: run book compare snapshot trace crate test smoke-run others on-slurm test-slurm slurm-cancel lint unit tools packages pages picture browser bench determinism ui tracking-server schemas locks clean
.DEFAULT_GOAL := run

$(VENV)/run.stamp: envs/cpu.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "kerasbook needs Python 3.11, 3.12 or 3.13, found " + sys.version.split()[0] + "; set PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked packages into $(VENV) (a minute or two, once)."
	@$(PIP) -r envs/cpu.lock
	@touch $@

$(VENV)/test.stamp: envs/test.lock $(VENV)/run.stamp
	@$(PIP) -r envs/test.lock
	@touch $@

run: $(VENV)/run.stamp
	@$(BIN)/snakemake --cores $(CORES) --quiet rules
	@echo
	@echo "Report:     results/bundled/index.html"
	@echo "MLflow UI:  make ui    (then open http://127.0.0.1:$(PORT))"

book: $(VENV)/run.stamp
	@$(BIN)/snakemake --cores $(CORES) --quiet rules --configfile config/book.yaml
	@echo
	@echo "Report:     results/book/index.html"
	@echo "MLflow UI:  make ui    (then open http://127.0.0.1:$(PORT))"

compare: $(VENV)/run.stamp
	@test -n "$(CHAPTER)" || { echo "make compare: found no CHAPTER, expected one, e.g. make compare CHAPTER=ch04" >&2; exit 2; }
	@$(BIN)/snakemake $(CHAPTER) --cores $(CORES) --quiet rules --configfile config/book.yaml $(if $(SKIP),--config missing_data=skip)
	@cd workflow && ../$(BIN)/python -m kerasbook.reference compare $(CHAPTER)

snapshot: $(VENV)/run.stamp
	cd workflow && ../$(BIN)/python -m kerasbook.reference take $(CHAPTER)

ui: $(VENV)/run.stamp
	@echo "MLflow UI: http://127.0.0.1:$(PORT)  (stop it with Ctrl-C)"
	@$(BIN)/mlflow ui --backend-store-uri sqlite:///results/mlflow.db --host 127.0.0.1 --port $(PORT)

$(VENV)/server.stamp: envs/server.lock $(VENV)/run.stamp
	@$(PIP) -r envs/server.lock
	@touch $@

# FOLDER says where it keeps its data.
tracking-server: $(VENV)/server.stamp
	@PYTHONPATH=workflow $(BIN)/python -m kerasbook.tracking_server --port $(PORT) --folder '$(or $(FOLDER),.tracking)'

# EDITION=book says which; without it, the one that was worked on last.
trace: $(VENV)/run.stamp
	@PYTHONPATH=workflow $(BIN)/python -m kerasbook.trace '$(ID)' $(if $(EDITION),--edition '$(EDITION)')

# roc-validator and Keras want different versions of one package, so it has its own environment.
$(CRATE)/crate.stamp: envs/crate.lock
	@test -x $(CRATE)/bin/python || $(PYTHON) -m venv $(CRATE)
	@$(CRATE)/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r envs/crate.lock
	@touch $@

crate: $(CRATE)/crate.stamp
	@$(CRATE)/bin/python tests/validate_crate.py results/$(or $(EDITION),bundled)

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

unit: $(VENV)/test.stamp $(CRATE)/crate.stamp
	KERASBOOK_CRATE_PYTHON=$(CRATE)/bin/python $(BIN)/python -m pytest --numprocesses $(CORES) tests/unit

# The tests of the pages say what they miss and are skipped where these tools cannot be had.
$(PAGES)/.package-lock.json: tests/pages/package-lock.json
	@if command -v npm >/dev/null; then npm --prefix tests/pages ci --silent || echo "npm failed: the pages are not checked in a browser."; fi

# Installs nothing but where KERASBOOK_INSTALL_BROWSER asks for it.
browser:
	@tests/pages/install-browser

# And nothing but where KERASBOOK_INSTALL_SLURM does; after the other, since apt-get admits one at
# a time.
packages: $(VENV)/test.stamp browser
	@PYTHONPATH=workflow $(BIN)/python -m tests.packages

SLOW = KERASBOOK_CRATE_PYTHON=$(CRATE)/bin/python $(BIN)/python -m pytest -rs --durations=25

# Unit tests one a core. Of the others three at a time, since they run Snakemake, which uses two
# cores while jobs run, but not while it plans or waits, and SLURM waits most of the time.
test: $(VENV)/test.stamp
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory --jobs=2 unit tools
	@$(MAKE) --no-print-directory --keep-going --jobs=3 smoke-run others on-slurm

# What these tests use; it comes from elsewhere and takes little of a core.
tools: $(PAGES)/.package-lock.json packages

smoke-run:
	$(SLOW) tests/workflow -m smoke_run

# What these say comes when they end, so that the three are told apart.
others:
	@$(SLOW) tests/reliability tests/workflow -m "not smoke_run" > $(VENV)/$@.log 2>&1; status=$$?; cat $(VENV)/$@.log; exit $$status

on-slurm:
	@$(SLOW) tests/slurm > $(VENV)/$@.log 2>&1; status=$$?; cat $(VENV)/$@.log; exit $$status

# Says why where it can't: without root or apt-get, or where there is a SLURM already.
test-slurm: $(VENV)/test.stamp
	@KERASBOOK_INSTALL_SLURM=1 $(BIN)/python -m pytest -rs tests/slurm

slurm-cancel: $(VENV)/run.stamp
	@PYTHONPATH=workflow $(BIN)/python -m kerasbook.cluster cancel

pages: $(VENV)/test.stamp $(PAGES)/.package-lock.json browser
	@KERASBOOK_PAGES=results/$(or $(EDITION),bundled) $(BIN)/python -m pytest -rs tests/workflow/test_pages.py

picture: $(VENV)/run.stamp
	@$(BIN)/python -m tests.pages.picture results/book/ch07_*/report.html docs/report.png

bench: $(VENV)/run.stamp
	@$(BIN)/python -m benchmarks.run

determinism: $(VENV)/run.stamp
	@$(BIN)/python -m benchmarks.determinism

schemas: $(VENV)/run.stamp
	cd workflow && ../$(BIN)/python -m kerasbook.configuration

# Needs uv; writes no addresses into the locks.
locks:
	cd envs && for kind in cpu gpu; do uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet $$kind.in -o $$kind.lock; done
	cd envs && uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet test.in -c cpu.lock -o test.lock
	cd envs && for kind in crate server; do uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet $$kind.in -o $$kind.lock; done
	$(PYTHON) envs/conda.py

# What a few minutes make anew; the book edition's results and the MLflow store stay.
clean:
	rm -rf results/bundled results/smoke logs/bundled logs/smoke data/processed/bundled data/processed/smoke
