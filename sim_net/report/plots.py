"""The pictures of a report: time lines, quality over rounds, times, weights, and all rounds at a glance."""

from collections.abc import Sequence

from sim_net.records import PhaseRow, RoundRow
from sim_net.report.figures import JudgeWeight, SeriesPoint, compute_quantile
from sim_net.report.rounds import Band, RoundRows, name_step
from sim_net.report.svg import WIDTH, Scale, Svg, element, figure, hint, label, path
from sim_net.report.text import format_ms, format_peers, format_share

PEERS_DRAWN_MAX = 40
LANES_MAX = 6
CELLS_DRAWN_MAX = 2_000
BARS = 30

_GUTTER = 74
_ROW = 22
_LANE = 17
_LETTER = 6.1  # width of a letter of 10.5 units, about
_PHASES = ("committing", "revealing", "voting")


# -- time line ---------------------------------------------------------------------------------------


def draw_time_line(
    row: RoundRow, rows: RoundRows, bands: Sequence[Band], *, bad: frozenset[int], healed_ms: int | None
) -> Svg:
    """Draw what each peer did and when, faults above."""
    events = [phase.at_ms for phase in rows.phases] + [one.at_ms for one in rows.decisions]
    end_ms = max([*events, row.closed_ms or 0, row.asked_ms + 1])
    time = Scale(low=row.asked_ms, high=end_ms, start=_GUTTER, end=WIDTH - 8)
    peers = sorted(dict.fromkeys([one.peer for one in rows.phases] + [one.peer for one in rows.decisions]))
    shown = peers[:PEERS_DRAWN_MAX]
    struck = [band for band in bands if _is_within(band, time)]
    lanes = _pack(struck, time)
    top = 8 + _LANE * max(1, len(lanes[:LANES_MAX]))
    bottom = top + _ROW * len(shown)
    shapes = [
        _draw_band(band, time, 6 + _LANE * lane)
        for lane, in_lane in enumerate(lanes[:LANES_MAX])
        for band in in_lane
    ]
    if not struck:
        shapes.append(label(_GUTTER, 18, "no fault in this time", "t muted"))
    shapes += _draw_time_axis(time, top, bottom)
    for place, peer in enumerate(shown):
        shapes += _draw_peer(peer, top + _ROW * place, rows, time, is_bad=peer in bad)
        shapes += [_draw_hit(band, top + _ROW * place, time) for band in struck if peer in band.peers]
    if healed_ms is not None and time.low <= healed_ms <= time.high:
        x = time.place(healed_ms)
        shapes.append(path([(x, 4), (x, bottom + 18)], "mark"))
        anchor = "end" if x > WIDTH - 80 else "start"
        shapes.append(label(x, bottom + 27, "healed", "t strong", text_anchor=anchor))
    left_out = f" {len(peers) - len(shown)} more peers are not drawn." if len(peers) > len(shown) else ""
    if left_out:
        shapes.append(label(_GUTTER, bottom + 42, left_out.strip(), "t muted"))
    return figure(
        f"time-{row.round}",
        *shapes,
        title=f"Time line of round {row.round}",
        about=f"{len(peers)} peers, {format_ms(end_ms - row.asked_ms)}, {len(struck)} faults.{left_out}",
        height=bottom + (48 if left_out else 32),
    )


def _is_within(band: Band, time: Scale) -> bool:
    end = _get_end(band)
    return band.start_ms <= time.high and (end is None or end >= time.low)


def _get_end(band: Band) -> float | None:
    return band.start_ms if band.is_moment else band.end_ms


def _place_band(band: Band, time: Scale) -> tuple[float, float]:
    end = _get_end(band)
    return time.place(band.start_ms), time.place(time.high if end is None else end)


