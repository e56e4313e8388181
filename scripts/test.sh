#!/usr/bin/env bash
# Everything that has to hold, in the order in which it fails fastest: format, lints, documentation, tests, and the
# quickstart as a new user runs it. Needs Rust (rustup follows rust-toolchain.toml) and a C compiler. Tests with a real
# Kafka and schema registry need Java and Maven too, and are skipped without them; TRIBUTARY_TEST_REQUIRE (see
# crates/testkit/src/services/needs.rs) names what may not be skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cc >/dev/null; then
  echo "scripts/test.sh: there is no C compiler (cc), which the bundled SQLite needs." >&2
  echo "Install one, on Debian: apt-get install -y build-essential" >&2
  exit 69
fi
if ! command -v make >/dev/null || ! perl -MFindBin -MIPC::Cmd -e 1 2>/dev/null; then
  echo "scripts/test.sh: there is no make or no perl with its modules, which the bundled OpenSSL needs." >&2
  echo "Install them, on Debian: apt-get install -y build-essential perl" >&2
  exit 69
fi
if ! command -v cargo >/dev/null; then
  echo "scripts/test.sh: there is no cargo. Install Rust by https://rustup.rs" >&2
  exit 69
fi

step() { printf '\n== %s\n' "$*"; }

step "format"
cargo fmt --all --check
step "lints"
cargo clippy --workspace --all-targets --locked -- -D warnings
step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
step "Kafka and the schema registry"
# Here, so that no test's time has the fetching in it.
if scripts/services.sh fetch; then
  export TRIBUTARY_TEST_REQUIRE="${TRIBUTARY_TEST_REQUIRE:-services}"
elif [[ -n "${TRIBUTARY_TEST_REQUIRE:-}" ]]; then
  exit 69
else
  echo "Tests that need them will be skipped, and counted as ignored." >&2
fi
# Likewise, for the tests that read the topics with Python; without it they are skipped.
scripts/python.sh >/dev/null || true
step "tests"
# All of them, so that one run tells everything that fails.
cargo test --workspace --locked --no-fail-fast
step "quickstart"
cargo run --release --locked --quiet -- quickstart
step "all passed"
