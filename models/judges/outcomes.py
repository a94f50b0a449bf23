"""From log-odds to what a ballot carries: Q16 between its clamps, missing where there is nothing to say."""

import math

OUTCOME_ONE_Q16 = 65_536
# protocol.md, "Reveal": nobody may send certainties (0.05 and 0.95).
OUTCOME_MIN_Q16 = 3_277
OUTCOME_MAX_Q16 = 62_259
# Beyond this many nats exp() only costs digits: both ends are clamped long before.
DIFFERENCE_NATS_MAX = 60.0


def compute_outcome_q16(log_odds: float) -> int:
    """Turn log-odds that the left one is better into an outcome.

    Args:
        log_odds: Nats; infinite where a backend was certain, never NaN.

    Returns:
        Q16, the sigmoid rounded half to even and clamped to OUTCOME_MIN_Q16..OUTCOME_MAX_Q16; 32768 at 0.
        Those of `log_odds` and `-log_odds` sum to 65536, because exp(0) is rounded from one side only.
    """
    if log_odds < 0:
        return OUTCOME_ONE_Q16 - compute_outcome_q16(-log_odds)
    outcome = round(OUTCOME_ONE_Q16 / (1.0 + math.exp(-min(log_odds, DIFFERENCE_NATS_MAX))))
    return min(outcome, OUTCOME_MAX_Q16)
