"""A browser that is missing is a failure where it is demanded, and a skip that says so elsewhere."""

import sys
from pathlib import Path

import pytest

from tests.browser.chromium import MISSING, REQUIRED_BY, check_installed

NOWHERE = Path("/nowhere/chromium")


def test_a_browser_that_is_there_is_used() -> None:
    check_installed(Path(sys.executable), {"CI": "1"})


@pytest.mark.parametrize("name", REQUIRED_BY)
def test_a_missing_browser_fails_where_it_is_demanded(name: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=MISSING):
        check_installed(NOWHERE, {name: "1"})


@pytest.mark.parametrize("environment", [{}, {"CI": ""}])
def test_a_missing_browser_skips_elsewhere_and_says_how_to_get_it(environment: dict[str, str]) -> None:
    with pytest.raises(pytest.skip.Exception, match="make test-deps"):
        check_installed(NOWHERE, environment)


def test_ci_demands_it() -> None:
    script = (Path(__file__).parents[2] / ".ci" / "run").read_text("utf-8")
    assert "make test-deps" in script
    assert "export PEERAGE_REQUIRE_BROWSER=1" in script
