"""Questions as a simulation knows them: the truth, and the wrong answers that everybody falls for."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from consensus.hashing import tagged_hash
from models.contract import Finish, GenerateRequest, Generation, Prompt
from models.errors import ModelError
from models.prompts import as_line
from models.scripted import compute_scripted_truth, get_question
from ranking.merge import canonical_key
from sim_net.models.draws import draw_number, encode_text

WRONG_ANSWERS = 3
WRONG_SHARES = (0.60, 0.25, 0.15)
CONTEXT_TOKENS = 4_096
PUZZLES_KEPT_MAX = 256  # questions whose answers are at hand: far more than rounds are ever open
TOKEN_LOGPROB = -0.5
_DIGITS_MAX = 18
_WRONG_SEED = tagged_hash("wrong-answers")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_VERDICTS = ("yes", "no", "maybe", "unclear", "both")
_NAMES = ("Anton", "Bella", "Clara", "Dario", "Edith", "Felix", "Greta", "Hugo", "Ines", "Jonas")
_THINGS = ("anchor", "barrel", "cellar", "dollar", "easel", "fabric", "goblet", "harbour", "insect", "jungle")


def compute_wrong_answers(question: str, truth: str) -> tuple[str, str, str]:
    """Return the wrong answers to a question, the most tempting first: a function of the arguments only.

    They look like the truth: a whole number has whole numbers near it, a day days, a month months; words
    have words. No two have the same canonical key, and none has the truth's.
    """
    truth_key = _compute_key(truth)
    number = draw_number(_WRONG_SEED, "which", question, truth)
    pool = [text for text in _get_pool(truth, truth_key, number) if _compute_key(text) != truth_key]
    found = []
    for _ in range(WRONG_ANSWERS):
        number, place = divmod(number, len(pool))
        found.append(pool.pop(place))
    return found[0], found[1], found[2]


def _get_pool(truth: str, key: bytes, number: int) -> list[str]:
    """Return at least four texts that look like the truth, no two of one class; it may be among them."""
    if key.isdigit() and len(key) <= _DIGITS_MAX:
        centre = int(key)
        far = 4 + number % max(centre // 4, 6)
        near = (1, 2, 3, far, far + 1)
        # A dictionary keeps the order and drops what comes twice.
        return list(dict.fromkeys(str(abs(centre + step * sign)) for step in near for sign in (1, -1)))
    for pool in (_DAYS, _MONTHS, _VERDICTS):
        if truth in pool:
            return list(pool)
    return list(_NAMES if truth[:1].isupper() else _THINGS)


def _compute_key(text: str) -> bytes:
    return canonical_key(encode_text(text))


@dataclass(frozen=True, slots=True)
class Puzzle:
    """One question.

    Attributes:
        question: Its text, on one line.
        truth: The right answer.
        truth_key: Canonical key of the truth: texts with this key are right, no others.
        wrong: WRONG_ANSWERS wrong answers, the most tempting first.
        wrong_keys: Their canonical keys.
    """

    question: str
    truth: str
    truth_key: bytes
    wrong: tuple[str, str, str]
    wrong_keys: tuple[bytes, bytes, bytes]


class Puzzles:
    """The questions of a simulation, by the prompts that ask them.

    Args:
        truths: Right answers by question; to any other question a truth is made up from its hash, as
            `models.scripted` does.
    """

    def __init__(self, truths: Mapping[str, str]) -> None:
        self._truths = truths
        self._truths_by_line: dict[str, str] | None = None
        self._known: OrderedDict[str, Puzzle] = OrderedDict()

    def get_by_prompt(self, prompt: Prompt) -> Puzzle:
        """Return the question that a prompt ends in."""
        puzzle = self._known.get(prompt.suffix)
        if puzzle is None:
            puzzle = self.compute(get_question(prompt))
            self._known[prompt.suffix] = puzzle
            if len(self._known) > PUZZLES_KEPT_MAX:
                self._known.popitem(last=False)
        return puzzle

    def compute(self, question: str) -> Puzzle:
        """Return what is known about a question."""
        line = as_line(question)
        truth = self._find_truth(line)
        wrong = compute_wrong_answers(line, truth)
        first, second, third = (_compute_key(text) for text in wrong)
        return Puzzle(line, truth, _compute_key(truth), wrong, (first, second, third))

    def _find_truth(self, line: str) -> str:
        truth = self._truths.get(line)
        if truth is not None:
            return truth
        if self._truths_by_line is None:
            self._truths_by_line = {as_line(text): truth for text, truth in self._truths.items()}
        return self._truths_by_line.get(line, compute_scripted_truth(line))


def check_context(prompt: Prompt, room: int) -> int:
    """Return the prompt's words, which stand for tokens here.

    Raises:
        ModelError: There are none, or more than CONTEXT_TOKENS together with `room` for an answer.
    """
    if not prompt.text:
        raise ModelError("the prompt is empty", remedy="ask something")
    tokens = len(prompt.text.split())
    if tokens + room > CONTEXT_TOKENS:
        raise ModelError(
            f"the prompt has {tokens} tokens and the answer {room}, together more than {CONTEXT_TOKENS}",
            remedy="shorten the question or ask for a shorter answer",
        )
    return tokens


def make_generation(text: str, request: GenerateRequest, *, is_whole: bool = False) -> Generation:
    """Return the generation that says `text`.

    Args:
        text: The answer.
        request: What was asked.
        is_whole: Keep the text whatever the request's bounds, and declare as many tokens as it allows: what
            an author that lies would do.

    Raises:
        ModelError: The request is out of bounds.
    """
    if request.max_tokens < 1:
        raise ModelError(f"max_tokens is {request.max_tokens}, expected at least 1")
    if request.temperature_milli < 0:
        raise ModelError(f"temperature_milli is {request.temperature_milli}, expected at least 0")
    prompt_tokens = check_context(request.prompt, request.max_tokens)
    words = text.split()
    is_cut = len(words) > request.max_tokens
    words = words[: request.max_tokens]
    whole = "".join(f" {word}" for word in words) + ("" if is_cut else "\n")
    cuts = [place for place in (whole.find(stop) for stop in request.stop if stop) if place >= 0]
    shown = whole[: min(cuts)] if cuts else whole.rstrip("\n")
    return Generation(
        text=text if is_whole else shown,
        tokens=tuple(draw_number(_WRONG_SEED, "token", word) % 2**31 for word in words),
        finish=Finish.LENGTH if is_cut and not cuts and not is_whole else Finish.STOP,
        prompt_tokens=prompt_tokens,
        logprob=TOKEN_LOGPROB * len(words),
    )
