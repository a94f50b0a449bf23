"""The robustness benchmark's simulator, attacks, counting and tables, on few seeded swarms."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.robustness.__main__ import main
from benchmarks.robustness.attacks import ATTACKS, KNOWING, SIGNAL, TACTICAL, Attack
from benchmarks.robustness.beyond import WINDOWS, TrialResult, list_trials
from benchmarks.robustness.confidence import compute_ece, measure_confidence
from benchmarks.robustness.dealt import Dealt, list_dealt_cells, play_dealt
from benchmarks.robustness.goals import judge_goal, list_shortfalls, pool, subtract
from benchmarks.robustness.methods import CanonicalPlayer, create_methods, list_methods
from benchmarks.robustness.play import Cell, Share, is_gold_round, play_cell
from benchmarks.robustness.reproduce import reproduce
from benchmarks.robustness.settings import CALLS, DESIGNS, STUDY, Design, Settings
from benchmarks.robustness.standard import CellResult, list_cells
from benchmarks.robustness.swarm import PARTLY, PUSHED, RIGHT, Batch, Indices, Swarms, show_round
from benchmarks.robustness.tables import print_dealt, print_trials
from ranking.standing import CanonicalRanker

HONEST = Attack()


def create_swarms(
    attack: Attack = HONEST, *, size: int = 15, attackers: int = 0, design: Design = "merged",
    count: int = 20, seed: int = 5, settings: Settings | None = None,
) -> Swarms:  # fmt: skip
    return Swarms(
        settings or Settings(), size=size, attackers=attackers, attack=attack, design=design, count=count,
        seed=seed,
    )  # fmt: skip


def create_cell(attack: Attack, *, attackers: int = 3, count: int = 2) -> Cell:
    return Cell(
        size=7, attackers=attackers, attack_name="test", attack=attack, design="merged", regime="none",
        count=count, seed=3, settings=Settings(), rounds=140, scored_after=100,
    )  # fmt: skip


def get_contents(batch: Batch) -> tuple[Indices, Indices]:
    """Return contents shown left and right, (S, N, m)."""
    swarm = np.arange(len(batch.answers.items))[:, None, None]
    return batch.answers.items[swarm, batch.ballots.left], batch.answers.items[swarm, batch.ballots.right]


def get_pushers(swarms: Swarms) -> list[set[int]]:
    """Play a round; return each swarm's attackers that answer what is pushed."""
    pushing = (swarms.play().answers.content == PUSHED) & swarms.is_attacker
    return [set(np.flatnonzero(row).tolist()) for row in pushing]


# -- the simulator ----------------------------------------------------------------------------------------


def test_honest_answers_are_right_as_often_as_the_settings_say() -> None:
    swarms = create_swarms(count=100)
    share = np.mean([(swarms.play().answers.content == RIGHT).mean() for _ in range(30)])
    assert share == pytest.approx(0.49, abs=0.03)


def test_honest_judges_are_right_three_times_in_four_and_lean_to_the_left() -> None:
    plain = Settings(own_preference=0.0, position_bias=0.0, class_error_sd=0.0)
    for settings, lean in ((plain, 0.5), (replace(plain, position_bias=0.8), 0.66)):
        swarms = create_swarms(count=100, settings=settings)
        right = left = total = 0
        for _ in range(5):
            batch = swarms.play()
            first, second = get_contents(batch)
            mixed = batch.ballots.valid & ((first == RIGHT) != (second == RIGHT))
            wins = batch.ballots.left_wins
            right += int((mixed & (wins == (first == RIGHT))).sum())
            left += int((mixed & wins).sum())
            total += int(mixed.sum())
        if lean == 0.5:
            assert right / total == pytest.approx(0.75, abs=0.02)
        assert left / total == pytest.approx(lean, abs=0.03)


@pytest.mark.parametrize("design", DESIGNS)
def test_nobody_judges_what_it_alone_answered_nor_a_pair_too_often(design: Design) -> None:
    swarms = create_swarms(size=7, design=design)
    for _ in range(10):
        batch = swarms.play()
        for swarm in range(5):
            round_ = show_round(batch, swarm, b"seed").judged.round_
            shown: dict[tuple[int, int, int], list[int]] = {}
            for verdict in round_.verdicts:
                assert (verdict.judge,) not in (round_.authors[verdict.left], round_.authors[verdict.right])
                low, high = sorted((verdict.left, verdict.right))
                shown.setdefault((verdict.judge, low, high), []).append(verdict.left)
            for lefts in shown.values():
                assert len(lefts) <= (2 if design == "merged" else 1)
                assert len(set(lefts)) == len(lefts)
            assert max(sum(v.judge == peer for v in round_.verdicts) for peer in range(7)) <= CALLS[7]


