"""The same seed gives the same result, in any process and with any hash seed."""

import pytest

from tests.cli.conftest import QUESTION
from tests.cli.console import Json, run, run_process


def ask(*more: str, seed: str = "one", hash_seed: str = "0") -> Json:
    ran = run_process(
        *("ask", QUESTION, "--model", "scripted:accuracy=0.4", "--seed", seed, "--json", *more),
        env={"PYTHONHASHSEED": hash_seed},
    )
    assert ran.code == 0, ran.err
    return ran.json


def test_two_runs_give_one_result() -> None:
    first, second = ask(hash_seed="1"), ask(hash_seed="2")
    assert first["result_digest"] == second["result_digest"]
    assert first["round"] == second["round"]
    assert first["ranking"] == second["ranking"]


@pytest.mark.slow
def test_processes_of_their_own_change_nothing() -> None:
    assert ask("--processes", "--deadline", "60")["result_digest"] == ask()["result_digest"]


@pytest.mark.parametrize("other", ["one ", "\udcff"])
def test_another_seed_gives_another_result(other: str) -> None:
    def digest(seed: str) -> object:
        options = ("--model", "scripted", "--peers", "4", "--seed", seed, "--json")
        return run("ask", QUESTION, *options).json["result_digest"]

    assert digest("one") != digest(other)
    assert digest(other) == digest(other)


def test_an_empty_seed_is_a_seed_and_none_is_not() -> None:
    def network(*seed: str) -> object:
        return run("ask", QUESTION, "--model", "scripted", "--peers", "4", "--json", *seed).json["network"]

    assert network("--seed", "") == network("--seed", "")
    assert network() != network()
