"""Which models a gateway offers, and what is said of one that it does not."""

from consensus.genesis import SEATS_MIN
from swarm.edge.asking import SwarmAsker
from swarm.gateway.errors import ApiError, ErrorKind, not_found

SWARM, FAST, HELPER = "swarm", "swarm-fast", "helper"
ABOUT_FAST = f"{SEATS_MIN} peers, drawn anew for each question, answer, and rank in 1 ballot step."
ABOUT_HELPER = "One peer answers alone: no round, no receipt. For titles, tags and the like."


def describe_models(asker: SwarmAsker) -> dict[str, str]:
    """Return the models that a swarm can be asked by, each with what it does.

    Args:
        asker: The swarm; where its peers are other people's, none of them answers alone.
    """
    seats, members = asker.options.peers, len(asker.swarm.network.keys)
    who = "All peers" if members == seats else f"{seats} of {members} peers, drawn anew for each question,"
    about = {SWARM: f"{who} answer, and rank each other's answers in up to 3 ballot steps.", FAST: ABOUT_FAST}
    return about if asker.host is None else about | {HELPER: ABOUT_HELPER}


def refuse_model(name: str) -> ApiError:
    """Return what is said of a model that is not offered; a helper's request is never made a round.

    Args:
        name: As it was asked for.
    """
    if name != HELPER:
        return not_found("model", name, code="model_not_found")
    return ApiError(
        404,
        ErrorKind.NOT_FOUND,
        "there is no model 'helper' here: it is one peer's model asked alone, and the peers of this gateway"
        " are other people's, who answer in rounds only",
        code="model_not_found",
        param="model",
        remedy="leave titles, tags and the like to a model of your own, or switch them off in your client;"
        " asked of 'swarm', each of them is a whole round",
    )
