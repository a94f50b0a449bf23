"""The page of a run: one HTML file that needs no network and no script, and shows hostile texts harmlessly.

Everything that comes from a recording is escaped by the template engine and made visible first (`text`);
pictures escape what they draw (`svg`). The page forbids itself any connection by its content policy.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from consensus.errors import ConfigError
from sim_net.metrics import METRICS
from sim_net.records import AccusationRow, PeerRow, Recording, VerdictKind
from sim_net.report.figures import (
    Difference,
    JudgeWeight,
    Share,
    compare_with_majority,
    compute_quantile,
    compute_series,
    compute_weights,
    get_latencies,
    get_metric_share,
    get_share,
    is_judged,
)
from sim_net.report.plots import (
    CELLS_DRAWN_MAX,
    classify,
    draw_latencies,
    draw_quality,
    draw_rounds,
    draw_time_line,
    draw_weight,
)
from sim_net.report.rounds import (
    CLASSES_SHOWN_MAX,
    Agreement,
    Band,
    Candidate,
    Cell,
    Chosen,
    RoundRows,
    choose_rounds,
    compute_matrix,
    count_troubled,
    describe_agreement,
    gather_rows,
    get_bad_peers,
    list_bands,
    list_forks,
    name_step,
    rank_candidates,
)
from sim_net.report.svg import Svg
from sim_net.report.text import (
    format_bytes,
    format_ms,
    format_number,
    format_peers,
    format_share,
    format_signed,
    make_visible,
    shorten,
)

if TYPE_CHECKING:
    from jinja2 import Environment

PEERS_SHOWN_MAX = 300
FAULTS_SHOWN_MAX = 200
GROUPS_SHOWN_MAX = 100
FORKS_SHOWN_MAX = 50
MANIFEST_CHARACTERS_MAX = 200_000
DETAIL_CHARACTERS_MAX = 2_000
WEIGHT_BINS = 60

VERDICTS = {
    VerdictKind.OK: ("✓", "OK", "Every rule and every expectation holds."),
    VerdictKind.EXPECTATION: ("!", "Expectation not met", "Every rule holds; what was expected does not."),
    VerdictKind.LIVENESS: ("✗", "Liveness violated", "Something that must come to an end did not."),
    VerdictKind.SAFETY: ("✗", "Safety violated", "Something that must never happen has happened."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A figure with what it rests on."""

    name: str
    value: str
    interval: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric of the recording; the interval is empty where the rows give no such share."""

    name: str
    value: str
    interval: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundView:
    """A round shown at length."""

    chosen: Chosen
    time_line: Svg
    agreement: tuple[Agreement, ...]
    candidates: tuple[Candidate, ...]
    matrix: tuple[tuple[Candidate, tuple[Cell | None, ...]], ...]
    missing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Accused:
    """Accusations of one kind against one peer, counted."""

    accused: int | None
    is_byzantine: bool
    kind: str
    is_evidence: bool
    count: int
    accusers: str
    first: str
    last: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerView:
    """A peer with its weight as a judge."""

    row: PeerRow
    weight: JudgeWeight | None
    drawn: Svg | None


def render_report(recording: Recording) -> str:
    """Render a recording as one HTML page; the same recording gives the same page.

    Rows beyond what a page can show are left out, and the page says how many and where they are.

    Raises:
        ConfigError: Jinja2 is not installed.
    """
    environment = _create_environment()
    forks = list_forks(recording)
    forked = frozenset(fork.round for fork in forks)
    bands = list_bands(recording.faults)
    bad = get_bad_peers(recording)
    chosen = choose_rounds(recording, forks)
    rows = gather_rows(recording, [one.row.round for one in chosen])
    points = compute_series(recording.rounds)
    latencies = get_latencies(recording.rounds)
    peers = _view_peers(recording)
    script = _read("page.js")
    return environment.get_template("page.html").render(
        recording=recording,
        verdict=VERDICTS[recording.verdict],
        style=_read("page.css"),
        script=script,
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        failed=[check for check in recording.checks if not check.is_ok],
        cards=_make_cards(recording),
        metrics=_list_metrics(recording),
        rounds_drawn=draw_rounds(recording.rounds, forked) if recording.rounds else None,
        rounds_left_out=max(0, len(recording.rounds) - CELLS_DRAWN_MAX),
        tally=_tally(recording),
        quality=draw_quality(points) if points else None,
        judged=sum(map(is_judged, recording.rounds)),
        latency=draw_latencies(latencies) if latencies else None,
        unfinished=len(recording.rounds) - len(latencies),
        forks=forks[:FORKS_SHOWN_MAX],
        forks_count=len(forks),
        views=[_view_round(recording, one, rows[one.row.round], bands, bad) for one in chosen],
        troubles_hidden=_count_hidden(recording, chosen, forked),
        bands=bands[:FAULTS_SHOWN_MAX],
        bands_count=len(bands),
        accused=_group_accusations(recording.accusations, bad),
        peers=peers[:PEERS_SHOWN_MAX],
        peers_count=len(peers),
        bad_count=len(bad),
        weights=_describe_weights(recording, peers),
        manifest=shorten(recording.manifest_toml, MANIFEST_CHARACTERS_MAX),
        classes_max=CLASSES_SHOWN_MAX,
        detail_max=DETAIL_CHARACTERS_MAX,
    )


def _read(name: str) -> str:
    return files("sim_net.report").joinpath(name).read_text(encoding="utf-8")


def _create_environment() -> "Environment":
    try:
        from jinja2 import DictLoader, Environment, StrictUndefined
        from markupsafe import Markup, escape
    except ImportError as exc:
        raise ConfigError(
            "the report of a run needs Jinja2, and it is not installed",
            remedy="pip install 'peerage[testnet]'",
        ) from exc

    def show(value: object) -> object:
        """Make every plain string visible that a template puts out; markup of our own passes."""
        return make_visible(value) if type(value) is str else value

    environment = Environment(
        loader=DictLoader({"page.html": _read("page.html")}),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=show,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        ms=format_ms,
        share=format_share,
        number=format_number,
        signed=format_signed,
        bytes=format_bytes,
        peers=format_peers,
        step=name_step,
        shorten=shorten,
        lines=lambda text: escape(make_visible(text, keeps_lines=True)),
        own=Markup,  # for our own drawings, style and script only, which are escaped where they are made
    )
    return environment


# -- figures -----------------------------------------------------------------------------------------


def _make_cards(recording: Recording) -> list[Card]:
    rounds = recording.rounds
    named = (
        ("accuracy_all", "Right answers", "rounds whose truth is known"),
        ("accuracy", "Right where it could be", "rounds in which a certified answer was right"),
        ("majority_all", "Plain majority", "what counting equal answers would have reached"),
        ("oracle", "Oracle", "rounds in which some certified answer was right: the ceiling"),
        ("adversarial_wins", "Won by adversaries", "rounds won by an answer that only adversaries gave"),
        ("finished", "Finished", "rounds that ended with a receipt"),
    )
    cards = [_make_card(name, get_share(rounds, key), about) for key, name, about in named]
    cards.insert(3, _make_difference_card(compare_with_majority(rounds)))
    latencies = get_latencies(rounds)
    median, most = compute_quantile(latencies, 0.5), compute_quantile(latencies, 0.95)
    tail = "" if most is None else f"95 % within {format_ms(most)}, "
    cards.append(
        Card(
            name="Median time",
            value="not known" if median is None else format_ms(median),
            interval=f"{tail}n = {len(latencies):,}",
            about="from question to receipt",
        )
    )
    return cards


def _make_card(name: str, share: Share | None, about: str) -> Card:
    if share is None:
        return Card(name=name, value="not known", interval="n = 0", about=about)
    return Card(name=name, value=format_share(share.value), interval=_describe_interval(share), about=about)


def _describe_interval(share: Share) -> str:
    return f"{format_share(share.low)} to {format_share(share.high)}, n = {share.count:,}"


def _make_difference_card(difference: Difference | None) -> Card:
    name = "Swarm less majority"
    if difference is None:
        return Card(name=name, value="not known", interval="n = 0", about="points, over the same rounds")
    ends = f"{format_signed(100 * difference.low)} to {format_signed(100 * difference.high)}"
    interval = f"{ends}, n = {difference.count:,}"
    about = f"points over the same rounds: right alone {difference.better}, wrong alone {difference.worse}"
    return Card(name=name, value=format_signed(100 * difference.value), interval=interval, about=about)


def _list_metrics(recording: Recording) -> list[Metric]:
    metrics = []
    for name, value in recording.metrics.items():
        share = get_metric_share(recording, name)
        metrics.append(
            Metric(
                name=name,
                value=format_number(value) if share is None else format_share(value),
                interval="" if share is None else _describe_interval(share),
                about=METRICS.get(name, ""),
            )
        )
    return metrics


def _tally(recording: Recording) -> str:
    counts: dict[str, int] = {}
    for row in recording.rounds:
        words = classify(row)[2]
        counts[words] = counts.get(words, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return "; ".join(f"{count:,} {words}" for words, count in ordered)


# -- rounds ------------------------------------------------------------------------------------------


def _view_round(
    recording: Recording, chosen: Chosen, rows: RoundRows, bands: Sequence[Band], bad: frozenset[int]
) -> RoundView:
    candidates = rank_candidates(rows, bad)
    missing: dict[int, list[int]] = {}
    for row in rows.missing:
        missing.setdefault(row.step, []).append(row.peer)
    return RoundView(
        chosen=chosen,
        time_line=draw_time_line(chosen.row, rows, bands, bad=bad, healed_ms=recording.healed_ms),
        agreement=describe_agreement(recording, rows, chosen.row.asked_ms, bad),
        candidates=candidates,
        matrix=compute_matrix(rows, candidates) if rows.comparisons else (),
        missing="; ".join(f"{name_step(step)}: {format_peers(missing[step])}" for step in sorted(missing)),
    )


def _count_hidden(recording: Recording, chosen: Sequence[Chosen], forked: frozenset[int]) -> int:
    shown = [one for one in chosen if one.row.status in {"failed", "unfinished"} or one.row.round in forked]
    return count_troubled(recording, list_forks(recording)) - len(shown)


# -- peers -------------------------------------------------------------------------------------------


def _group_accusations(rows: Sequence[AccusationRow], bad: frozenset[int]) -> list[Accused]:
    groups: dict[tuple[bool, int, str], list[AccusationRow]] = {}
    for row in rows:
        accused = -1 if row.accused is None else row.accused
        groups.setdefault((not row.is_evidence, accused, row.kind), []).append(row)
    return [
        Accused(
            accused=members[0].accused,
            is_byzantine=members[0].accused in bad,
            kind=members[0].kind,
            is_evidence=members[0].is_evidence,
            count=len(members),
            accusers=format_peers(list(dict.fromkeys(row.peer for row in members))),
            first=format_ms(min(row.at_ms for row in members)),
            last=format_ms(max(row.at_ms for row in members)),
        )
        for _, members in sorted(groups.items())
    ][:GROUPS_SHOWN_MAX]


def _view_peers(recording: Recording) -> list[PeerView]:
    weights = compute_weights(recording, WEIGHT_BINS)
    top = max((value for one in weights.values() for value in one.bins if value is not None), default=1.0)
    is_drawn = _has_unequal(list(weights.values()))
    return [
        PeerView(
            row=row,
            weight=weights.get(row.peer),
            drawn=draw_weight(weights[row.peer], top) if is_drawn and row.peer in weights else None,
        )
        for row in recording.peers
    ]


def _has_unequal(weights: Sequence[JudgeWeight]) -> bool:
    values = [value for one in weights for value in one.bins if value is not None]
    return bool(values) and max(values) - min(values) > 1e-9


def _describe_weights(recording: Recording, peers: Sequence[PeerView]) -> str:
    judged = [peer.weight for peer in peers if peer.weight is not None]
    if not judged:
        return "Nobody judged anything."
    if not _has_unequal(judged):
        return f"All {len(judged)} judges weigh the same: {format_number(judged[0].mean)}."
    means = [one.mean for one in judged]
    told = f"Mean weights of {len(judged)} judges go from {min(means):.3f} to {max(means):.3f}."
    lying, others = (recording.metrics.get(name) for name in ("weight_liars", "weight_others"))
    if lying is None or others is None:
        return told
    return f"{told} In the second half those that lie weigh {lying:.3f} on average, the others {others:.3f}."
