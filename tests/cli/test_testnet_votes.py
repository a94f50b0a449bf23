"""`peerage testnet votes`: what is found is shown, and told to the shell."""

import pytest

from sim_net.votes import VotingRule
from swarm.cli.exits import Exit
from swarm.cli.testnet_votes import RULES
from tests.cli.console import run


def test_every_rule_can_be_left_out() -> None:
    assert [rule.value for rule in VotingRule] == list(RULES)


def test_with_all_rules_nothing_is_found() -> None:
    ran = run("testnet", "votes", "--json")
    assert ran.code == Exit.OK
    assert ran.json["fork"] is ran.json["slashable"] is None
    assert ran.json["states"] == 468


@pytest.mark.parametrize("arguments", [("--bad", "2"), ("--without", "lock")])
def test_a_fork_is_printed_as_a_schedule(arguments: tuple[str, ...]) -> None:
    ran = run("testnet", "votes", *arguments)
    assert ran.code == Exit.SAFETY
    assert ran.out.count("certificate of view") >= 2


def test_bounds_that_cannot_be_searched_are_refused() -> None:
    assert run("testnet", "votes", "--bad", "3").code == Exit.USAGE
    ran = run("testnet", "votes", "--views", "4", "--without", "current-view")
    assert ran.code == Exit.CONFIG
    assert "Traceback" not in ran.err
