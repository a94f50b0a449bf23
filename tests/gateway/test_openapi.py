"""The description of the interface against the interface: Schemathesis asks what it allows, and more."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CHECKS
from schemathesis.core.result import Ok

from swarm.gateway.openapi import make_openapi
from tests.gateway.kit import KEY, LIMITS, Up, open_gateway

DOCUMENT = json.loads(make_openapi(LIMITS))
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = {
    result.ok().label: result.ok() for result in SCHEMA.get_all_operations() if isinstance(result, Ok)
}
EXAMPLES = 30
# The key stands in a header of this test's own, so the check finds it still there when it thinks it away.
NOT_CHECKED = CHECKS.get_by_names(["ignored_auth"])
# That a conversation ends in a question, and that only some stop sequences can be kept, no schema says.
SAID_IN_WORDS = CHECKS.get_by_names(["positive_data_acceptance"])


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    limits = replace(LIMITS, rounds_at_once=1)
    with open_gateway(tmp_path_factory.mktemp("gateway"), limits=limits) as running:
        yield running


def test_the_description_names_every_route(up: Up) -> None:
    assert up.open_http(None).get("/openapi.json").json() == DOCUMENT
    assert len(OPERATIONS) == 11


@pytest.mark.parametrize("label", OPERATIONS)
def test_what_the_description_allows_is_answered_as_it_says(up: Up, label: str) -> None:
    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(case=OPERATIONS[label].as_strategy())
    def ask(case: schemathesis.Case) -> None:  # type: ignore[type-arg]
        case.call_and_validate(
            base_url=up.serving.url,
            headers={"authorization": f"Bearer {KEY}"},
            excluded_checks=NOT_CHECKED + (SAID_IN_WORDS if label.startswith("POST") else []),  # type: ignore[arg-type]
        )

    ask()