def _pack(bands: Sequence[Band], time: Scale) -> list[list[Band]]:
    """Put bands into lanes so that none covers another, nor the words beside a moment."""
    lanes: list[list[Band]] = []
    for band in bands:
        for lane in lanes:
            room = 150 if lane[-1].is_moment else 0
            if _place_band(lane[-1], time)[1] + room < time.place(band.start_ms):
                lane.append(band)
                break
        else:
            lanes.append([band])
    return lanes


def _draw_band(band: Band, time: Scale, y: float) -> Svg:
    start, end = _place_band(band, time)
    until = f"until {format_ms(band.end_ms)}" if band.end_ms is not None else "" if band.is_moment else "on"
    who = f" at peer{'s' if len(band.peers) > 1 else ''} {format_peers(band.peers)}" if band.peers else ""
    about = f"{band.kind}{who}, {format_ms(band.start_ms)} {until}: {band.detail}"
    text = f"{band.kind}{who}"
    room = len(text) if band.is_moment else int((max(end - start, 40) - 8) / _LETTER)
    shown = text if len(text) <= room else text[: max(0, room - 1)] + "…"
    return element(
        "g",
        hint(about),
        element(
            "rect",
            x=start,
            y=y,
            width=max(2, end - start),
            height=_LANE - 3,
            rx=2,
            class_="fault open" if _get_end(band) is None else "fault",
        ),
        *([label(start + 4, y + 10.5, shown, "t fault-text")] if room > 2 else []),
    )


def _draw_time_axis(time: Scale, top: float, bottom: float) -> list[Svg]:
    since = Scale(low=0, high=time.high - time.low, start=time.start, end=time.end)
    shapes = []
    for tick in since.list_ticks(8):
        x = since.place(tick)
        shapes.append(path([(x, top), (x, bottom)], "grid"))
        anchor = "end" if x > WIDTH - 40 else "middle"
        shapes.append(label(x, bottom + 15, f"{tick / 1_000:g} s", "t muted", text_anchor=anchor))
    return shapes


def _draw_peer(peer: int, y: float, rows: RoundRows, time: Scale, *, is_bad: bool) -> list[Svg]:
    shapes = [label(_GUTTER - 8, y + 15, f"peer {peer}{'†' if is_bad else ''}", text_anchor="end")]
    own = sorted((one for one in rows.phases if one.peer == peer), key=lambda one: one.at_ms)
    for place, phase in enumerate(own):
        if phase.phase != "closed":
            end = own[place + 1].at_ms if place + 1 < len(own) else time.high
            shapes.append(_draw_phase(phase, end, y, time))
    for one in rows.decisions:
        if one.peer == peer:
            x = time.place(one.at_ms)
            diamond = [(x, y - 1), (x + 4, y + 4), (x, y + 9), (x - 4, y + 4)]
            about = f"peer {peer} holds {one.digest[:16]} certified, {name_step(one.step)}, view {one.view}"
            shapes.append(element("g", hint(about), path(diamond, "decided", is_closed=True)))
    return shapes


def _draw_phase(phase: PhaseRow, end_ms: float, y: float, time: Scale) -> Svg:
    start, end = time.place(phase.at_ms), time.place(end_ms)
    kind = f"phase{_PHASES.index(phase.phase)}" if phase.phase in _PHASES else "phase3"
    full, short = f"{name_step(phase.step)}: {phase.phase}", phase.phase[:1]
    width = end - start
    text = full if width > 10 + _LETTER * len(full) else short if width > 13 else ""
    about = (
        f"peer {phase.peer}, {full}, {format_ms(phase.at_ms - time.low)} to {format_ms(end_ms - time.low)}"
    )
    return element(
        "g",
        hint(about),
        element("rect", x=start, y=y + 4, width=max(0.8, width - 0.6), height=_ROW - 8, class_=kind),
        *([label(start + 4, y + 15, text)] if text else []),
    )


def _draw_hit(band: Band, y: float, time: Scale) -> Svg:
    start, end = _place_band(band, time)
    return element(
        "rect",
        hint(f"{band.kind}: {band.detail}"),
        x=start,
        y=y + _ROW - 3,
        width=max(2, end - start),
        height=2.5,
        class_="hit",
    )


