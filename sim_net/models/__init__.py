"""What the peers of a simulated network think with: statistics, recordings, or a real model."""

from sim_net.models.factory import check_settings, create_models, make_questions
from sim_net.models.recorded import MissingRecordingError, RecordedModel
from sim_net.models.statistical import StatisticalModel

__all__ = [
    "MissingRecordingError",
    "RecordedModel",
    "StatisticalModel",
    "check_settings",
    "create_models",
    "make_questions",
]
