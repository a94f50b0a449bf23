r"""The grader of mathematics written in LaTeX, as in MATH: the last boxed expression, compared as text.

Nothing is evaluated and nothing is parsed as code: forms that mean the same are rewritten into one, and
plain numbers and fractions are compared as numbers. An answer that is equal only by algebra (`x+1` for
`1+x`) is counted wrong; so figures are a lower bound, by little.

Rules, in order: the content of the last `\boxed{...}`, else what follows the last "answer is", else all of
it; without `$`, spacing commands, `\left`, `\right`, units in `\text`, degree and percent signs; `\dfrac` and
`\tfrac` are `\frac`; `\frac12` is `\frac{1}{2}`; `a/b` of two integers is a fraction; `x=5` of one letter is
`5`; no spaces, no final full stop, no thousands commas.
"""

import re
from fractions import Fraction

from evaluation.task import Task

ANSWER_CHARS_MAX = 100_000
EXPRESSION_CHARS_MAX = 2_000
BOXES_MAX = 20  # from the end; each that is not closed costs a walk over the rest

_BOXED = re.compile(r"\\f?boxed\s*(?:\{|(?=[^\s{]))")
_INTRODUCTION = re.compile(r".*\banswer(?: is|:)\s*:?", re.IGNORECASE | re.DOTALL)
_DROPPED = re.compile(
    r"\\left(?![a-z])|\\right(?![a-z])|\\[!,;: ]|\\quad|\\displaystyle|\^\{?\\circ\}?|\\?%|\\?\$|~"
)
_TEXT = re.compile(r"\\(?:text|mathrm|textbf|mbox|operatorname)\s*\{([^{}]*)\}")
_SHORT_FRACTION = re.compile(r"\\frac(\d|\{[^{}]*\})(\d|\{[^{}]*\})")
_ROOT = re.compile(r"\\sqrt(\w)")
_RATIO = re.compile(r"(-?)(\d{1,60})/(\d{1,60})", re.ASCII)
_FRACTION = re.compile(r"(-?)\\frac\{(-?\d{1,60})\}\{(-?\d{1,60})\}", re.ASCII)
_NUMBER = re.compile(r"-?(?:\d{1,60}(?:\.\d{0,60})?|\.\d{1,60})", re.ASCII)
_THOUSANDS = re.compile(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)


def find_boxed(text: str) -> str | None:
    r"""Return what the last `\boxed` of `text` holds, None where there is none or it is not closed."""
    for match in reversed(list(_BOXED.finditer(text))[-BOXES_MAX:]):
        if not match[0].endswith("{"):
            return text[match.end()]
        depth = 1
        for end in range(match.end(), len(text)):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            if depth == 0:
                return text[match.end() : end]
    return None


def normalise(expression: str) -> str:
    """Rewrite `expression` by the module's rules from the second on."""
    text = expression.strip().removeprefix("\\(").removesuffix("\\)").removeprefix("\\[").removesuffix("\\]")
    text = _DROPPED.sub("", text)
    # A unit follows a number; a text alone is the answer itself.
    without = _TEXT.sub("", text).strip()
    text = without if re.search(r"\d", without) else _TEXT.sub(r"\1", text)
    text = text.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac").replace("\\cdot", "*")
    text = re.sub(r"\s+", "", text).rstrip(".")
    text = _SHORT_FRACTION.sub(_write_fraction, text)
    text = _ROOT.sub(r"\\sqrt{\1}", text)
    text = re.sub(r"^[a-zA-Z](?:\\in|=)(?=.)", "", text)
    return text.replace(",", "") if _THOUSANDS.fullmatch(text) else text


def _write_fraction(match: re.Match[str]) -> str:
    above, below = match[1].strip("{}"), match[2].strip("{}")
    return f"\\frac{{{above}}}{{{below}}}"


def read_value(text: str) -> Fraction | None:
    """Return the number that a normalised expression writes, None where it is no plain number."""
    match = _RATIO.fullmatch(text) or _FRACTION.fullmatch(text)
    if match is None:
        return Fraction(text) if _NUMBER.fullmatch(text) else None
    sign, above, below = match.groups()
    return Fraction(int(above), int(below)) * (-1 if sign else 1) if int(below) else None


def extract(answer: str) -> str:
    """Return the expression that `answer` gives as its result: the module's first rule."""
    boxed = find_boxed(answer)
    if boxed is not None:
        return boxed
    match = _INTRODUCTION.match(answer)
    return answer[match.end() :] if match else answer


def grade_mathematics(task: Task, answer: str) -> bool:
    """Say whether `answer` gives the expression of the truth, by the module's rules."""
    if len(answer) > ANSWER_CHARS_MAX:
        return False
    given, truth = extract(answer), extract(task.truth)
    if len(given) > EXPRESSION_CHARS_MAX:
        return False
    given, truth = normalise(given), normalise(truth)
    if not given:
        return False
    left, right = read_value(given), read_value(truth)
    return given == truth if left is None or right is None else left == right