def test_unmerged_items_are_peers_and_merged_ones_are_contents() -> None:
    for design in DESIGNS:
        batch = create_swarms(size=7, design=design).play()
        shown = show_round(batch, 0, b"seed")
        contents = batch.answers.content[0].tolist()
        distinct = len(set(contents))
        assert len(shown.judged.round_.authors) == (distinct if design == "merged" else 7)
        assert len(shown.crowd.round_.authors) == distinct
        for view in (shown.judged, shown.crowd):
            for index, peers in enumerate(view.round_.authors):
                assert {contents[peer] == RIGHT for peer in peers} == {index in view.correct}


def test_seed_draws_the_same_swarms_under_every_attack_and_other_seeds_others() -> None:
    first, again = create_swarms(attackers=4), create_swarms(attackers=4)
    hostile, other = create_swarms(ATTACKS["collude"], attackers=4), create_swarms(attackers=4, seed=6)
    assert np.array_equal(first.slope, hostile.slope)
    assert not np.array_equal(first.slope, other.slope)
    mine, same, theirs = first.play(), again.play(), hostile.play()
    assert np.array_equal(mine.ballots.left_wins, same.ballots.left_wins)
    honest = ~first.is_attacker
    assert np.array_equal(mine.answers.content[honest], theirs.answers.content[honest])
    assert not np.array_equal(mine.answers.content, theirs.answers.content)


def test_partly_right_answers_are_never_right_and_absent_unless_asked_for() -> None:
    assert not any((create_swarms().play().answers.content == PARTLY).any() for _ in range(3))
    settings = Settings(partly_right_share=0.5)
    batch = create_swarms(settings=settings).play()
    assert (batch.answers.content == PARTLY).mean() > 0.1
    for swarm in range(20):
        view = show_round(batch, swarm, b"seed").judged
        named = {peer for index in view.correct for peer in view.round_.authors[index]}
        assert named == set(np.flatnonzero(batch.answers.content[swarm] == RIGHT).tolist())


def test_more_attackers_than_peers_are_refused() -> None:
    with pytest.raises(ValueError, match="at most the 7 peers"):
        create_swarms(size=7, attackers=8)


# -- attacks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["collude", "tactical", "copycat", "shill", "rotating"])
def test_pushed_items_win_every_attackers_verdict(name: str) -> None:
    swarms = create_swarms(ATTACKS[name], attackers=5)
    for _ in range(3):
        batch = swarms.play()
        swarm = np.arange(20)[:, None, None]
        for_left = batch.answers.pushed[swarm, batch.ballots.left]
        for_right = batch.answers.pushed[swarm, batch.ballots.right]
        hostile = batch.ballots.valid & swarms.is_attacker[:, :, None]
        assert batch.ballots.left_wins[hostile & for_left & ~for_right].all()
        assert not batch.ballots.left_wins[hostile & for_right & ~for_left].any()
        assert (hostile & (for_left != for_right)).any()


def test_all_colluders_push_but_only_a_fifth_of_shills_the_same_or_others() -> None:
    assert all(len(pushers) == 5 for pushers in get_pushers(create_swarms(ATTACKS["collude"], attackers=5)))
    for name, always in (("shill", 1), ("rotating", 0)):
        shills = create_swarms(ATTACKS[name], attackers=5)
        # Others of them answer the same by mistake, each in some rounds only.
        rounds = [get_pushers(shills)[0] for _ in range(60)]
        assert all(rounds)
        assert len(set.intersection(*rounds)) == always


def test_attackers_behave_in_a_truce_and_before_they_wake() -> None:
    for attack in (TACTICAL, replace(TACTICAL, wakes_after=2)):
        swarms = create_swarms(attack, attackers=5)
        truces = [attack.wakes_after == 0, False, attack.wakes_after == 0, False]
        active = [bool(swarms.play(is_truce=truce).answers.active.any()) for truce in truces]
        assert active == (
            [False, True, False, True] if attack.wakes_after == 0 else [False, False, True, True]
        )


def test_watchers_attack_only_while_their_weight_is_high() -> None:
    swarms = create_swarms(KNOWING["weight-watching"], attackers=5)
    weights = np.ones(swarms.is_attacker.shape)
    assert swarms.play(weights=weights).answers.active.any()
    weights[swarms.is_attacker] = 0.4
    assert not swarms.play(weights=weights).answers.active.any()


def test_halves_take_turns_and_sporadic_attackers_rest() -> None:
    halves = create_swarms(KNOWING["camp-splitting"], attackers=6)
    first, second = halves.play().answers.active, halves.play().answers.active
    assert (first.sum(axis=1) == 3).all()
    assert not (first & second).any()
    assert np.array_equal(first | second, halves.is_attacker)
    sporadic = create_swarms(KNOWING["sporadic 1/4"], attackers=5)
    share = np.mean([sporadic.play().answers.active.any(axis=1).mean() for _ in range(40)])
    assert share == pytest.approx(0.25, abs=0.05)


