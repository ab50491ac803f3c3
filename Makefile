# make demo    the whole path once: record, learn, intervene, evaluate, export, run
# make test    the tests            make lint    ruff, mypy, the import arrows
# make test-all    the tests with every case of the sweeps of which `make test` runs a sample
# make test-rest   what test-all runs and test does not
# make bench   the benchmarks       make lock    write constraints.txt from what .venv holds
# make sanitize   the tests of C++ under AddressSanitizer and UndefinedBehaviorSanitizer
#
# Each target prepares .venv by itself, once for each change of pyproject.toml or constraints.txt.
#
#   PYTHON=python3.12        another interpreter (3.11 or newer)
#   TORCH_INDEX=URL          a further place to look for PyTorch. Its wheels on PyPI for Linux bring
#                            some gigabytes of CUDA; a machine without a GPU does well with
#                            TORCH_INDEX=https://download.pytorch.org/whl/cpu
#   ARGS='...'               passed on to `ilrobot demo` or to pytest

PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install --constraint constraints.txt
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all test-rest lint sanitize bench lock

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

setup: $(READY)

demo: $(READY)
	$(VENV)/bin/ilrobot demo $(ARGS)

# On every core, of many on four: each process loads PyTorch. Bytecode is kept, whatever the
# environment says: else each of some hundred processes compiles the sources anew.
PYTEST := PYTHONDONTWRITEBYTECODE= $(VENV)/bin/python -m pytest -n logical --maxprocesses 4 --dist worksteal

test: $(READY)
	$(PYTEST) $(ARGS)

test-all: $(READY)
	$(PYTEST) -m "" $(ARGS)

test-rest: $(READY)
	$(PYTEST) -m exhaustive $(ARGS)

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -q tests/test_architecture.py

# Leaks are looked for in the example, and not in Python, which leaves much to its end.
sanitize: $(READY)
	ILROBOT_SANITIZE=1 $(VENV)/bin/python -m pytest -q -m "" tests/exports/test_cpp_example*.py
	ILROBOT_SANITIZE=1 ASAN_OPTIONS=detect_leaks=0 \
	  LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libubsan.so)" \
	  $(VENV)/bin/python -m pytest -q -m "" tests/exports/test_cpp_*.py tests/exports/test_faults.py -k cpp \
	  $(ARGS)

bench: $(READY)
	$(VENV)/bin/ilrobot bench all $(ARGS)

# PyTorch alone and first, so that a build for the CPU, where one is on offer, is taken and kept.
# Without build isolation, so that the locked setuptools builds us and not the newest.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "ilrobot needs Python 3.11 or newer, and '$(PYTHON)' is not: make PYTHON=python3.12 ..."; exit 1; }
	@test -x $(VENV)/bin/python || $(PYTHON) -c 'import ensurepip, venv' || { \
	  echo "'$(PYTHON)' has no venv: sudo apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -c 'import os, shutil, sys, sysconfig as s; \
	  header = os.path.join(s.get_paths()["include"], "Python.h"); \
	  sys.exit(sys.version_info >= (3, 12) and not (shutil.which("g++") and os.path.exists(header)))' || { \
	  echo "PyBullet has no wheel for this Python and must be compiled: sudo apt-get install g++ python3-dev"; exit 1; }
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --quiet setuptools
	$(INSTALL) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) torch
	$(INSTALL) --no-build-isolation --editable '.[dev,pusht]'
	@touch $@

# A local tag such as +cpu says where a wheel came from; without it any build of the version fits.
lock: $(READY)
	{ echo "# Every version that .venv holds, written by 'make lock'. To move to newer ones: install them"; \
	  echo "# into .venv, run the tests, 'make lock'."; \
	  $(PIP) freeze --all --exclude-editable --exclude pip --exclude lerobot | sed 's/+.*//'; \
	} > constraints.txt.new
	mv constraints.txt.new constraints.txt
	@touch $(READY)
