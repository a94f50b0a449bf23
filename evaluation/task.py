"""One question with known truth, wherever it comes from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A question whose answer can be graded; plain data, so it can be stored, hashed and sent to a process.

    Args:
        key: Names the task for good, unique in a run, such as `gold/units/2/5f..`; the same key always stands
            for the same text and truth.
        family: What is reported together, such as `units-2`.
        text: The question as the swarm gets it.
        truth: The right answer, for people and for graders that compare with it.
        grader: Which rule says whether an answer is right (a name that `evaluation.grading` knows).
        payload: What that rule needs beyond the truth, as JSON; empty where it needs nothing.
    """

    key: str
    family: str
    text: str
    truth: str
    grader: str
    payload: str = ""
