"""The names of what a run is measured by, for expectations and reports; the values are computed from rows."""

from collections.abc import Mapping
from types import MappingProxyType

METRICS: Mapping[str, str] = MappingProxyType(
    {
        "rounds": "Questions asked.",
        "finished": "Share of rounds that ended with a receipt, 0 to 1.",
        "full": "Share of rounds whose receipt is full.",
        "partial": "Share of rounds whose receipt is partial.",
        "failed": "Share of rounds whose receipt says that there is no answer.",
        "golds": "Gold questions among them; they count in no share of right answers below.",
        "accuracy": "Share of rounds won by a right answer, among those where a certified answer was right.",
        "accuracy_late": "The same over the second half of the rounds.",
        "accuracy_all": "Share of rounds won by a right answer, among all whose truth is known.",
        "majority": "What a plain majority of the answers would have reached on the rounds of `accuracy`.",
        "majority_late": "The same over the second half of the rounds.",
        "majority_all": "What a plain majority would have reached on the rounds of `accuracy_all`.",
        "oracle": "Share of rounds in which some certified answer was right: no ranking can beat it.",
        "adversarial_wins": "Share of rounds won by an answer that only adversaries gave.",
        "evidence": "Accusations of Byzantine peers that carry evidence.",
        "blamed_honest": "Accusations of honest peers that carry evidence; anything above 0 is a bug.",
        "beyond_assumption": "Rounds whose committee had more than f Byzantine seats, where nothing holds.",
        "latency_p50_ms": "Median time from question to receipt, in virtual milliseconds.",
        "latency_p95_ms": "Time to a receipt that 95 % of the rounds keep, in virtual milliseconds.",
        "messages": "Messages sent between nodes.",
        "megabytes": "Bytes of these messages, in millions.",
        "forks": "Rounds in which honest nodes hold different certified values; anything above 0 is a bug.",
        "mean_p_best": "Mean of the winner's published probability of being the best answer.",
        "weight_liars": "Mean weight, in the second half, of judges that lie and keep the protocol.",
        "weight_others": "The same of all others; the typical honest judge weighs 1.",
        "steps_mean": "Mean number of ballot steps.",
        "missing_honest": "Honest seats that a certified set is missing, over all rounds and steps.",
    }
)
