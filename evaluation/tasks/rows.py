"""Rows of published sets, in the shape in which they are published, as tasks; one function a set."""

from collections.abc import Mapping, Sequence
from string import ascii_uppercase

from consensus.errors import ConfigError
from consensus.hashing import tagged_hash
from evaluation.graders.choice import OPTIONS_MAX, render_options
from evaluation.graders.payload import write_payload
from evaluation.task import Task
from evaluation.tasks.drawing import compute_order

Row = Mapping[str, object]
KEY_HEX_DIGITS = 32
CODE_REQUEST = "Complete this Python function. Answer with code only.\n\n"
_GPQA_WRONG = ("Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")


def _read_text(row: Row, name: str, where: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(
            f"{where}: {name!r} is {value!r}, expected a text", remedy="give the published rows"
        )
    return value


def _read_texts(value: object, name: str, where: str) -> list[str]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise ConfigError(f"{where}: {name!r} is {value!r}, expected a list of texts")
    texts = [item for item in value if isinstance(item, str)]
    if len(texts) != len(value):
        raise ConfigError(f"{where}: {name!r} holds something that is no text")
    return texts


def _make_key(source: str, *parts: str) -> str:
    digest = tagged_hash("eval-row", *(part.encode("utf-8", "replace") for part in parts))
    return f"{source}/{digest.hex()[:KEY_HEX_DIGITS]}"


def _make_choice(source: str, family: str, question: str, options: list[str], right: int, seed: int) -> Task:
    """Make a multiple-choice task; `seed` and the question decide in which order its options stand."""
    if not 2 <= len(options) <= OPTIONS_MAX or not 0 <= right < len(options):
        raise ConfigError(f"{source}: {question[:60]!r} has {len(options)} options and number {right} right")
    order = compute_order(range(len(options)), seed=seed, purpose=question)
    shown = [options[place] for place in order]
    return Task(
        # The seed is part of the key, because the letters of text and truth depend on it.
        key=_make_key(source, question, *shown),
        family=family,
        text=f"{question}\n{render_options(shown)}",
        truth=ascii_uppercase[order.index(right)],
        grader="choice",
        payload=write_payload({"options": shown}),
    )


def adapt_gsm8k(row: Row, where: str, seed: int) -> Task:
    """Adapt `question`, `answer` (whose last line is `#### N`)."""
    del seed  # nothing in such a task is drawn
    question, answer = _read_text(row, "question", where), _read_text(row, "answer", where)
    if "####" not in answer:
        raise ConfigError(f"{where}: 'answer' has no line '#### N'", remedy="give the published rows")
    key = _make_key("gsm8k", question)
    return Task(key=key, family="gsm8k", text=question, truth=answer, grader="gsm8k")


def adapt_math_500(row: Row, where: str, seed: int) -> Task:
    """Adapt `problem`, `answer`, and `subject` as the family where it is given."""
    del seed  # nothing in such a task is drawn
    problem, answer = _read_text(row, "problem", where), _read_text(row, "answer", where)
    subject = row.get("subject")
    family = f"math-500-{subject}" if isinstance(subject, str) and subject else "math-500"
    return Task(key=_make_key("math-500", problem), family=family, text=problem, truth=answer, grader="math")


def adapt_aime(row: Row, where: str, seed: int) -> Task:
    """Adapt `problem`, `answer` (an integer, as text or number)."""
    del seed  # nothing in such a task is drawn
    problem, answer = _read_text(row, "problem", where), row.get("answer")
    truth = str(answer).strip() if isinstance(answer, int | str) and not isinstance(answer, bool) else ""
    if not truth.isascii() or not truth.isdigit():
        raise ConfigError(f"{where}: 'answer' is {answer!r}, expected an integer from 0")
    return Task(key=_make_key("aime", problem), family="aime", text=problem, truth=truth, grader="integer")


def adapt_mmlu(row: Row, where: str, seed: int) -> Task:
    """Adapt `question`, `choices`, `answer` (a place from 0), and `subject` as the family."""
    question, right = _read_text(row, "question", where), row.get("answer")
    options = _read_texts(row.get("choices"), "choices", where)
    if not isinstance(right, int) or isinstance(right, bool) or not 0 <= right < len(options):
        raise ConfigError(f"{where}: 'answer' is {right!r}, expected a place from 0 to {len(options) - 1}")
    subject = row.get("subject")
    family = f"mmlu-{subject}" if isinstance(subject, str) and subject else "mmlu"
    return _make_choice("mmlu", family, question, options, right, seed)


def adapt_arc(row: Row, where: str, seed: int) -> Task:
    """Adapt `question`, `choices` (`text` and `label`), `answerKey` (a label)."""
    question, right = _read_text(row, "question", where), _read_text(row, "answerKey", where)
    choices = row.get("choices")
    if not isinstance(choices, Mapping):
        raise ConfigError(f"{where}: 'choices' is {choices!r}, expected an object with 'text' and 'label'")
    options = _read_texts(choices.get("text"), "choices.text", where)
    labels = _read_texts(choices.get("label"), "choices.label", where)
    if len(labels) != len(options) or right not in labels:
        raise ConfigError(f"{where}: the answer {right!r} is not one of {len(options)} options, {labels!r}")
    return _make_choice("arc", "arc", question, options, labels.index(right), seed)


def adapt_gpqa(row: Row, where: str, seed: int) -> Task:
    """Adapt `Question`, `Correct Answer` and the three `Incorrect Answer N`."""
    question = _read_text(row, "Question", where)
    options = [_read_text(row, name, where).strip() for name in ("Correct Answer", *_GPQA_WRONG)]
    return _make_choice("gpqa-diamond", "gpqa-diamond", question, options, 0, seed)


def adapt_humaneval(row: Row, where: str, seed: int) -> Task:
    """Adapt `prompt`, `test`, `entry_point`, `canonical_solution`, `task_id`."""
    del seed  # nothing in such a task is drawn
    names = ("task_id", "prompt", "test", "entry_point", "canonical_solution")
    task_id, prompt, test, entry_point, solution = (_read_text(row, name, where) for name in names)
    return Task(
        key=_make_key("humaneval", task_id, prompt),
        family="humaneval",
        text=CODE_REQUEST + prompt,
        truth=solution,
        grader="code",
        payload=write_payload({"prompt": prompt, "test": test, "entry_point": entry_point}),
    )
