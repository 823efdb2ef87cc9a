# Everything a newcomer needs is two commands: `make serve` and `make test`. CI calls the same targets.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
NATIVE := server/decoding/native/attention.so

.DEFAULT_GOAL := help
.PHONY: help serve page lock image-test test test-nightly peers check format proto download train release export load load-quick load-check load-baseline soak siege e2e cluster reloads soak-reloads fuzz fuzz-wire fuzz-http bench bench-quick evaluate evaluate-texts

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

# A marker file for each set of dependencies, so that pip runs only when pyproject.toml has changed.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
$(VENV)/serving: pyproject.toml deploy/locks/serve.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement deploy/locks/serve.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@
$(NATIVE): server/decoding/native/build.sh server/decoding/native/attention.cpp $(wildcard server/decoding/native/*.h)
	sh $<
$(VENV)/everything: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[serve,gateway,train,loadtest,bench,dev]'
	touch $@ $(VENV)/serving $(VENV)/gateway $(VENV)/loadtest
$(VENV)/peers: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[serve,gateway,train,loadtest,bench,dev,peers]'
	touch $@ $(VENV)/everything $(VENV)/serving $(VENV)/gateway $(VENV)/loadtest
$(VENV)/gateway: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[serve,gateway]'
	touch $@ $(VENV)/serving
$(VENV)/loadtest: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[serve,loadtest]'
	touch $@ $(VENV)/serving

serve: $(VENV)/serving $(NATIVE) ## install what serving needs, and serve the shipped models
	$(BIN)/python -m server $(ARGS)

page: $(VENV)/gateway $(NATIVE) ## the shipped models in a browser, and over HTTP: a server, and the gateway before it
	$(BIN)/python -m gateway.together $(ARGS)

test: $(VENV)/everything $(NATIVE) ## install everything, and run the tests
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(ARGS)

test-nightly: $(VENV)/everything $(NATIVE) ## those tests that take long, or a heavy peer, and more examples of what is tested by examples
	$(BIN)/python -m pytest -m 'nightly or hypothesis' --hypothesis-profile thorough $(ARGS)

image-test: $(VENV)/everything ## build the images without Docker, run and inspect them, as root on Debian
	$(BIN)/python -m deploy.image_test

peers: $(VENV)/peers $(NATIVE) ## compare imported checkpoints with the toolkits that they come from
	$(BIN)/python -m tests.peers $(ARGS)

# The contract stays what clients of the last release were generated from; before the first there is none to keep.
check: LAST_TAG = $(shell git describe --tags --abbrev=0 2>/dev/null)
check: $(VENV)/everything ## lint, types, import rules, the contract, container files, and whether the generated stubs are current
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(if $(LAST_TAG),$(BIN)/buf breaking --against "$$(git rev-parse --git-common-dir)#tag=$(LAST_TAG)",@echo 'no tag, whose contract this one would have to keep')
	$(BIN)/python -m deploy.check
	$(MAKE) --no-print-directory proto
	git diff --exit-code seq2serve/pb server/serving/protocols/pb

format: $(VENV)/everything ## put all code into the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

proto: $(VENV)/everything ## write seq2serve/pb, and the stubs of other protocols, from proto/
	$(call write_stubs,seq2serve/pb,proto/translation/v1,translation)
	$(call write_stubs,seq2serve/pb,proto/model_admin/v1,model_admin)
	$(call write_stubs,seq2serve/pb,proto/operations/v1,operations)
	$(call write_stubs,server/serving/protocols/pb,proto/inference,inference)
	$(call write_stubs,server/serving/protocols/pb,proto/google/cloud/translation/v3,translation_service)
write_stubs = $(BIN)/python -m grpc_tools.protoc -I$(1)=$(2) --python_out=. --pyi_out=. --grpc_python_out=. $(2)/$(3).proto

lock: $(VENV)/everything ## write the versions and hashes of what the images install; of newer ones with ARGS=--upgrade
	$(call write_lock,serve)
	$(call write_lock,gateway)
	$(call write_lock,loadtest)
write_lock = $(BIN)/uv pip compile pyproject.toml --extra $(1) --output-file deploy/locks/$(1).txt --quiet --universal \
	--python-version 3.11 --only-binary :all: --generate-hashes --no-annotate --custom-compile-command 'make lock' $(ARGS)

# Everything, as the Transformer without its cache is exported for it.
load: $(VENV)/everything $(NATIVE) ## search for the rate at which each architecture breaks, in an hour; a run that was stopped goes on
	$(BIN)/python -m loadtest $(ARGS)

load-quick: $(VENV)/everything $(NATIVE) ## the same, shorter and once, in five minutes
	$(BIN)/python -m loadtest --quick --output build/load-quick $(ARGS)

soak: $(VENV)/loadtest $(NATIVE) ## all models at once at 70 % of what they hold, for ten minutes: nothing lost, memory stays
	$(BIN)/python -m loadtest --soak 10 $(ARGS)

load-check: $(VENV)/loadtest $(NATIVE) ## has a model become slower against the others than in loadtest/baseline.json? (in two minutes)
	$(BIN)/python -m loadtest.gate $(ARGS)

load-baseline: $(VENV)/loadtest $(NATIVE) ## store what load-check compares with, on a quiet machine
	$(BIN)/python -m loadtest.gate --store --starts 12 $(ARGS)

siege: $(VENV)/loadtest $(NATIVE) ## attack a server in every known way beside an honest client, in two minutes
	$(BIN)/python -m loadtest.siege $(ARGS)

e2e: $(VENV)/everything $(NATIVE) ## every kind of client at once while models, keys, certificates and engines change, in three minutes
	$(BIN)/python -m tests.together $(ARGS)

cluster: $(VENV)/everything $(NATIVE) ## kill, hang, cut off, slow, add and replace servers under load, with Envoy and without, and count what is lost
	$(BIN)/python -m tests.cluster $(ARGS)

reloads: $(VENV)/everything $(NATIVE) ## reload a model a hundred times under load: no answer lost, none of two versions
	$(BIN)/python -m tests.reloads $(ARGS)

soak-reloads: $(VENV)/everything $(NATIVE) ## ten minutes of reloads beside callers that are busy for 70 % of the time: nothing lost, memory stays
	$(BIN)/python -m tests.reloads --minutes 10 --busy 0.7 $(ARGS)

fuzz: $(VENV)/everything $(NATIVE) ## translate 20,000 texts that nobody has thought of, and check all answers, in ten minutes
	$(BIN)/python -m tests.fuzz $(ARGS)

fuzz-wire: $(VENV)/everything $(NATIVE) ## a million requests of any bytes to every method, and any HTTP/2 frames: no crash, hang or leak, in an hour
	$(BIN)/python -m tests.fuzz.wire $(ARGS)
	$(BIN)/python -m tests.fuzz.frames

fuzz-http: $(VENV)/everything $(NATIVE) ## a hundred thousand connections to the gateway that send whatever HTTP allows, and more
	$(BIN)/python -m tests.fuzz.over_http $(ARGS)

bench: $(VENV)/everything $(NATIVE) ## compare with CTranslate2 and PyTorch, offline and under load: build/bench.html
	$(BIN)/python -m bench $(ARGS)

bench-quick: $(VENV)/everything $(NATIVE) ## a part of the benchmark, in five minutes
	$(BIN)/python -m bench --quick $(ARGS)

# A model has one name: models/configs/<name>.toml, runs/<name>, checkpoints/<name>, model_repository/<name>/1. Each of
# these four commands takes all whose files are there, or those of MODELS='name ...'.
CONFIGURED := $(patsubst models/configs/%.toml,%,$(wildcard models/configs/*.toml))
release: MODELS = $(CONFIGURED)
export: MODELS = $(patsubst checkpoints/%/config.toml,%,$(wildcard checkpoints/*/config.toml))
evaluate: MODELS = $(notdir $(wildcard model_repository/*))

download: $(VENV)/everything ## fetch the corpora into data/
	$(BIN)/python -m models.download $(ARGS)

train: $(patsubst %,runs/%/model.safetensors,$(or $(MODELS),$(CONFIGURED))) ## train every model that has a config (hours on a CPU), and its teacher before it

# A finished training. What was interrupted goes on when it is made again; nothing is made again because its teacher or
# the tokenizer were.
.PRECIOUS: runs/%/model.safetensors
runs/%/model.safetensors: models/configs/%.toml | $(VENV)/everything models/configs/tokenizer.model
	$(BIN)/python -m models.train $<

models/configs/tokenizer.model: | $(VENV)/everything
	$(BIN)/python -m models.tokenizer models/configs/transformer-en-fr.toml $@

# What the Transformer of a direction makes of the training text, for the students of that direction.
runs/distilled-%.tsv.gz: | runs/transformer-%/model.safetensors
	$(BIN)/python -m models.distil models/configs/transformer-$*.toml runs/transformer-$* $@

needs_teacher = runs/$(1)/model.safetensors: | $(shell sed -n 's/^distilled = "\(.*\)"$$/\1/p' models/configs/$(1).toml)
$(foreach name,$(CONFIGURED),$(eval $(call needs_teacher,$(name))))

release: $(VENV)/everything ## make the shipped checkpoints of the finished trainings
	$(foreach name,$(MODELS),$(BIN)/python -m models.release runs/$(name) checkpoints/$(name) &&) true

export: $(VENV)/everything ## make the shipped bundles from the shipped checkpoints
	$(foreach name,$(MODELS),$(BIN)/python -m export checkpoints/$(name) model_repository/$(name)/1 --replace &&) true

evaluate: $(VENV)/everything ## score every model on every test set of its direction, as a running server translates
	$(call evaluate_direction,en-fr,$(filter-out %-fr-en,$(MODELS)))
	$(call evaluate_direction,fr-en,$(filter %-fr-en,$(MODELS)))
evaluate_direction = $(if $(2),$(BIN)/python -m models.evaluate --direction $(1) --output build/quality-$(1).json \
	$(foreach name,$(2),$(name)="$(BIN)/python -m seq2serve --model $(name) $(DECODING)"))

evaluate-texts: $(VENV)/everything ## measure what a running server makes of whole texts, HTML, emoji, capitals
	$(BIN)/python -m evaluation $(ARGS)