def test_a_coalition_on_a_signal_agrees_with_the_signal_only() -> None:
    swarms = create_swarms(SIGNAL, attackers=6)
    batch = swarms.play()
    swarm = np.arange(20)[:, None, None]
    louder = (
        batch.answers.signal[swarm, batch.ballots.left] > batch.answers.signal[swarm, batch.ballots.right]
    )
    agreed = louder == batch.ballots.left_wins
    assert agreed[batch.ballots.valid & swarms.is_attacker[:, :, None]].all()
    assert agreed[batch.ballots.valid & ~swarms.is_attacker[:, :, None]].mean() < 0.6


# -- playing ------------------------------------------------------------------------------------------------


def test_study_is_reproduced_within_wide_bounds() -> None:
    rows = {
        row.row.attackers: row
        for row in reproduce((7,), swarms=6, seed=11, settings=Settings(), progress=lambda _: None)
    }
    assert set(rows) == {row.attackers for row in STUDY if row.size == 7}
    for row in rows.values():
        for column in ("majority", "plain", "oracle"):
            assert abs(row.get_gap(column)) < 0.08, (row.row, column)
    assert rows[3].get_worst("majority").mean < 0.3
    assert rows[3].get_worst("plain").mean < 0.35
    assert rows[3].get_worst("oracle").mean > 0.62


@pytest.mark.parametrize("attack", ["tactical", "rotating"])
def test_ours_withstands_what_breaks_plain_bradley_terry(attack: str) -> None:
    played = play_cell(create_cell(ATTACKS[attack]), create_methods(("canonical", "plain-bt")))
    shares = {name: outcomes.compute_share().mean for name, outcomes in played.outcomes.items()}
    assert shares["plain-bt"] < 0.7
    assert shares["canonical"] > shares["plain-bt"] + 0.1
    assert shares["canonical"] > shares["oracle"] - 0.12
    assert shares["oracle"] > 0.7


def test_scored_rounds_are_late_have_a_right_answer_and_are_not_gold() -> None:
    played = play_cell(create_cell(TACTICAL), create_methods(("majority",)))
    counted = played.outcomes["majority"].counted
    rows = np.flatnonzero(counted.any(axis=1)) + 1
    assert rows.min() > 100
    assert not any(is_gold_round(int(row)) for row in rows)
    share = played.outcomes["majority"].compute_share()
    assert sum(share.counts) == counted.sum()
    assert played.outcomes["majority"].compute_share(first=1, last=100).counts == (0, 0)


def test_winners_found_without_refits_are_the_rankers() -> None:
    swarms = create_swarms(TACTICAL, size=7, attackers=3, count=1)
    player, ranker = CanonicalPlayer(), CanonicalRanker()
    for number in range(25):
        view = show_round(swarms.play(), 0, b"%d" % number).judged
        if len(view.round_.authors) > 1:
            assert player.choose(view.round_) == ranker.rank(view.round_).order[0]
            player.learn(view.round_, None)
            ranker.learn(view.round_, None)
    assert player.reputation == ranker.reputation
    weights = player.get_weights(range(7))
    assert weights == [ranker.rank(view.round_).weights[peer] for peer in range(7)]


def test_share_and_its_error() -> None:
    share = Share((8, 6, 10), (10, 10, 20))
    assert share.mean == 0.6
    assert share.error == pytest.approx(math.sqrt((2.0**2 + 0.0**2 + 2.0**2) * 3 / 2) / 40)
    assert math.isnan(Share((5,), (10,)).error)
    assert math.isnan(Share((), ()).mean)


def test_goals_are_met_missed_narrowly_or_missed() -> None:
    share = Share((8, 6, 10), (10, 10, 20))
    assert judge_goal(share, 0.6) == "+"
    assert judge_goal(share, 0.7) == "~"
    assert judge_goal(share, 0.9) == "-"
    assert judge_goal(Share((5,), (10,)), 0.6) == "-"


