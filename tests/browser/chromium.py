"""Where the browser is, and what happens where it is not."""

from collections.abc import Mapping
from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")
REQUIRED_BY = ("CI", "PEERAGE_REQUIRE_BROWSER")
MISSING = "not installed; install it with: make test-deps"


def check_installed(path: Path, environment: Mapping[str, str]) -> None:
    """Skip the test that asks where there is no browser; fail it where a browser is demanded."""
    if path.exists():
        return
    if any(environment.get(name) for name in REQUIRED_BY):
        pytest.fail(f"{path}: {MISSING}")
    pytest.skip(f"{path}: {MISSING}")
