"""Recordings made from a seed: plausible rows without a world, so that what shows them is tested alone."""

import hashlib
import math
from dataclasses import replace
from random import Random

from sim_net.records import (
    AccusationRow,
    AnswerRow,
    CheckRow,
    ComparisonRow,
    DecisionRow,
    FaultRow,
    MissingRow,
    PeerRow,
    PhaseRow,
    Recording,
    RoundRow,
    VerdictKind,
    WeightRow,
)

MANIFEST = """\
name = "lossy"
about = "A fifth of the messages are lost & one peer shills <b>for a friend</b>"
seed = 7
rounds = 12

[network]
loss = 0.2

[[adversaries]]
kind = "shill"
peers = 1
"""
PHASES = ("committing", "revealing", "voting")
HOSTILE_TEXT = '<script>alert("x")</script>\n\u202eevil\u200b & \x1b[31mred' + "\u0301" * 9


def digest_of(*parts: object) -> str:
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


class _Builder:
    def __init__(self, seed: int, peers: int, bad: int) -> None:
        self.random = Random(f"recordings/{seed}")
        self.peers = list(range(peers))
        self.bad = sorted(self.random.sample(self.peers, bad))
        self.rounds: list[RoundRow] = []
        self.answers: list[AnswerRow] = []
        self.comparisons: list[ComparisonRow] = []
        self.weights: list[WeightRow] = []
        self.phases: list[PhaseRow] = []
        self.decisions: list[DecisionRow] = []
        self.missing: list[MissingRow] = []
        self.now_ms = 0

    def add_round(self, number: int, status: str) -> None:
        random = self.random
        asked_ms = self.now_ms
        truth = str(random.randint(10, 99))
        classes = self.add_answers(number, truth)
        steps = 0 if status in {"failed", "unfinished"} else random.randint(1, 3)
        end_ms = self.add_steps(number, steps, is_open=status == "unfinished")
        if status == "partial":
            self.missing.append(MissingRow(round=number, step=1, peer=self.peers[-1]))
        self.add_comparisons(number, steps, classes)
        texts = list(classes)
        is_judged = status in {"full", "partial"}
        if is_judged:
            self.add_weights(number)
        winner = texts[0] if is_judged else None
        majority = max(texts, key=lambda text: len(classes[text])) if is_judged else None
        authors = classes[texts[0]]
        self.rounds.append(
            RoundRow(
                round=number,
                round_id=digest_of("round", number),
                question=f"What is {random.randint(10, 99)} + {random.randint(1, 9)} ({number})?",
                truth=truth,
                asked_ms=asked_ms,
                closed_ms=None if status == "unfinished" else end_ms,
                status=status,
                steps=steps,
                winner=winner,
                majority=majority,
                is_right=winner == truth if is_judged else None,
                is_majority_right=majority == truth if is_judged else None,
                has_right_answer=truth in texts if is_judged else None,
                is_winner_adversarial=all(peer in self.bad for peer in authors) if is_judged else None,
                p_best=random.uniform(0.3, 0.99) if is_judged else None,
                flip_estimate=random.randint(0, 3) if is_judged else None,
                result_digest=digest_of("result", number) if is_judged else None,
                bad_seats=len(self.bad),
                seats=len(self.peers),
                is_gold=False,
                history=number,
            )
        )
        self.now_ms = end_ms + random.randint(50, 400)

    def add_answers(self, number: int, truth: str) -> dict[str, list[int]]:
        """Return classes by falling strength, with their authors."""
        random = self.random
        classes: dict[str, list[int]] = {}
        for peer in self.peers:
            text = (
                "999" if peer in self.bad else truth if random.random() < 0.6 else str(random.randint(10, 99))
            )
            classes.setdefault(text, []).append(peer)
        score = {text: random.gauss(0, 1) + (2 if text == truth else 0) for text in classes}
        ordered = sorted(classes, key=lambda text: -score[text])
        for rank, text in enumerate(ordered, start=1):
            for peer in classes[text]:
                self.answers.append(
                    AnswerRow(
                        round=number,
                        peer=peer,
                        text=text,
                        candidate=list(classes).index(text),
                        rank=rank,
                        strength=score[text],
                        is_right=text == truth,
                        is_adversarial=peer in self.bad,
                    )
                )
        return {text: classes[text] for text in ordered}

    def add_steps(self, number: int, steps: int, *, is_open: bool) -> int:
        random = self.random
        start_ms = self.now_ms
        for step in range(steps + 1):
            for peer in self.peers:
                at_ms = start_ms + random.randint(1, 60)
                for phase in PHASES:
                    self.phases.append(PhaseRow(round=number, peer=peer, step=step, phase=phase, at_ms=at_ms))
                    at_ms += random.randint(200, 2_500 if phase == "committing" else 400)
                if is_open:
                    continue
                self.decisions.append(
                    DecisionRow(
                        round=number,
                        step=step,
                        peer=peer,
                        digest=digest_of("value", number, step),
                        view=0,
                        at_ms=at_ms,
                    )
                )
                if step == steps:
                    self.phases.append(
                        PhaseRow(round=number, peer=peer, step=step, phase="closed", at_ms=at_ms)
                    )
            start_ms = max(row.at_ms for row in self.phases[-4 * len(self.peers) :])
        return start_ms

    def compute_weight(self, number: int, peer: int) -> float:
        return 1.0 / (1 + number / 4) if peer in self.bad else 1.0

    def add_weights(self, number: int) -> None:
        for peer in self.peers:
            weight = self.compute_weight(number, peer)
            self.weights.append(
                WeightRow(round=number, peer=peer, weight=weight, position=0.0, own_or_ally=peer / 2)
            )

    def add_comparisons(self, number: int, steps: int, classes: dict[str, list[int]]) -> None:
        random = self.random
        count = len(classes)
        by_author = sorted(classes, key=lambda text: classes[text][0])  # as candidates are numbered
        places = [list(classes).index(text) for text in by_author]
        for step in range(1, steps + 1):
            for judge in self.peers if count > 1 else []:
                for _ in range(2):
                    left, right = random.sample(range(count), 2)
                    logit = random.gauss(1.0 if places[left] < places[right] else -1.0, 1)
                    self.comparisons.append(
                        ComparisonRow(
                            round=number,
                            step=step,
                            judge=judge,
                            left=left,
                            right=right,
                            outcome=1 / (1 + math.exp(-logit)),
                            weight=self.compute_weight(number, judge),
                            is_adversarial=judge in self.bad,
                        )
                    )

    def make_peers(self) -> tuple[PeerRow, ...]:
        return tuple(
            PeerRow(
                peer=peer,
                key=digest_of("key", peer),
                behaviour="shill" if peer in self.bad else "honest",
                is_byzantine=peer in self.bad,
                accuracy=None if peer in self.bad else self.random.uniform(0.4, 0.8),
                judge_accuracy=self.random.uniform(0.6, 0.9),
                sent_messages=self.random.randint(1_000, 2_000),
                sent_bytes=self.random.randint(10**6, 10**7),
            )
            for peer in self.peers
        )