# -- quality -----------------------------------------------------------------------------------------


def draw_quality(points: Sequence[SeriesPoint]) -> Svg:
    """Draw cumulative shares of right answers: swarm with interval, majority, oracle."""
    rounds = Scale(
        low=points[0].round, high=max(points[-1].round, points[0].round + 1), start=52, end=WIDTH - 150
    )
    share = Scale(low=0, high=1, start=236, end=12)
    shapes = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        y = share.place(tick)
        shapes.append(path([(rounds.start, y), (rounds.end, y)], "grid"))
        shapes.append(label(rounds.start - 8, y + 4, f"{100 * tick:.0f} %", "t muted", text_anchor="end"))
    for tick in rounds.list_ticks(8):
        if tick == int(tick):
            shapes.append(label(rounds.place(tick), 254, f"{tick:.0f}", "t muted", text_anchor="middle"))
    shapes.append(label((rounds.start + rounds.end) / 2, 272, "round", "t muted", text_anchor="middle"))
    upper = [(rounds.place(one.round), share.place(one.swarm.high)) for one in points]
    lower = [(rounds.place(one.round), share.place(one.swarm.low)) for one in points]
    shapes.append(path(upper + lower[::-1], "interval", is_closed=True))
    last = points[-1]
    lines = (
        ("oracle", last.oracle, [one.oracle for one in points]),
        ("swarm", last.swarm.value, [one.swarm.value for one in points]),
        ("majority", last.majority, [one.majority for one in points]),
    )
    for name, _, values in lines:
        places = [
            (rounds.place(one.round), share.place(value)) for one, value in zip(points, values, strict=True)
        ]
        shapes.append(path(places, f"line {name}"))
    ends = sorted((share.place(value), f"{name} {format_share(value)}", name) for name, value, _ in lines)
    y_free = 0.0
    for y, text, name in ends:
        y_free = max(y, y_free + 15)
        shapes.append(path([(rounds.end + 4, y), (rounds.end + 14, y_free)], f"line thin {name}"))
        shapes.append(label(rounds.end + 18, y_free + 4, text, f"t strong {name}-text"))
    interval = f"{format_share(last.swarm.low)} to {format_share(last.swarm.high)}"
    about = (
        f"After round {last.round}: swarm {format_share(last.swarm.value)} ({interval}), "
        f"majority {format_share(last.majority)}, oracle {format_share(last.oracle)}."
    )
    return figure("quality", *shapes, title="Share of right answers over rounds", about=about, height=280)


# -- times -------------------------------------------------------------------------------------------


