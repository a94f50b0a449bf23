"""The order of the decision, each rung and the rung above it; and what the door lets through."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

import ranking.canonical
from ranking.canonical import STOP_P_BEST_Q16, Next, Scores, decide_next

SETTLED = Scores(
    log_strengths=(9, 0),
    order=(0, 1),
    z=(0, 900),
    judges=4,
    p_best_q16=STOP_P_BEST_Q16,
    flip_estimate=2,
    is_leader_stable=True,
)


def decide(
    *,
    step: int = 1,
    steps_max: int = 3,
    revealed: int = 5,
    classes: int = 2,
    scores: Scores | None = SETTLED,
    has_more_pairs: bool = True,
) -> Next:
    return decide_next(
        step=step,
        steps_max=steps_max,
        revealed=revealed,
        quorum=5,
        classes=classes,
        scores=scores,
        has_more_pairs=has_more_pairs,
    )


def test_too_few_reveals_abort_early_and_stop_later() -> None:
    assert decide(step=0, revealed=4, classes=0) is Next.ABORT
    assert decide(step=1, revealed=4, classes=1) is Next.ABORT
    assert decide(step=2, revealed=4) is Next.STOP
    assert decide(step=3, revealed=0) is Next.STOP


def test_one_class_stops_unanimous() -> None:
    assert decide(step=0, classes=1, scores=None) is Next.STOP
    assert decide(step=1, classes=1, scores=None) is Next.STOP


def test_answers_alone_never_settle_a_round() -> None:
    assert decide(step=0) is Next.CONTINUE
    assert decide(step=0, scores=None, has_more_pairs=False) is Next.CONTINUE


def test_the_last_step_and_the_last_pair_stop() -> None:
    unsettled = replace(SETTLED, judges=0)
    assert decide(step=3, scores=None) is Next.STOP
    assert decide(step=1, steps_max=1, scores=unsettled) is Next.STOP
    assert decide(step=2, scores=unsettled, has_more_pairs=False) is Next.STOP


def test_a_settled_round_stops_and_each_doubt_continues_it() -> None:
    assert decide() is Next.STOP
    assert decide(scores=replace(SETTLED, judges=3)) is Next.CONTINUE
    assert decide(scores=replace(SETTLED, p_best_q16=STOP_P_BEST_Q16 - 1)) is Next.CONTINUE
    assert decide(scores=replace(SETTLED, is_leader_stable=False)) is Next.CONTINUE


@pytest.mark.parametrize(
    ("step", "steps_max", "classes", "scores"),
    [
        (-1, 3, 2, SETTLED),
        (2, 1, 2, SETTLED),
        (0, 0, 2, SETTLED),
        (1, 4, 2, SETTLED),
        (1, 3, 0, SETTLED),
        (1, 3, 2, None),
    ],
)
def test_bad_input_is_refused(step: int, steps_max: int, classes: int, scores: Scores | None) -> None:
    with pytest.raises(ValueError, match=r"got|without scores"):
        decide(step=step, steps_max=steps_max, classes=classes, scores=scores)


def test_all_that_is_behind_the_door_is_integers_and_the_standard_library() -> None:
    folder = Path(ranking.canonical.__file__).parent
    for name in ("canonical", "ballots", "solver", "scores", "pairs", "tables", "merge", "_hash"):
        tree = ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), name
            assert not isinstance(node, ast.Div), name
            assert not isinstance(node, ast.Set | ast.SetComp), name
            if isinstance(node, ast.ImportFrom | ast.Import):
                module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
                assert module not in ("numpy", "random", "time", "os", "unicodedata", "locale"), name