def make_recording(*, seed: int = 7, rounds: int = 12, peers: int = 7, bad: int = 1) -> Recording:
    """A run in which everything held, with one partial, one failed and one unfinished round if it is long."""
    builder = _Builder(seed, peers, bad)
    odd = {3: "partial", 5: "failed", rounds - 1: "unfinished"} if rounds >= 8 else {}
    for number in range(rounds):
        builder.add_round(number, odd.get(number, "full"))
    first, last = builder.rounds[0], builder.rounds[-1]
    count = sum(row.is_right is True for row in builder.rounds)
    judged = sum(row.is_right is not None for row in builder.rounds)
    faults = (
        FaultRow(at_ms=200, kind="partition", peers=(0, 1, 2), detail="{0,1,2} | rest", is_end=False),
        FaultRow(at_ms=900, kind="crash", peers=(4,), detail="torn write", is_end=False),
        FaultRow(at_ms=1_900, kind="partition", peers=(0, 1, 2), detail="{0,1,2} | rest", is_end=True),
        FaultRow(at_ms=2_500, kind="crash", peers=(4,), detail="torn write", is_end=True),
        FaultRow(at_ms=last.asked_ms, kind="clock", peers=(5,), detail="jumps by 1 h", is_end=False),
    )
    return Recording(
        manifest_toml=MANIFEST,
        name="lossy",
        seed=seed,
        version="0.1.0",
        replay=f"peerage testnet replay 'lossy@{seed}'",
        time="virtual",
        trace_digest=digest_of("trace", seed),
        ended_ms=builder.now_ms,
        healed_ms=last.asked_ms,
        verdict=VerdictKind.OK,
        metrics={"rounds": float(rounds), "accuracy_all": count / judged, "messages": 12_345.0},
        rounds=tuple(builder.rounds),
        answers=tuple(builder.answers),
        comparisons=tuple(builder.comparisons),
        weights=tuple(builder.weights),
        phases=tuple(builder.phases),
        decisions=tuple(builder.decisions),
        missing=tuple(builder.missing),
        faults=faults,
        accusations=(
            AccusationRow(
                at_ms=950,
                round=first.round,
                peer=0,
                accused=builder.bad[0] if bad else None,
                kind="equivocation",
                is_evidence=True,
            ),
            AccusationRow(at_ms=960, round=None, peer=1, accused=None, kind="bad_frame", is_evidence=False),
        ),
        peers=builder.make_peers(),
        checks=(
            CheckRow(name="agreement", kind=VerdictKind.SAFETY, is_ok=True, detail="one digest a step"),
            CheckRow(name="ends", kind=VerdictKind.LIVENESS, is_ok=True, detail="every round ends"),
            CheckRow(name="accuracy_all >= 0.1", kind=VerdictKind.EXPECTATION, is_ok=True, detail="holds"),
        ),
    )


