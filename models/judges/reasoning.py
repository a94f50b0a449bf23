"""The reasoning judge: a short rationale, then a verdict that can be nothing but a letter.

The rationale is the model's own text and is never read for a verdict: the model chooses between the letters
after it. It is put on one line, so that what it quotes of an answer opens no fence and no label.
"""

from models.contract import ChoiceRequest, GenerateRequest, Generation, Prompt
from models.errors import ModelError
from models.judges.comparison import (
    OPTIONS,
    VERDICT,
    make_comparison,
    read_log_odds,
    turn_round,
)
from models.judges.letters import combine_orders
from models.judges.outcomes import compute_outcome_q16
from models.judges.strategy import ORDERS_BOTH
from models.judges.task import JudgeTask, Judging, Reply, summarise
from models.prompts import STOP_STRINGS, as_line


def judge_by_reasoning(task: JudgeTask, *, tokens: int, orders: int) -> Judging:
    """Judge pairs by a verdict after a rationale.

    Args:
        task: What to judge.
        tokens: Most tokens of a rationale.
        orders: 2 to show each pair both ways round, 1 to show it as dealt.

    Raises:
        ModelError: The conversation does not end in a question, or the nonce is too short.
    """
    prompts = [
        make_comparison(task, shown, asks_reason=True)
        for pair in task.pairs
        for shown in (pair, turn_round(pair))[:orders]
    ]
    rationales = yield tuple(_ask_rationale(prompt, task.prompt_keys[0], tokens) for prompt in prompts)
    verdicts = {
        place: _ask_verdict(prompt, rationale.text)
        for place, (prompt, rationale) in enumerate(zip(prompts, rationales, strict=True))
        if isinstance(rationale, Generation)
    }
    chosen = yield tuple(verdicts.values())
    replies: list[Reply] = list(rationales)
    for place, reply in zip(verdicts, chosen, strict=True):
        replies[place] = reply
    if orders == ORDERS_BOTH:
        places = range(0, len(replies), 2)
        return summarise([combine_orders(replies[place], replies[place + 1]) for place in places])
    return summarise([_read_one(reply) for reply in replies])


def _ask_rationale(prompt: Prompt, judge_key: bytes, tokens: int) -> GenerateRequest:
    # Greedy, so no noise is drawn: a rationale is an argument, and another one would be no better.
    return GenerateRequest(
        prompt=prompt,
        noise_seed=b"",
        seat_key=judge_key,
        temperature_milli=0,
        max_tokens=tokens,
        stop=STOP_STRINGS,
    )


def _ask_verdict(prompt: Prompt, rationale: str) -> ChoiceRequest:
    context = Prompt(prefix=prompt.prefix, suffix=f"{prompt.suffix} {as_line(rationale)}\n{VERDICT}")
    return ChoiceRequest(context=context, options=OPTIONS)


def _read_one(reply: Reply) -> int | ModelError:
    odds = read_log_odds(reply)
    return odds if isinstance(odds, ModelError) else compute_outcome_q16(odds)