def test_shortfalls_are_found_against_goal_and_against_methods_on_the_same_rounds() -> None:
    cells = [
        cell
        for cell in list_cells((7,), counts={7: 2}, seed=1, settings=Settings(), designs=("merged",))
        if cell.regime == "none"
    ]
    good, poor, plain = Share((45, 46), (50, 50)), Share((10, 12), (50, 50)), Share((30, 31), (50, 50))
    results = [
        CellResult(
            cell,
            {
                "canonical": poor if (cell.attackers, cell.attack_name) == (3, "rotating") else good,
                "plain-bt": plain,
                "oracle": good,
            },
        )
        for cell in cells
    ]
    found = list_shortfalls(pool(results), (7,), "canonical")
    assert {(one.attack, one.bound) for one in found} == {
        ("rotating", "the goal"),
        ("rotating", "FULL"),
        ("rotating", "plain BT"),
    }
    against_plain = next(one for one in found if one.bound == "plain BT")
    assert against_plain.below == pytest.approx(0.39)
    doubled = pool([*results, *results])
    assert doubled[7, 0, "merged", "none"]["none"]["oracle"] == Share((45, 46, 45, 46), (50, 50, 50, 50))
    assert (
        list_shortfalls(pool([CellResult(r.cell, {"oracle": good}) for r in results]), (7,), "oracle") == []
    )
    with pytest.raises(ValueError, match="same rounds"):
        subtract(good, Share((45, 46), (50, 51)))


def test_calibration_error_of_good_and_of_boastful_claims() -> None:
    good = [(0.75, number % 4 != 0) for number in range(400)]
    assert compute_ece(good) == pytest.approx(0.0, abs=1e-12)
    boastful = [(0.99, right) for _, right in good]
    assert compute_ece(boastful) == pytest.approx(0.24)
    assert math.isnan(compute_ece([]))


def test_honest_judges_are_seldom_accused_and_p_best_is_no_fantasy() -> None:
    found = measure_confidence(create_cell(HONEST, attackers=0, count=1))
    assert found.ece < 0.15
    assert found.light < 0.15
    assert found.accused_pairs < 100
    assert found.linked_pairs == 0.0
    assert found.honest_judge_rounds > 700


def test_p_best_is_not_judged_where_right_answers_share_it() -> None:
    cell = replace(create_cell(HONEST, attackers=0, count=2), design="unmerged", rounds=24)
    found = measure_confidence(cell)
    assert math.isnan(found.ece)
    assert found.honest_judge_rounds == 2 * 7 * 4


def test_main_table_has_every_attack_at_every_level() -> None:
    cells = list(list_cells((15,), counts={15: 2}, seed=1, settings=Settings()))
    merged = [cell for cell in cells if cell.design == "merged" and cell.regime == "none"]
    assert len(merged) == 1 + 3 * 7
    assert len(cells) == 2 * (1 + 3 * 7 + 2 * 2 * 7)


def test_rounds_that_the_product_deals_are_played_and_scored() -> None:
    honest, *_ = list_dealt_cells(count=2, seed=1, settings=Settings())
    played = play_dealt(replace(honest, rounds=20, scored_after=4))
    assert sum(played.ours.counts) > 20
    assert played.ours.counts == played.oracle.counts
    assert played.ours.mean > 0.7
    inverted = replace(honest, rounds=20, scored_after=4, attackers=15, attack=ATTACKS["invert"])
    assert play_dealt(inverted).ours.mean < 0.5


# -- the command --------------------------------------------------------------------------------------------


def test_command_prints_narrow_tables_and_writes_all_cells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "report.json"
    main(["--quick", "--part", "main", "--swarms", "1", "--methods", "plain-bt", "--json", str(target)])
    lines = capsys.readouterr().out.splitlines()
    assert any("plain" in line for line in lines)
    assert max(map(len, lines)) <= 110
    report = json.loads(target.read_text())
    assert len(report["main"]) == 22
    assert report["parameters"]["judge_accuracy"] == 0.75
    first = report["main"][0]["methods"]
    assert set(first) == {"plain-bt", "oracle"}
    assert sum(first["oracle"]["counts"]) > 50


def test_tables_beyond_the_study_fit_the_page_and_mark_missed_goals(
    capsys: pytest.CaptureFixture[str],
) -> None:
    share = Share((41, 44), (60, 61))
    names = ("float", "majority", "plain-bt", "ema")
    results = []
    for trial in list_trials(count=2, seed=1, settings=Settings()):
        windows = [name for name, _, _ in WINDOWS] if trial.table == "sleepers" else ["all"]
        results.append(TrialResult(trial, {w: dict.fromkeys((*names, "oracle"), share) for w in windows}))
    print_trials(results, names)
    print_dealt(
        [Dealt(cell, share, share) for cell in list_dealt_cells(count=2, seed=1, settings=Settings())]
    )
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 110
    signals = [line for line in lines if line.startswith("signal")]
    assert len(signals) == 4
    assert all(".70±.02- " in line for line in signals)


@pytest.mark.parametrize("arguments", [["--methods", "astrology"], ["--n", "8"], ["--part", "nothing"]])
def test_command_refuses_what_it_does_not_know(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert arguments[1] in capsys.readouterr().err


def test_every_method_can_be_made() -> None:
    assert [method.name for method in create_methods(list_methods())] == list(list_methods())
    with pytest.raises(ValueError, match="astrology"):
        create_methods(("astrology",))
