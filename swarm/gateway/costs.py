"""What answers cost, as far as it is known here: counted for peers of this process, estimated for others."""

from swarm.edge.asking import Asked
from swarm.edge.metering import MeteredCalls
from swarm.edge.report import RoundReport
from swarm.edge.wishes import Prepared
from swarm.gateway.answers import make_usage
from swarm.gateway.replies import Usage


def count_tokens(
    meter: MeteredCalls | None, prepared: Prepared, report: RoundReport | None, *, tokens_max: int
) -> int:
    """Return how many tokens are booked for the answers of a round.

    Where this process made them, that is what they cost; where none is certified, what was generated at most.
    What other people's peers made is not known here, but for what each says of itself: then it is the most
    that was asked for, whatever became of it.

    Args:
        meter: Stands before the peers' model; None where other processes have it.
        prepared: The round's question.
        report: The round's end; None where none is certified.
        tokens_max: The most tokens that its answers may have, all together.
    """
    if meter is None:
        return tokens_max
    return meter.get_answer_tokens_max(prepared.first_seed) if report is None else report.answer_tokens


def count_usage(meter: MeteredCalls | None, asked: Asked, report: RoundReport) -> Usage | None:
    """Return what a round has read and written; None where nobody here has counted it.

    Args:
        meter: As above.
        asked: The question's end.
        report: Its certified result.
    """
    if meter is None:
        return None
    return make_usage(prompt_tokens=asked.prompt_tokens or 0, completion_tokens=report.answer_tokens)
