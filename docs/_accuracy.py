"""How often the embedded model is right: the figure in the README. Run: python docs/_accuracy.py

Level 1 questions, 20 of each family, five peers with keys of their own, the default temperature. Seeds are
fixed and were not used to choose prompts or temperature. Answers only: no swarm, no judging.
"""

from collections import Counter

import click

from consensus.gold import DRAWN_FAMILIES, GoldQuestion, generate, is_correct
from consensus.hashing import tagged_hash
from models.catalog import open_model
from models.contract import GenerateRequest, Model
from models.prompts import (
    DEFAULT_MAX_TOKENS,
    DEFAULT_TEMPERATURE_MILLI,
    STOP_STRINGS,
    Message,
    Role,
    answer_prompt,
    clean_answer,
)
from ranking.baselines import majority
from ranking.merge import merge_answers

PEERS, QUESTIONS, LEVEL = 5, 20, 1


def answer(model: Model, gold: GoldQuestion, seed: bytes) -> list[str]:
    """Return the answers of five peers to one question."""
    keys = [tagged_hash("accuracy-peer", seed, peer) for peer in range(PEERS)]
    requests = [
        GenerateRequest(
            prompt=answer_prompt((Message(role=Role.USER, text=gold.text),), key),
            noise_seed=seed,
            seat_key=key,
            temperature_milli=DEFAULT_TEMPERATURE_MILLI,
            max_tokens=DEFAULT_MAX_TOKENS,
            stop=STOP_STRINGS,
        )
        for key in keys
    ]
    return [clean_answer(generation.text) for generation in model.generate(requests)]


def main() -> None:
    """Print the shares by family, and over all."""
    model = open_model("embedded", progress=lambda line: click.echo(line, err=True))
    right: Counter[tuple[str, str]] = Counter()
    for family in DRAWN_FAMILIES:
        for index in range(QUESTIONS):
            seed = tagged_hash("accuracy", family.encode(), index)
            gold = generate(family, seed, LEVEL)
            texts = answer(model, gold, seed)
            is_right = [is_correct(gold, text) for text in texts]
            classes = merge_answers([(peer, text.encode()) for peer, text in enumerate(texts) if text])
            order = majority(authors=[one.authors for one in classes], seed=seed) if classes else ()
            for name in (family, "all"):
                right[name, "single"] += sum(is_right)
                right[name, "majority"] += bool(order) and is_right[classes[order[0]].authors[0]]
                right[name, "some peer"] += any(is_right)
    click.echo(f"{'family':12} questions  single  majority  some peer")
    for name in (*DRAWN_FAMILIES, "all"):
        count = QUESTIONS * (len(DRAWN_FAMILIES) if name == "all" else 1)
        single = right[name, "single"] / (count * PEERS)
        most, some = right[name, "majority"] / count, right[name, "some peer"] / count
        click.echo(f"{name:12} {count:9}  {single:6.2f}  {most:8.2f}  {some:9.2f}")


if __name__ == "__main__":
    main()
