"""The literals, recomputed with 80 digits."""

from decimal import Decimal, localcontext

from ranking.tables import EXP, LOG, ODDS, OFFSET_MAX


def test_exp_is_the_rounded_exponential() -> None:
    assert len(EXP) == 2 * OFFSET_MAX + 1 == 321
    with localcontext(prec=80):
        for place, literal in enumerate(EXP):
            exact = 2**32 * (Decimal(place - OFFSET_MAX) / 16).exp()
            assert abs(exact - literal) < Decimal("0.5")


def test_log_is_the_rounded_logarithm() -> None:
    assert len(LOG) == 257
    with localcontext(prec=80):
        for place, literal in enumerate(LOG):
            exact = 2**24 * (1 + Decimal(place) / 256).ln()
            assert abs(exact - literal) < Decimal("0.5")


def test_odds_never_rise() -> None:
    assert len(ODDS) == 33
    assert ODDS[0] == 65536
    assert list(ODDS) == sorted(ODDS, reverse=True)
