# Burnish. `make` or `make help` tells what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
ROOTS := engine runtime optimizer serving operator cli

##@ The two commands
.PHONY: demo test
demo: setup ## All set-up, then one OptimizedModel end to end on a real cluster. KUBE_CONTEXT=… REGISTRY=host/path uses yours; FRESH=1 builds anew
	@$(BIN)/python hack/demo $(if $(KUBE_CONTEXT),--context $(KUBE_CONTEXT)) $(if $(REGISTRY),--registry $(REGISTRY)) \
	  $(if $(PROMETHEUS_URL),--prometheus-url $(PROMETHEUS_URL)) $(if $(FRESH),--fresh)

test: setup cluster-install lint test-unit test-integration test-chart test-e2e ## All set-up, then every test that CI runs
	@echo "make test: all passed"

##@ After the demo
.PHONY: demo-down
demo-down: ## Stop the embedded cluster and leave nothing behind (built things stay cached)
	@$(PYTHON) hack/cluster down

##@ Parts of the test
.PHONY: lint test-unit test-integration test-chart test-e2e
lint: setup ## Format, lint, types, import contracts, generated files
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m burnish_operator.api.crds --check .
	@$(BIN)/python -m burnish_serving.grpc.generate --check .

test-unit: setup ## Pure logic and properties: seconds, no services
	@$(PYTEST) -q tests/unit tests/property

test-integration: setup cluster-install triton-install ## Against a real API server, etcd, registry and Triton server, on loopback
	@$(PYTEST) -q tests/integration tests/scale

test-chart: setup cluster-install ## The Helm chart: rendered, linted, applied
	@$(PYTEST) -q tests/chart

test-e2e: setup cluster-install ## The demo's path and its faults, on a whole cluster with kubelets (root)
	@$(PYTEST) -q tests/e2e

##@ Long runs
.PHONY: bench-correctness bench-rewrite bench-optimize bench-serving bench-scale soak test-long fuzz simulate
bench-correctness: setup ## Every rewriting tool on all of ONNX's own models: right, wrong, invalid, crashed, nodes left (about 20 minutes)
	@$(BIN)/python hack/bench correctness

bench-rewrite: setup ## Real models and large ones: time, memory and latency, beside onnxslim and onnxsim (about 20 minutes)
	@$(BIN)/python hack/bench rewrite

bench-optimize: setup ## Real models with real labels: ours beside ONNX Runtime, onnxslim, OpenVINO and NNCF; writes docs/benchmarks.md (about an hour)
	@$(BIN)/python hack/bench optimize --write-docs

bench-serving: setup ## Our server beside KServe's, MLServer and LitServe; writes docs/benchmarks-serving.md (about 15 minutes)
	@$(BIN)/python hack/bench serving --write-docs

MODELS ?= 1000
TARGETS ?= 1
NODES ?= 200
bench-scale: setup cluster-install ## The operator with MODELS=1000 TARGETS=1 NODES=200 on a real control plane; writes docs/benchmarks-operator.md (about 10 minutes)
	@$(PYTHON) hack/cluster install --kwok
	@$(BIN)/python hack/bench scale --models $(MODELS) --targets $(TARGETS) --nodes $(NODES) --write-docs

soak: setup ## Mixed load on one server: memory flat, no error, every answer right. SECONDS=3600
	@$(BIN)/python hack/bench soak --seconds $(or $(SECONDS),3600)

test-long: setup ## Properties on new examples, every planted bug of the operator, 10,000 random graphs, all of ONNX's own models on every target, 5 GB of weights, 100,000 nodes
	@BURNISH_LONG=1 BURNISH_RANDOM_GRAPHS=10000 $(PYTEST) -q --timeout=0 --hypothesis-profile=explore tests/property tests/integration/test_onnx_backend_suite.py tests/integration/test_rewrite_large.py

FUZZ_REQUESTS ?= 100000
FUZZ_SEED ?= 1
fuzz: setup ## Mutated HTTP requests against a server: FUZZ_REQUESTS=100000 FUZZ_SEED=1 (about ten minutes)
	@BURNISH_FUZZ_REQUESTS=$(FUZZ_REQUESTS) BURNISH_FUZZ_SEED=$(FUZZ_SEED) $(PYTEST) -q --timeout=0 tests/integration/test_serving_fuzz.py

SCHEDULES ?= 100000
SEED ?= 0
simulate: setup ## The operator in a simulated cluster, random schedules: SCHEDULES=100000 SEED=0 (hours on two cores; docs/simulation.md)
	@PYTHONPATH=tests $(BIN)/python hack/simulate --schedules $(SCHEDULES) --seed $(SEED)

##@ Development
.PHONY: setup cluster-install triton-install cluster-up generate format clean help
setup: ## Python environment in .venv, pinned by constraints/
	@hack/setup

cluster-install: ## Build and install what the embedded cluster needs (cached)
	@$(PYTHON) hack/cluster install

triton-install: setup ## Install the Triton server that tests talk to (cached)
	@$(BIN)/python hack/tritonserver.py >/dev/null

cluster-up: cluster-install ## Start the embedded cluster alone
	@$(PYTHON) hack/cluster up

generate: setup ## Write the CRDs from the typed API, and gRPC's messages from their .proto files
	@$(BIN)/python -m burnish_operator.api.crds .
	@$(BIN)/python -m burnish_serving.grpc.generate .

format: setup ## Format and fix what can be fixed
	@$(BIN)/ruff check --fix-only . && $(BIN)/ruff format .

clean: demo-down ## Remove the environment and every cache that the project made
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist
	@$(PYTHON) hack/cluster clean

help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} \
	  /^[a-z0-9-]+:.*## / {printf "  \033[36m%-18s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)
