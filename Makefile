# make help tells what there is.
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name))))
PIP := PYTHONWARNINGS=ignore $(BIN)/pip --disable-pip-version-check install --quiet
LOCKED := --require-hashes --only-binary :all: -r requirements/build.lock
DIRECT := --no-deps --no-build-isolation --editable .
# Compiled tests are kept, whatever the environment says: to compile them takes seconds.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/pytest --dist worksteal
QUICK := grammar handlers smsgw/configuration smsgw/registry smsgw/test_gsm7.py smsgw/test_phone.py \
	smsgw/test_registration.py smsgw/test_responder.py smsgw/test_settings.py \
	smsgw/transcripts/test_reader.py test_transcripts.py

.PHONY: help install run test quick check docs wheels browser deployment audit bench chaos mutants fixes lock

help:  ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST)

install: $(VENV)/run.done  ## create .venv and nothing else

run: $(VENV)/run.done  ## start the whole service with demo data, on http://127.0.0.1:8000 (PORT=…)
	@SMSGW_DEMO=1 exec $(BIN)/smsgw run

test: $(VENV)/dev.done  ## run every test
	@$(PYTEST) -n 3

quick: $(VENV)/dev.done  ## run unit tests and the main transcripts on SQLite, in half a minute
	@$(PYTEST) -n 2 -m "not thorough" $(QUICK:%=tests/%)

check: $(VENV)/dev.done  ## run every check: format, lint, types, import contracts, audit, tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python tools/audit_dependencies.py
	@$(PYTEST) -n 3

docs: $(VENV)/docs.done  ## build the documentation as a site in build/site; broken links fail
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --clean
	@! grep -rnE '<(script|link|img)[^>]* (src|href)="(https?:)?//' --include='*.html' build/site

wheels: $(VENV)/run.done  ## fill dist/ with what installs without a network and without a build (docs/deployment.md)
	@rm -rf dist build/lib build/bdist.*
	@mkdir -p dist
	@sed 's/ ; [^\\]*//' requirements/run.lock > dist/requirements.txt  # also what another patch version of Python needs
	@$(BIN)/pip --disable-pip-version-check download --quiet --dest dist --require-hashes --only-binary :all: -r dist/requirements.txt
	@$(BIN)/pip --disable-pip-version-check wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir dist .
	@{ cat requirements/run.lock; \
		printf 'smsgw==%s %s\n' "$$(ls dist/smsgw-*.whl | cut -d- -f2)" "$$($(BIN)/pip --disable-pip-version-check hash dist/smsgw-*.whl | tail -n 1)"; \
	} > dist/requirements.txt

deployment: $(VENV)/deployment.done  ## install what the tests of deploy/ need, except programs (Debian's)

browser: $(VENV)/browser.done  ## install what the browser tests need, except the browser (Debian's chromium-headless-shell)

audit: $(VENV)/dev.done  ## report known vulnerabilities of pinned packages
	@$(BIN)/python tools/audit_dependencies.py

bench: $(VENV)/dev.done  ## measure performance
	@for bench in bench/*.py; do echo "== $$bench"; PYTHONPATH=. $(BIN)/python $$bench || exit 1; done

chaos: $(VENV)/dev.done  ## kill everything under load, for a quarter of an hour (SEED=… RATE=… MESSAGES=… KILLS=…)
	@$(BIN)/python -m tests.chaos.run

mutants: $(VENV)/dev.done  ## plant faults and print which ones nothing notices (SAMPLE=… SEED=…)
	@$(BIN)/python -m tools.mutants $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED))

fixes: $(VENV)/dev.done  ## undo the last fifteen fixes, one at a time, and see their tests fail
	@$(BIN)/python -m tools.undo_fixes

lock:  ## pin dependencies anew (developers; needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --extra embedded setup.cfg -o requirements/run.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --extra embedded --extra mysql setup.cfg -o requirements/mysql.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --extra embedded --extra mysql --extra test setup.cfg -o requirements/dev.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --extra embedded --extra mysql --extra test --extra browser setup.cfg -o requirements/browser.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --extra embedded --extra mysql --extra test --extra deployment setup.cfg -o requirements/deployment.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header requirements/build.in -o requirements/build.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --constraint requirements/browser.lock requirements/docs.in -o requirements/docs.lock

$(VENV)/bin/pip:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, $(PYTHON) is older; set PYTHON=…"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "venv is missing (on Debian: apt install python3-venv)"; rm -rf $(VENV); exit 1; }

$(VENV)/run.done: $(VENV)/bin/pip requirements/run.lock requirements/build.lock setup.cfg
	@echo "installing (once, about a minute)"
	@$(PIP) $(LOCKED) -r requirements/run.lock
	@$(PIP) $(DIRECT)
	@touch $@

$(VENV)/browser.done: $(VENV)/dev.done requirements/browser.lock
	@$(PIP) $(LOCKED) -r requirements/browser.lock
	@touch $@

$(VENV)/deployment.done: $(VENV)/dev.done requirements/deployment.lock
	@$(PIP) $(LOCKED) -r requirements/deployment.lock
	@touch $@

$(VENV)/docs.done: $(VENV)/dev.done requirements/docs.lock
	@$(PIP) $(LOCKED) -r requirements/docs.lock
	@touch $@

$(VENV)/dev.done: $(VENV)/bin/pip requirements/dev.lock requirements/build.lock setup.cfg
	@echo "installing (once, about a minute)"
	@$(PIP) $(LOCKED) -r requirements/dev.lock
	@$(PIP) $(DIRECT)
	@touch $@ $(VENV)/run.done
