"""The screen of `peerage top`, driven by Textual's own pilot over logs that grow while it watches."""

import asyncio
import html
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, RichLog

from swarm.cli.top_app import Pane, TopApp
from swarm.cli.top_feed import LINES_MAX, Feed
from swarm.edge.event_log import EventLog
from swarm.edge.events import Json, encode_line
from swarm.edge.peer_view_log import PeerLog
from tests.edge.peer_events import ANA, BEN, ME, NOW_MS, Script, make_round_id

NARROW, WIDE = (80, 24), (200, 60)
WAITS = 200  # of WAIT_S each, until something is on the screen
WAIT_S = 0.05
Scenario = Callable[[TopApp, Pilot[None]], Awaitable[None]]


@contextmanager
def open_feed(path: Path) -> Iterator[Feed]:
    log = PeerLog(path)
    feed = Feed(log, get_now_ms=lambda: NOW_MS + 60_000)
    feed.read()
    try:
        yield feed
    finally:
        log.close()


def drive(path: Path, scenario: Scenario, *, size: tuple[int, int] = NARROW) -> None:
    """Run a scenario against the screen of a log."""

    async def go() -> None:
        with open_feed(path) as feed:
            app = TopApp(feed)
            async with app.run_test(size=size) as pilot:
                await pilot.pause()
                await scenario(app, pilot)

    asyncio.run(go())


def see(app: TopApp) -> str:
    """Return what stands on the screen."""
    texts = re.findall(r"<text [^>]*>([^<]*)</text>", app.export_screenshot())
    return html.unescape("\n".join(texts)).replace("\xa0", " ")


async def wait_until(app: TopApp, pilot: Pilot[None], words: str) -> None:
    """Give the screen's own clock time to show something; it must not be helped."""
    for _ in range(WAITS):
        if words in see(app):
            return
        await pilot.pause(WAIT_S)
    raise AssertionError(f"{words!r} never came up on:\n{see(app)}")


def write(path: Path, script: Script) -> Path:
    path.write_bytes(b"".join(map(encode_line, script.events)))
    return path


def make_busy() -> Script:
    script = Script()
    script.say("node_started", rounds=0)
    script.say("link_opened", peer=ANA)
    script.say("dial_failed", peer=BEN, reason="refused")
    for number in range(30):
        round_id = bytes([number + 1]) * 32
        script.open_round(round_id, seat=number % 5)
        script.decide(round_id)
        script.wait(1_000)
        script.close_round(round_id)
    script.open_round(make_round_id(9))
    script.say("peer_penalised", peer=ANA, reason="a ballot too many")
    script.say("receipt_damaged", round_id=make_round_id(9), reason="digest differs")
    return script


@pytest.mark.parametrize("size", [NARROW, WIDE])
@pytest.mark.parametrize("is_plain", [False, True])
def test_everything_stands_on_a_small_screen_and_a_large_one_also_without_colour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], is_plain: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", "1") if is_plain else monkeypatch.delenv("NO_COLOR", raising=False)
    path = write(tmp_path / "a.jsonl", make_busy())

    async def look(app: TopApp, pilot: Pilot[None]) -> None:
        await wait_until(app, pilot, "Filter")
        seen = see(app)
        for words in (
            *("peer 01010101", "not running", "try: see its last events", "links 0 of 2 up", "30 in all"),
            *("why it went down", "aaaaaaaa", "DOWN", "interrupted", "own answer: won", "ERROR"),
            *(
                "a receipt on its disk does not hold",
                "try: check its disk; other peers hold the same receipt",
                "receipt_damaged",
            ),
            *("Quit", "Pause", "Filter"),
        ):
            assert words in seen, words
        for pane in [*app.query(Pane), app.query_one(RichLog)]:
            assert pane.region.height >= 4
            assert pane.region.bottom <= size[1]
            assert pane.region.right <= size[0]
        if is_plain:
            colours = re.findall(r"fill: #(..)(..)(..)", app.export_screenshot())
            texts = [colour for colour in colours if colour[0] == colour[1] == colour[2]]
            assert app.no_color
            assert len(texts) >= len(colours) - 4  # but for the picture's own window buttons

    drive(path, look, size=size)


def test_a_log_that_grows_is_followed_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with EventLog(path, get_time_ms=lambda: NOW_MS) as log:
        log.append("node_started", peer=ME, fields={"rounds": 0})

        async def look(app: TopApp, pilot: Pilot[None]) -> None:
            assert "peer 01010101: running since" in see(app)
            assert "links 0 of 0 up" in see(app)
            log.append("link_opened", peer=ANA)
            await wait_until(app, pilot, "links 1 of 1 up")
            fields: dict[str, Json] = {"step": 3, "phase": "voting", "seats": 4}
            log.append("phase_reached", round_id=make_round_id(7), peer=ME, fields=fields)
            await wait_until(app, pilot, "ballots 3, voting, 4/? seats")
            log.append("node_halted", peer=ME, fields={"reason": "disk full"})
            await wait_until(app, pilot, "HALTED (disk full)")

        drive(path, look)


