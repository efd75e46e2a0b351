# One name for each chore. `./test` does the same without just.

# everything that CI checks
test:
    ./test

# what needs nothing but cargo
test-quick:
    cargo test --workspace

# what takes long
test-long:
    ./test --long

# format, lints, documents
check:
    cargo fmt --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items

# generated files
gen:
    cargo xtask gen

# ours divided by the floor, in one run
bench:
    cargo xtask bench

# take the new output of snapshot tests as right
bless:
    cargo insta accept
