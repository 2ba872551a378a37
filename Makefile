# Everything a contributor runs. Needs Python 3.11 or newer with venv, and make; nothing else has to be set up.
PYTHON ?= $(firstword $(foreach p,python3.11 python3,$(if $(shell $(p) -c 'import sys; assert sys.version_info >= (3, 11); print("ok")' 2>/dev/null),$(p))))
VENV   := .venv
PY     := $(VENV)/bin/python
STAMP  := $(VENV)/.installed
LOCK   := $(VENV)/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-config --quiet
.DEFAULT_GOAL := help
.PHONY: help demo test soak check docs fix bench lock clean

help:            ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{sub(/:.*/, "", $$1); printf "  make %-7s %s\n", $$1, $$2}'

# pip fetches the pinned uv, and uv the rest; where uv cannot run, pip does the same more slowly.
$(STAMP): pyproject.toml requirements/dev.txt requirements/bootstrap.txt
	@test -x $(PY) || { test -n "$(PYTHON)" && $(PYTHON) -m venv $(VENV); } || { rm -rf $(VENV); echo "Python 3.11 or newer with venv is needed (Debian: apt-get install python3.11-venv)" >&2; exit 1; }
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@$(VENV)/bin/uv pip install --quiet --no-config --python $(PY) --require-hashes -r requirements/dev.txt || { \
	    echo "uv could not install; once more with pip" >&2; \
	    $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt; }
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP)   ## run the main job end to end
	@scripts/need.sh demo
	$(VENV)/bin/fzalert demo

# Two files of tests at a time; what listens to sound cannot share a processor and comes last.
test: $(STAMP)   ## every test
	@scripts/need.sh test
	$(PY) -m pytest -n 2 --dist loadfile -m "not alone"
	$(PY) -m pytest -m alone

soak: $(STAMP)   ## the fault tests and simulations, many times over (an hour or more)
	@scripts/need.sh test
	FZ_SOAK=1 $(PY) -m pytest tests/faults

# --no-cache: the cache keeps a wrong answer about an import whose module was written later.
check: $(STAMP)  ## lint, format, types, layers
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache

docs: $(STAMP)   ## build the manual into site/, strictly
	$(PY) -m tools.docs_tables --check
	$(PY) -m tools.docs_site

fix: $(STAMP)    ## repair what lint and format can repair
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: $(STAMP)  ## measure; every bench/*.py prints its own numbers
	@set -e; for file in $(sort $(wildcard bench/*.py)); do echo "== $$file"; $(PY) $$file; done

lock: $(STAMP)   ## renew requirements/*.txt
	$(LOCK) --group bootstrap -o requirements/bootstrap.txt
	$(LOCK) pyproject.toml -o requirements/run.txt
	$(LOCK) pyproject.toml --all-extras --group dev -o requirements/dev.txt

clean:           ## remove what make made, the environment too
	rm -rf $(VENV) .ci/wheel dist build site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
