"""The table: total, and as the protocol says."""

import itertools

import pytest

from consensus.messages import SEAT_KINDS, Kind
from consensus.phases import TABLE, Phase, Rule


def test_the_table_is_total() -> None:
    assert sorted(TABLE) == sorted(itertools.product(Phase, (Kind(kind) for kind in SEAT_KINDS)))


@pytest.mark.parametrize("kind", [Kind(kind) for kind in SEAT_KINDS])
def test_a_closed_step_answers_everything_with_its_certificate(kind: Kind) -> None:
    assert TABLE[Phase.CLOSED, kind] is Rule.CERTIFY


def test_only_commits_can_come_too_late() -> None:
    late = [pair for pair, rule in TABLE.items() if rule is Rule.IGNORE]
    assert late == [(Phase.REVEALING, Kind.COMMIT), (Phase.VOTING, Kind.COMMIT)]


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TABLE[Phase.VOTING, Kind.COMMIT] = Rule.ADMIT  # type: ignore[index]
