#!/usr/bin/env bash
# Everything that has to hold, in the order in which it fails fastest: format, lints, documentation, tests, and the
# quickstart as a new user runs it. Needs Rust (rustup follows rust-toolchain.toml) and a C compiler.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cc >/dev/null; then
  echo "scripts/test.sh: there is no C compiler (cc), which the bundled SQLite needs." >&2
  echo "Install one, on Debian: apt-get install -y build-essential" >&2
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
step "tests"
cargo test --workspace --locked
step "quickstart"
cargo run --release --locked --quiet -- quickstart
step "all passed"
