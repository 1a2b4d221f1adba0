# make serve [ARGS="--port 8123"]   set up and run the server     make test [ARGS="-k turns"]   set up and run the tests
# make check   lint and types                                     make clean   forget the virtual environment

PYTHON ?= python3
# Processes that run the tests. Most tests wait for something; some load models, so more need more memory.
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin

.PHONY: serve test check clean

serve: $(VENV)/serve.stamp
	@$(BIN)/streamsrv pull
	@$(BIN)/streamsrv serve $(ARGS)

test: $(VENV)/test.stamp
	@$(BIN)/streamsrv pull
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)
	@$(BIN)/python tests/browser -n 2 $(ARGS)

check: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	@if ! command -v npm >/dev/null; then echo 'Types of web/ not checked: npm is not installed.'; \
	elif ! (cd web && npm install --no-audit --no-fund --no-package-lock --loglevel=error); then \
	echo 'Types of web/ not checked: npm could not install TypeScript.'; \
	else cd web && npm run --silent check; fi

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "streamsrv needs Python 3.11 or newer; try: make serve PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/serve.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[server]'
	@touch $@

$(VENV)/test.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[server,dev]'
	@touch $@ $(VENV)/serve.stamp

clean:
	rm -rf $(VENV)