def with_fork(recording: Recording, *, round_number: int, step: int, peers: tuple[int, ...]) -> Recording:
    """`peers` hold another value certified for that step; the agreement check has seen it."""
    decisions = tuple(
        replace(row, digest=digest_of("fork"), view=1)
        if (row.round, row.step) == (round_number, step) and row.peer in peers
        else row
        for row in recording.decisions
    )
    check = CheckRow(
        name="agreement", kind=VerdictKind.SAFETY, is_ok=False, detail=f"two digests in round {round_number}"
    )
    return replace(
        recording, decisions=decisions, verdict=VerdictKind.SAFETY, checks=(check, *recording.checks[1:])
    )


def with_hostile_texts(recording: Recording) -> Recording:
    """Every text that a stranger or a person writes is markup, control characters, or long."""
    long = HOSTILE_TEXT + "A" * 5_000
    return replace(
        recording,
        name=HOSTILE_TEXT,
        replay=HOSTILE_TEXT,
        version=HOSTILE_TEXT,
        manifest_toml=HOSTILE_TEXT,
        trace_digest=HOSTILE_TEXT,
        rounds=tuple(replace(row, question=long, winner=long, majority=long) for row in recording.rounds),
        answers=tuple(replace(row, text=long) for row in recording.answers),
        peers=tuple(replace(row, behaviour=HOSTILE_TEXT, key=HOSTILE_TEXT) for row in recording.peers),
        faults=tuple(replace(row, kind=HOSTILE_TEXT, detail=HOSTILE_TEXT) for row in recording.faults),
        accusations=tuple(replace(row, kind=HOSTILE_TEXT) for row in recording.accusations),
        checks=tuple(replace(row, name=HOSTILE_TEXT, detail=HOSTILE_TEXT) for row in recording.checks),
        phases=tuple(replace(row, phase=HOSTILE_TEXT) for row in recording.phases),
        decisions=tuple(replace(row, digest=HOSTILE_TEXT) for row in recording.decisions),
        metrics={HOSTILE_TEXT: math.nan},
    )


def make_empty_recording() -> Recording:
    """A run that stopped before anything happened."""
    whole = make_recording()
    return replace(
        whole,
        metrics={},
        healed_ms=None,
        rounds=(),
        answers=(),
        comparisons=(),
        weights=(),
        phases=(),
        decisions=(),
        missing=(),
        faults=(),
        accusations=(),
        peers=(),
        checks=(),
    )
