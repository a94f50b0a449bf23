"""What every backend's `score` shares: refusing hidden states that there are not."""

from collections.abc import Sequence
from itertools import pairwise

from models.contract import STATE_LAYERS_MAX, ModelInfo, ScoreRequest
from models.errors import ModelError


def check_states(requests: Sequence[ScoreRequest], info: ModelInfo) -> None:
    """Refuse requests for hidden states that a model cannot serve.

    Args:
        requests: Those without `state_layers` always pass.
        info: What the model supports.

    Raises:
        ModelError: It gives none, the layers are not as `ScoreRequest` says, or there is no token to take a
            state of.
    """
    for request in requests:
        layers = request.state_layers
        if not layers:
            continue
        if not info.has_states:
            raise ModelError(
                f"{info.name} gives no hidden states",
                remedy="use weights on this machine (embedded, hf:OWNER/NAME or a directory), "
                "or a judge without a probe",
            )
        is_rising = all(low < high for low, high in pairwise(layers))
        if not (
            is_rising and len(layers) <= STATE_LAYERS_MAX and 1 <= layers[0] <= layers[-1] <= info.layers
        ):
            raise ModelError(
                f"got the layers {layers} of {info.name}, expected up to {STATE_LAYERS_MAX} of "
                f"1 to {info.layers}, rising",
                remedy="ask for fewer layers, or for those that the model has",
            )
        if not request.continuation:
            raise ModelError(
                "an empty continuation has no token to take a hidden state of", remedy="give it a text"
            )
