# Two commands do everything: `make run` opens the instrument, `make test` checks it.
.PHONY: run test test-slow train-benchmarks bench fuzz lint setup clean

export OMP_NUM_THREADS = 1
export OPENBLAS_NUM_THREADS = 1
export MKL_NUM_THREADS = 1
PY = .venv/bin/python
WORKERS = 2

run:
	@sh setup.sh run
	@$(PY) main.py demo

test: lint
	QT_QPA_PLATFORM=offscreen $(PY) -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lint:
	@sh setup.sh test
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports

# Physics and training of minutes to hours.
test-slow:
	@sh setup.sh test
	QT_QPA_PLATFORM=offscreen $(PY) -m pytest -q -m slow

# Every benchmark training that is not yet done, and one table of all; can be interrupted.
train-benchmarks:
	@sh setup.sh run
	$(PY) -m benchmarks.trainings nbody --seeds 1 2 3
	$(PY) -m benchmarks.colloids
	$(PY) -m benchmarks.digits
	$(PY) -m benchmarks.species
	$(PY) -m benchmarks.soft field --seeds 1 2 3 4 5
	$(PY) -m benchmarks.soft inertia cosine forecast --seeds 1 2 3
	$(PY) -m benchmarks.symmetry --seeds 1 2 3

# Tracking beside trackpy: the tables of docs/benchmarks.md, in about three minutes.
bench:
	@sh setup.sh run
	$(PY) main.py bench tracking --docs docs/benchmarks.md

# Broken input of every kind, for MINUTES; a case that was wrong is kept in runs/fuzz and comes back by its seed.
MINUTES = 5
fuzz:
	@sh setup.sh test
	$(PY) -m benchmarks.fuzz --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
