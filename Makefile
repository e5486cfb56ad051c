# Needs make and Python 3.11 or newer, nothing else: the first command builds .venv and fills it.
#
#   make demo    train on handwritten digits, write a report
#   make test    lint, types, tests
#   make bench   speed and accuracy against peers and references (hours; `make bench ARGS='--quick startup digits'`)
#   make clean   remove what these made (runs are kept)

VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/installed
PEERS   := build/peers
WORKERS ?= 2
ARGS    ?=
PIP     := -m pip install --quiet --disable-pip-version-check

# The first interpreter that is new enough and can make environments; `make demo PYTHON=/path/to/python3.12` overrides it.
PYTHON  ?= $(shell for name in python3.13 python3.12 python3.11 python3.14 python3 python; do \
	$$name -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null && { echo $$name; break; }; done)

# PyTorch's default build for Linux carries 2 GB for NVIDIA cards. Where there is no such card and the builds without it
# can be reached, pip is shown these too.
CPU_INDEX := https://download.pytorch.org/whl/cpu
PROBE     := import urllib.request; urllib.request.urlopen("$(CPU_INDEX)/torch/", timeout=3)

.PHONY: demo test bench clean
.DEFAULT_GOAL := demo

demo: $(STAMP)
	$(BIN)/sonde train

# Bytecode first: some hundred tests start a process, and each would compile the package where PYTHONDONTWRITEBYTECODE is set.
test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m compileall -q src
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

bench: $(STAMP) $(PEERS)/installed
	$(BIN)/python -m bench --peers $(PEERS)/bin/python $(ARGS)

$(STAMP): pyproject.toml constraints.txt
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or newer with venv is needed and was not found (Debian, Ubuntu: apt install python3-venv).' \
	  'If it stands elsewhere: make PYTHON=/path/to/python3'; exit 1; }
	@echo 'Installing Sonde into $(VENV) with $(PYTHON) (once; some minutes on a slow line) …'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@if [ "$$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null && $(BIN)/python -c '$(PROBE)' 2>/dev/null; \
	then extra='--extra-index-url $(CPU_INDEX)'; else extra=; fi; \
	$(BIN)/python $(PIP) $$extra -c constraints.txt torch && $(BIN)/python $(PIP) -c constraints.txt -e '.[test]'
	@touch $@

# Peers live apart, so that what they need never reaches what is tested.
$(PEERS)/installed: $(STAMP) bench/requirements-peers.txt
	@echo 'Installing the peers into $(PEERS) …'
	@test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python $(PIP) -c constraints.txt torch && $(PEERS)/bin/python $(PIP) -c constraints.txt -r bench/requirements-peers.txt -e .
	@touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
