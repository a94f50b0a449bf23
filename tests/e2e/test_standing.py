"""A standing swarm learns whom to believe (issue 4, "Done when"): real sockets, real databases, two liars."""

import os
import signal
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import trio

from consensus.history import verify_succession
from consensus.question import compute_round_id, sign_question
from consensus.verify import VerifiedRound, verify_receipt
from swarm.edge.asking import Asked
from swarm.edge.client import Answered, AskerClient
from swarm.edge.events import read_events
from swarm.edge.local import SwarmAccess, create_local_keys, open_client_mesh, wait_linked
from swarm.edge.past import Past
from swarm.edge.paths import ensure_directory
from swarm.edge.process_swarm import create_spec, end_all, introduce_all, start_peer_process
from tests.docs import stranger
from tests.e2e.processes import MODEL, SEED, make_question, run_within, wait_gone
from tests.e2e.standing import DEADLINE_S, StandingRun, open_standing

LIARS = (1, 4)
HONEST = (0, 2, 3, 5, 6)
ROUNDS = 10


def read_round(asked: Asked) -> VerifiedRound:
    assert asked.receipt_path is not None, asked.reason
    verified = verify_receipt(asked.receipt_path.read_bytes()).round
    assert verified is not None
    return verified


async def ask_rounds(run: StandingRun, rounds: int) -> list[Asked]:
    """Ask questions, every other one gold."""
    asked = []
    for number in range(rounds):
        if number % 2:
            asked.append((await run.asker.ask_gold()).asked)
        else:
            asked.append(await run.asker.ask(f"Question {number}?"))
    return asked


def play(directory: Path, rounds: int) -> tuple[list[Asked], list[list[float]]]:
    """Play rounds with two liars; return them, and by peer what it weighed in each round."""
    asked: list[Asked] = []
    weights: list[list[float]] = []

    async def main() -> None:
        async with open_standing(directory, liars=LIARS) as run:
            asked.extend(await ask_rounds(run, rounds))
            weights.extend([[run.get_weight(one, peer) for one in asked] for peer in range(7)])
            assert not [event for event in read_events(run.log_path) if event.event == "peer_penalised"]

    run_within(DEADLINE_S, main)
    return asked, weights


def test_the_weight_of_liars_falls_round_by_round_and_strangers_agree(tmp_path: Path) -> None:
    asked, weights = play(tmp_path, ROUNDS)
    for liar in LIARS:
        fell = weights[liar]
        assert fell[0] == 1.0
        # A weight is relative to the median, which moves too while one round is all that is known.
        assert all(later <= before + 0.1 for before, later in pairwise(fell[:3]))
        assert all(later <= before for before, later in pairwise(fell[2:]))
        assert len(set(fell)) >= 4  # in more than one leap
        assert fell[-1] < 0.1
    assert min(weights[peer][-1] for peer in HONEST) > 0.5
    rounds = [read_round(one) for one in asked]
    for before, after in pairwise(rounds):
        assert after.facts.standing is not None
        verify_succession(after.facts.standing, before.facts, before.closed)
    for one, verified in zip(asked, rounds, strict=True):
        assert one.receipt_path is not None
        told = stranger.verify(one.receipt_path.read_bytes())
        assert told.prev == verified.closed[-1].outcome.digest
        weighed = [judge.weight for judge in one.report.judges] if one.report else []
        assert [told.facts.terms.get(seat, (65_536,))[0] / 65_536 for seat in range(7)] == weighed


def test_the_same_seed_gives_the_same_standings(tmp_path: Path) -> None:
    played = [play(ensure_directory(tmp_path / name), 5) for name in ("first", "second")]
    digests = [[one.report.result_digest if one.report else b"" for one in asked] for asked, _ in played]
    assert digests[0] == digests[1]
    assert played[0][1] == played[1][1]


def test_a_swarm_that_keeps_no_standing_weighs_all_alike(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_standing(tmp_path, peers=4, liars=(1,)) as run:
            run.asker.options = replace(run.asker.options, keeps_standing=False)
            for asked in await ask_rounds(run, 3):
                assert asked.report is not None
                assert asked.report.history is None
                assert [judge.weight for judge in asked.report.judges] == [1.0] * 4

    run_within(DEADLINE_S, main)


@pytest.mark.slow
@pytest.mark.parametrize("forgets", [False, True], ids=["restarts", "loses-its-disk"])
def test_a_peer_that_is_killed_comes_back_to_the_same_standing(tmp_path: Path, *, forgets: bool) -> None:
    """Before the last of three rounds a peer is killed; it comes back with its disk, or without."""
    keys = create_local_keys(peers=4, seed=SEED)
    directory, logs = ensure_directory(tmp_path / "peers"), ensure_directory(tmp_path / "logs")
    specs = [
        create_spec(keys, place, seed=SEED, directory=directory, logs=logs, model=MODEL) for place in range(4)
    ]
    victim = 2

    async def ask(client: AskerClient, past: Past, counter: int) -> VerifiedRound:
        backing = past.backing
        header = None if backing is None else backing.standing.digest
        question = make_question(keys, counter=counter, header=header)
        signed = sign_question(question, keys.asker, keys.network)
        answered = await client.ask(signed, deadline_s=30.0, backing=backing)
        assert isinstance(answered, Answered), answered
        assert answered.verdict.round is not None
        assert answered.verdict.round.facts.round_id == compute_round_id(signed.payload)
        past.add(answered.verdict.round, answered.receipt, None)
        return answered.verdict.round

    async def main() -> None:
        past = Past()
        async with trio.open_nursery() as nursery:
            peers = [await start_peer_process(nursery) for _ in specs]
            urls = await introduce_all(keys, peers, specs)
            swarm = SwarmAccess(keys.network, keys.asker, urls, (), peers[0].judge)
            async with open_client_mesh(swarm) as mesh:
                await wait_linked(mesh, 4)
                client = AskerClient(network=keys.network, mesh=mesh, on_progress=lambda _: None)
                await ask(client, past, 0)
                await ask(client, past, 1)
                os.kill(peers[victim].process.pid, signal.SIGKILL)
                await wait_gone([peers[victim].process.pid])
                if forgets:
                    for path in directory.glob(f"{specs[victim].name}.sqlite3*"):
                        path.unlink()
                port = urls[keys.peers[victim].key].rpartition(":")[2].strip("/")
                peers[victim] = await start_peer_process(nursery)
                await peers[victim].introduce(replace(specs[victim], port=port))
                await peers[victim].tell_urls(urls)
                await peers[victim].wait_ready()
                await wait_linked(mesh, 4)
                last = await ask(client, past, 2)
            await end_all(peers)
        assert last.facts.standing is not None
        assert last.facts.standing.standing.rounds == 2
        assert last.closed[-1].outcome.value.missing == ()
        events = [event for path in sorted(logs.iterdir()) for event in read_events(path)]
        assert [event for event in events if event.event in ("peer_penalised", "standing_refused")] == []
        fetched = [event.fields["sender"] for event in events if event.event == "receipt_fetched"]
        assert bool(fetched) == forgets

    run_within(DEADLINE_S, main)
