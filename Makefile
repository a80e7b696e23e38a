# make demo | test | test-slow | test-properties | mutants | lab | docs | course | slides | lite | bench | bench-scale
# Each makes .venv from requirements.lock when it is missing or older than the lock, and installs ntf_lit in it.
# Another Python:  make test PYTHON=python3.12        Other data:  make demo DATA=faces

MINOR := $(shell sed -n 's/^requires-python *= *">=3\.\(.*\)"/\1/p' pyproject.toml)
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, $(MINOR)))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c '$(NEW_ENOUGH)' >/dev/null 2>&1 && { echo $$p; break; }; done)

BIN := .venv/bin
READY := .venv/.ready
DATA = sotu
# One thread per process: the notebooks are tested two at a time, and small arrays gain nothing from more.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 VECLIB_MAXIMUM_THREADS=1
WORKERS = 2

# Another environment that happens to be active is none of our business; IPython would warn about it in every kernel.
unexport VIRTUAL_ENV
# What Python has compiled once it keeps: else every process compiles all modules and tests anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-slow test-properties mutants lab docs course slides lite bench bench-scale experiments clean
.DELETE_ON_ERROR:

help:
	@sed -n '1,3s/^# //p' Makefile

.venv/.lock: requirements.lock
	@"$(PYTHON)" -c '$(NEW_ENOUGH)' 2>/dev/null || { \
		echo "ntf_lit needs Python 3.$(MINOR) or newer, but found $$("$(or $(PYTHON),python3)" --version 2>/dev/null || echo none)."; \
		echo "Install one and name it:  make $(MAKECMDGOALS) PYTHON=/path/to/python3.$(MINOR)"; exit 1; }
	@echo "== Making .venv with $$("$(PYTHON)" --version), versions from requirements.lock (a few minutes) =="
	"$(PYTHON)" -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@touch $@

$(READY): .venv/.lock pyproject.toml setup.py
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY)
	$(BIN)/python -m ntf_lit.demo $(DATA)

test: $(READY)
	@printf '\n== 1 of 3: notebooks, package and README are in step, and in form ==\n'
	$(BIN)/python tools/check_sync.py
	$(BIN)/python tools/list_tests.py --check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@printf '\n== 2 of 3: the notebooks run ==\n'
	$(ONE_THREAD) $(BIN)/nbdev-test --n-workers $(WORKERS) --timing
	@printf '\n== 3 of 3: pytest ==\n'
	$(ONE_THREAD) $(BIN)/python -m pytest tests -q -n $(WORKERS) --dist loadgroup

test-slow: $(READY)
	@printf '\n== 1 of 2: the notebooks run, slow cells too ==\n'
	$(ONE_THREAD) $(BIN)/nbdev-test --n-workers $(WORKERS) --timing --flags slow --cell-timeout 3600
	@printf '\n== 2 of 2: pytest, the slow tests ==\n'
	$(ONE_THREAD) $(BIN)/python -m pytest tests -q -n $(WORKERS) --dist loadgroup -m slow

# The properties alone; HYPOTHESIS_PROFILE=nightly draws other examples each time, and many more of them.
test-properties: $(READY)
	$(ONE_THREAD) $(BIN)/python -m pytest $$(grep -l '^from hypothesis' tests/test_*.py) -q -n $(WORKERS) --dist loadgroup

# Bugs planted one at a time in a copy: do the tests catch them? It goes on where it was stopped.
mutants: $(READY)
	$(ONE_THREAD) $(BIN)/python tests/mutants/run.py --workers $(WORKERS)

lab: $(READY)
	$(BIN)/jupyter lab nbs

docs: $(READY)
	$(BIN)/python docs/build.py

# Copies of the lessons to hand out, and a teacher's copy for nbgrader, in course_out/.
course: $(READY)
	$(BIN)/python tools/course.py

# The lessons as a site of plain files whose Python runs in the reader's browser, in course_out/lite/.
lite: course
	$(BIN)/python tools/lite.py course_out/lite_lessons
	$(PYTHON) -m venv .venv-lite
	.venv-lite/bin/python -m pip install --quiet --disable-pip-version-check jupyterlite-core==0.8.6 \
		jupyterlite-pyodide-kernel==0.8.6 jupyter-server==2.21.1
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--wheel-dir course_out/lite_wheels .
	cd course_out && ../.venv-lite/bin/jupyter lite build --contents lite_lessons --piplite-wheels lite_wheels --output-dir lite

# The lessons as talks, pages for a browser in course_out/slides/.
slides: course
	$(BIN)/jupyter nbconvert --log-level=WARN --to slides --SlidesExporter.reveal_scroll=True course_out/slides/*.ipynb

# nn-fac pins an old TensorLy, so it comes without its dependencies; the others are compared without it too.
bench: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps nn-fac==0.3.5 || \
		echo "nn-fac could not be installed: it is left out of the comparison."
	$(BIN)/python benchmarks/run.py $(if $(ONLY),--only $(ONLY)) $(if $(AGAINST),--against $(AGAINST))

# A tensor on disk: seconds a pass beside a bare read, and peak memory.  make bench-scale GIB=30 FOLDER=/big/disk
GIB = 0.25
bench-scale: $(READY)
	$(BIN)/python benchmarks/bench_scale.py --gib $(GIB) $(if $(FOLDER),--folder $(FOLDER))

# The experiments in full, slow cells too, in a copy: the notebooks themselves are not written to.
experiments: $(READY)
	rm -rf experiments_out && mkdir experiments_out && cp -R nbs pyproject.toml experiments_out/
	cd experiments_out && ../$(BIN)/nbdev-test nbs --file-re '^7' --flags slow --cell-timeout 0 --n-workers 1 --save --do-print --timing
	cd experiments_out && ../$(BIN)/nbdev-clean
	$(BIN)/jupyter nbconvert --log-level=WARN --to html --output-dir experiments_out experiments_out/nbs/7*.ipynb
	@echo "== The pages are in experiments_out/ =="

clean:
	rm -rf .venv experiments_out course_out _docs build *.egg-info
