"""Two questions with known truth, from question to verified receipt, shown to a person."""

import secrets
from dataclasses import dataclass

import click
import trio

from consensus.gold import GoldQuestion, generate, is_correct
from consensus.hashing import tagged_hash
from consensus.verify import verify_receipt
from ranking.baselines import majority
from swarm.cli.exits import Exit
from swarm.cli.progress import ProgressLine
from swarm.cli.render import (
    clean_terminal,
    render_ballots,
    render_banner,
    render_checks,
    render_ranking,
    render_table,
    render_times,
    render_verdict,
)
from swarm.edge.ask_options import AskOptions, check_options, compute_seed
from swarm.edge.asking import Asked, open_local_asker
from swarm.edge.paths import get_paths

# Families and levels on which a 135M model's samples usually differ: there is something to rank.
QUESTIONS = (("arithmetic", 1), ("ordering", 1))


@dataclass(frozen=True, slots=True)
class Shown:
    """One demo question and what became of it."""

    gold: GoldQuestion
    asked: Asked


def show_demo(*, peers: int, model: str, seed: str | None) -> int:
    """Ask the questions, print what came of each, and return the exit code of the worst."""
    options = AskOptions(peers=peers, model=model, seed=seed)
    check_options(options)
    source = secrets.token_bytes(32) if seed is None else compute_seed(seed)
    golds = [
        generate(family, tagged_hash("demo-question", source, index), level)
        for index, (family, level) in enumerate(QUESTIONS)
    ]
    shown = trio.run(_run, golds, options)
    codes = [_print(item) for item in shown]
    rows = [["question", "truth", "majority", "winner"]]
    rows += [_compare(item) for item in shown]
    click.echo(f"\nTruth, majority and winner side by side\n{render_table(rows)}")
    click.echo("\nA certificate says who signed and how the winner was computed, not that it is true.")
    click.echo('Next, ask your own:  peerage ask "What is the capital of Italy?"')
    return max(codes)


async def _run(golds: list[GoldQuestion], options: AskOptions) -> list[Shown]:
    line = ProgressLine()
    shown: list[Shown] = []
    async with (
        open_local_asker(options, paths=get_paths(), note=line.note, on_progress=line.on_progress) as asker,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(line.tick)
        for gold in golds:
            line.restart()
            line.note(f"asking: {gold.text}")
            shown.append(Shown(gold, await asker.ask(gold.text)))
        nursery.cancel_scope.cancel()
    line.finish()
    return shown


def _print(item: Shown) -> int:
    asked = item.asked
    click.echo(f"\nQuestion: {item.gold.text}")
    if asked.report is None or asked.receipt_path is None:
        what = "FAILED, uncertified" if asked.report is None else "the receipt could NOT be kept"
        click.echo(f"{what}: {clean_terminal(asked.reason)}")
        return Exit.UNANSWERED if asked.report is None else Exit.CONFIG
    report = asked.report
    banner = render_banner(report)
    click.echo(banner or "status: full")
    click.echo(f"Answer: {clean_terminal(report.winner.text) if report.winner else 'none'}")
    click.echo(f"\n{render_ranking(report)}")
    click.echo(f"\nballots: P(first answer is better), by judge\n{render_ballots(report)}")
    verdict = verify_receipt(asked.receipt_path.read_bytes())
    click.echo(f"\nreceipt {asked.receipt_path}\n{render_checks(verdict)}\n{render_verdict(verdict)}")
    click.echo(f"time: {render_times(asked.elapsed_s)}")
    return Exit.OK if verdict.is_consistent else Exit.VERIFICATION


def _compare(item: Shown) -> list[str]:
    report = item.asked.report
    if report is None or report.winner is None:
        return [item.gold.text, item.gold.truth, "-", "-"]
    by_index = {candidate.index: candidate for candidate in report.ranking}
    authors = [by_index[index].authors for index in sorted(by_index)]
    popular = by_index[majority(authors=authors, seed=report.round_id)[0]]

    def mark(text: str) -> str:
        return f"{clean_terminal(text)} ({'right' if is_correct(item.gold, text) else 'wrong'})"

    return [item.gold.text, item.gold.truth, mark(popular.text), mark(report.winner.text)]
