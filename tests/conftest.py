"""What all tests share: Hypothesis profiles, and directories that are not the user's own."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# Before any test loads torch: threads that spin while they wait starve the peers of other processes.
os.environ.setdefault("GOMP_SPINCOUNT", "0")

# `make test` is the same every time; `make nightly` explores, and prints what replays a failure.
settings.register_profile("test", deadline=None, derandomize=True)
settings.register_profile(
    "nightly",
    deadline=None,
    max_examples=2_000,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("nightly" if os.environ.get("PEERAGE_NIGHTLY") == "1" else "test")


@pytest.fixture(scope="session", autouse=True)
def _data_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep tests, and the processes they start, out of the user's data."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PEERAGE_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        yield