def draw_latencies(latencies: Sequence[int]) -> Svg:
    """Draw how long rounds took."""
    low, high = min(latencies), max(latencies)
    span = max(1, high - low)
    counts = [0] * BARS
    for latency in latencies:
        counts[min(BARS - 1, (latency - low) * BARS // span)] += 1
    time = Scale(low=low, high=low + span, start=52, end=WIDTH - 16)
    bar = Scale(low=0, high=max(counts), start=186, end=30)
    shapes = []
    for tick in bar.list_ticks(4):
        if tick == int(tick):
            y = bar.place(tick)
            shapes += [
                path([(52, y), (WIDTH - 16, y)], "grid"),
                label(44, y + 4, f"{tick:.0f}", "t muted", text_anchor="end"),
            ]
    width = (time.end - time.start) / BARS
    for place, count in enumerate(counts):
        if count:
            start, y = time.start + width * place, bar.place(count)
            ends = [format_ms(low + span * edge / BARS) for edge in (place, place + 1)]
            about = f"{ends[0]} to {ends[1]}: {count} rounds"
            shapes.append(
                element("rect", hint(about), x=start + 1, y=y, width=width - 2, height=186 - y, class_="bar")
            )
    for tick in time.list_ticks(8):
        shapes.append(label(time.place(tick), 203, f"{tick / 1_000:g} s", "t muted", text_anchor="middle"))
    said = []
    for top, name, at in ((12, "median", 0.5), (25, "95 %", 0.95)):
        value = compute_quantile(latencies, at)
        if value is not None:
            x, text = time.place(value), f"{name} {format_ms(value)}"
            is_right = x > WIDTH - 160
            shapes.append(path([(x, top - 8), (x, 186)], "mark"))
            shapes.append(
                label(
                    x - 5 if is_right else x + 5,
                    top,
                    text,
                    "t strong",
                    text_anchor="end" if is_right else "start",
                )
            )
            said.append(text)
    return figure(
        "latency",
        *shapes,
        title="Time from question to receipt",
        about=f"{len(latencies)} rounds: {', '.join(said)}.",
        height=212,
    )


# -- all rounds --------------------------------------------------------------------------------------


def classify(row: RoundRow) -> tuple[str, str, str]:
    """Return the style, the sign and the words of a round."""
    if row.status == "unfinished":
        return "cell-none", "U", "unfinished"
    if row.status == "failed":
        return "cell-none", "F", "failed"
    degree = "" if row.status == "full" else f", {row.status}"
    if row.is_right is None:
        return "cell-unknown", "?", f"not known whether right{degree}"
    return ("cell-right", "✓", f"right{degree}") if row.is_right else ("cell-wrong", "✗", f"wrong{degree}")


def draw_rounds(rounds: Sequence[RoundRow], forked: frozenset[int]) -> Svg:
    """Draw a cell a round, 50 a line."""
    shown = rounds[:CELLS_DRAWN_MAX]
    size, in_line = 18, 50
    shapes = []
    for place, row in enumerate(shown):
        line, column = divmod(place, in_line)
        x, y = 52 + column * size, 4 + line * size
        style, sign, text = classify(row)
        if column == 0:
            shapes.append(label(44, y + 13, str(row.round), "t muted", text_anchor="end"))
        parts = [
            hint(f"round {row.round}: {text}"),
            element("rect", x=x, y=y, width=16, height=16, rx=2, class_=style),
        ]
        if row.status == "partial":
            parts.append(path([(x + 9, y), (x + 16, y), (x + 16, y + 7)], "notch", is_closed=True))
        if row.round in forked:
            parts.append(element("rect", x=x, y=y, width=16, height=16, rx=2, class_="forked"))
        shapes.append(element("g", *parts, label(x + 8, y + 12, sign, "t cell", text_anchor="middle")))
    lines = (len(shown) + in_line - 1) // in_line
    return figure(
        "rounds",
        *shapes,
        title="All rounds at a glance",
        about=f"{len(shown)} of {len(rounds)} rounds, one cell each, in order; the text below counts them.",
        height=8 + size * lines,
    )


# -- weights -----------------------------------------------------------------------------------------


def draw_weight(weight: JudgeWeight, top: float) -> Svg:
    """Draw one judge's weight over the rounds, small enough for a table; gaps are rounds without it."""
    place = Scale(low=0, high=max(1, len(weight.bins) - 1), start=2, end=118)
    height = Scale(low=0, high=top, start=20, end=2)
    runs: list[list[tuple[float, float]]] = [[]]
    for index, value in enumerate(weight.bins):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((place.place(index), height.place(value)))
    lines = [
        path([*run, (run[0][0] + 1, run[0][1])] if len(run) == 1 else run, "line swarm")
        for run in runs
        if run
    ]
    known = [value for value in weight.bins if value is not None]
    return figure(
        f"weight-{weight.peer}",
        path([(2, 20), (118, 20)], "grid"),
        *lines,
        title=f"Weight of peer {weight.peer}",
        about=f"From {known[0]:.2f} to {known[-1]:.2f}.",
        height=22,
        width=120,
    )