def test_a_torn_last_line_is_left_out_until_it_is_whole(tmp_path: Path) -> None:
    script = Script()
    script.say("node_started", rounds=0)
    path = write(tmp_path / "a.jsonl", script)
    line = encode_line(script.say("link_opened", peer=ANA))
    with path.open("ab", buffering=0) as file:
        file.write(line[:60])

        async def look(app: TopApp, pilot: Pilot[None]) -> None:
            app.poll()
            assert "links 0 of 0 up" in see(app)
            assert "damaged" not in see(app)
            file.write(line[60:])
            await wait_until(app, pilot, "links 0 of 1 up")

        drive(path, look)


def test_a_rotated_log_is_read_on_and_one_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", make_busy())

    async def look(app: TopApp, pilot: Pilot[None]) -> None:
        path.rename(tmp_path / "a.1.jsonl")
        path.symlink_to(path)  # in a circle
        await wait_until(app, pilot, "cannot read")
        path.unlink()
        script = Script(t_ms=NOW_MS + 50_000)
        script.say("node_started", rounds=0)
        script.say("link_opened", peer=b"\xdd" * 32)
        write(path, script)
        await wait_until(app, pilot, "dddddddd")
        await wait_until(app, pilot, "30 in all")
        assert "cannot read" not in see(app)

    drive(path, look, size=WIDE)


def test_p_holds_the_screen_and_lets_it_go_on(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with EventLog(path, get_time_ms=lambda: NOW_MS) as log:
        log.append("node_started", peer=ME, fields={"rounds": 0})

        async def look(app: TopApp, pilot: Pilot[None]) -> None:
            await pilot.press("p")
            assert "SCREEN PAUSED" in see(app)
            log.append("link_opened", peer=ANA)
            app.poll()
            await pilot.pause()
            assert "links 0 of 0 up" in see(app)
            await pilot.press("p")
            await pilot.pause()
            assert "SCREEN PAUSED" not in see(app)
            assert "links 1 of 1 up" in see(app)

        drive(path, look)


def test_a_filter_leaves_what_holds_its_text_and_escape_ends_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", make_busy())

    async def look(app: TopApp, pilot: Pilot[None]) -> None:
        await pilot.press("slash", *"BBBB", "enter")
        await pilot.pause()
        assert [app.query_one(name, Pane).row_count for name in ("#links", "#rounds")] == [1, 0]
        assert "only what holds 'bbbb'" in see(app)
        assert "round_opened" not in see(app)
        assert "dial_failed" in see(app)
        assert not app.query_one(Input).display
        await pilot.press("escape")
        await pilot.pause()
        assert [app.query_one(name, Pane).row_count for name in ("#links", "#rounds")] == [2, 31]
        assert "only what holds" not in see(app)
        assert "receipt_damaged" in see(app)

    drive(path, look)


def test_arrows_move_and_tab_goes_to_the_next_pane(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", make_busy())

    async def look(app: TopApp, pilot: Pilot[None]) -> None:
        rounds, troubles = app.query_one("#rounds", Pane), app.query_one("#troubles", Pane)
        assert rounds.has_focus
        await pilot.press("down", "down")
        assert rounds.cursor_row == 2
        app.poll()
        assert rounds.cursor_row == 2
        await pilot.press("tab", "down")
        assert (troubles.has_focus, troubles.cursor_row, rounds.show_cursor) == (True, 1, False)

    drive(path, look)


def test_q_quits_but_is_a_letter_while_a_filter_is_typed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", make_busy())

    async def look(app: TopApp, pilot: Pilot[None]) -> None:
        await pilot.press("slash", "q")
        assert app.query_one(Input).value == "q"
        await pilot.press("escape", "q")
        await pilot.pause()
        assert app.return_code == 0
        assert not app.is_running

    drive(path, look)


def test_what_comes_from_outside_is_text_not_markup(tmp_path: Path) -> None:
    script = Script()
    script.say("node_started", rounds=0)
    script.say("link_opened", peer=ANA)
    script.say("link_closed", peer=ANA, reason="[red]bold[/red] \x1b[2J [@click=app.quit]x[/]")
    path = write(tmp_path / "a.jsonl", script)

    async def look(app: TopApp, pilot: Pilot[None]) -> None:
        assert "[red]bold[/red]" in see(app)
        assert "\x1b" not in see(app)

    drive(path, look, size=WIDE)


def test_the_log_pane_keeps_its_last_lines_only(tmp_path: Path) -> None:
    script = Script()
    for number in range(LINES_MAX + 100):
        script.say("node_started", rounds=number)
    path = write(tmp_path / "a.jsonl", script)

    async def look(app: TopApp, pilot: Pilot[None]) -> None:
        assert len(app.query_one(RichLog).lines) == LINES_MAX
        assert f"rounds {LINES_MAX + 99}" in see(app)

    drive(path, look)
