# Shortcuts for work on hinas; `just` lists them. Get it with `pip install rust-just`.

_default:
    @just --list

# The tests that take no more than a few seconds each.
fast:
    pytest -m "not slow"

# All tests, as CI runs them.
all:
    pytest

# Style and types of the package, its tools and its tests.
types:
    ruff check .
    ruff format --check .
    pyright

# Let ruff mend the style.
style:
    ruff check --fix .
    ruff format .

# Everything that CI does, in fresh environments.
ci:
    .ci/run
