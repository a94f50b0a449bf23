"""Questions whose judges are as good as planted, for tests of rounds in sequence."""

from collections.abc import Sequence
from dataclasses import replace

from consensus.hashing import tagged_hash
from evaluation.record import QuestionRecord
from tests.evaluation.kit import make_record, make_scores


def make_records(count: int, *, skills: Sequence[float]) -> list[QuestionRecord]:
    """Return questions with four answers, one right; judge j prefers it to each other by `skills[j]`."""
    records = []
    for number in range(count):
        rows = []
        for judge, skill in enumerate(skills):
            draws = [tagged_hash("skill", number, judge, index)[0] / 256 for index in range(4)]
            rows.append([0.0, *(-2.0 if draw < skill else 2.0 for draw in draws[1:])])
        texts = [str(1 + (peer + number) % 4) for peer in range(len(skills))]
        record = make_record(texts, right=["1"], key=f"q/{number}")
        # Scores are by class, whose order follows its authors.
        order = [int(one.text) - 1 for one in record.classes]
        scores = make_scores(*[[row[index] for index in order] for row in rows])
        records.append(replace(record, judgements=scores))
    return records
