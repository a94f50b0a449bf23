"""The live screen of `peerage top`: the only file that imports Textual, loaded when there is a screen."""

from collections.abc import Sequence
from typing import ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.coordinate import Coordinate
from textual.widgets import DataTable, Footer, Input, RichLog, Static

from consensus.errors import PeerageError
from swarm.cli.render import clean_terminal
from swarm.cli.top_feed import LINES_MAX, Feed
from swarm.cli.top_words import (
    LINK_COLUMNS,
    ROUND_COLUMNS,
    TROUBLE_COLUMNS,
    Column,
    Row,
    describe_counts,
    describe_peer,
    describe_remedy,
    make_link_rows,
    make_round_rows,
    make_trouble_rows,
)

POLL_S: Final = 0.5
POLL_LINES_MAX: Final = 5_000  # a moment's work, so that keys are heard while a log is caught up with
WIDE_COLUMNS: Final = 120
BAD_STYLE: Final = "bold red"
TALL_ROW: Final = 2  # of faults: what, and below it what to do


class Pane(DataTable[Text]):
    """A table whose rows are set as a whole; what did not change is not drawn again.

    Args:
        id: Its name in the style sheet.
        title: What it shows.
        columns: Their heads and widths; fixed, so that nothing moves as rows come and go.
        row_height: Lines a row.
    """

    def __init__(self, *, id: str, title: str, columns: Sequence[Column], row_height: int = 1) -> None:
        super().__init__(id=id, cursor_type="row", zebra_stripes=True, show_cursor=False)
        self.border_title = title
        self._columns = columns
        self._row_height = row_height
        self._shown: list[Row] = []

    def on_mount(self) -> None:
        """Make the columns."""
        for column in self._columns:
            self.add_column(column.head, width=column.width)

    def on_focus(self) -> None:
        """Show where the arrows are."""
        self.show_cursor = True

    def on_blur(self) -> None:
        """Hide the cursor: it would cover a row's colour."""
        self.show_cursor = False

    def show(self, rows: list[Row]) -> None:
        """Show these rows, with the cursor where it was."""
        if len(rows) != len(self._shown):
            at = self.cursor_row
            self.clear()
            for row in rows:
                self.add_row(*_make_cells(row), height=self._row_height)
            self.move_cursor(row=at)
        else:
            for number, (row, before) in enumerate(zip(rows, self._shown, strict=True)):
                if row != before:
                    for column, cell in enumerate(_make_cells(row)):
                        self.update_cell_at(Coordinate(number, column), cell)
        self._shown = rows


def _make_cells(row: Row) -> list[Text]:
    return [Text(cell, style=BAD_STYLE if row.is_bad else "") for cell in row.cells]


class TopApp(App[None]):
    """Draws a feed, and reads on twice a second.

    Args:
        feed: What is shown; read once already.
    """

    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE_COLUMNS, "-wide")]  # noqa: RUF012 - as Textual declares it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("p", "pause", "Pause"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("escape", "clear_filter", "Show all"),
        Binding("tab", "app.focus_next", "Next pane"),
    ]
    CSS = """
    #summary { height: auto; max-height: 6; padding: 0 1; }
    #panes { layout: grid; grid-size: 1 4; grid-rows: 4 6fr 5fr 5fr; height: 1fr; }
    .-wide #panes { grid-size: 2 2; grid-rows: 1fr 1fr; }
    #panes > * { height: 100%; border-top: solid $primary; scrollbar-size: 0 1; }
    #panes > *:focus { border-top: heavy $accent; }
    #filter { display: none; height: 3; }
    #filter.asked { display: block; }
    """

    def __init__(self, feed: Feed) -> None:
        super().__init__()
        self._feed = feed
        self._is_paused = False
        self._wanted = ""
        self._failure = ""
        self._logged = 0

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield Static(id="summary", markup=False)
        with Container(id="panes"):
            yield Pane(id="links", title="links", columns=LINK_COLUMNS)
            yield Pane(id="rounds", title="rounds", columns=ROUND_COLUMNS)
            yield Pane(
                id="troubles", title="faults and penalties", columns=TROUBLE_COLUMNS, row_height=TALL_ROW
            )
            lines = RichLog(id="lines", max_lines=LINES_MAX, markup=False, highlight=False, wrap=False)
            lines.border_title = "log"
            yield lines
        yield Input(None, "show only what holds this text; Enter keeps it, Escape ends it", id="filter")
        yield Footer()

    def on_mount(self) -> None:
        """Draw what is there, and go on from now on."""
        self.query_one("#rounds", Pane).focus()
        self.draw()
        self.set_interval(POLL_S, self.poll)

    def poll(self) -> None:
        """Read what is new and draw it; nothing while the screen is paused."""
        if self._is_paused:
            return
        try:
            self._feed.read(lines_max=POLL_LINES_MAX)
            self._failure = ""
        except PeerageError as exc:  # shown, and tried again: a log that is rotated may be back in a moment
            self._failure = f"{exc.message}; try: {exc.remedy}"
        self.draw()

    def draw(self) -> None:
        """Draw everything as it is now."""
        if not self.query("#summary"):
            return  # it is being taken down: timers outlive widgets for a moment
        try:
            shown = self._feed.get_snapshot()
        except PeerageError as exc:
            self._failure = f"{exc.message}; try: {exc.remedy}"
            self._draw_summary(Text())
            return
        remedy = describe_remedy(shown)
        text = Text.assemble((describe_peer(shown), BAD_STYLE if remedy else "bold"))
        if remedy:
            text.append("\n" + remedy, style=BAD_STYLE)
        text.append("\n" + describe_counts(shown, damaged=self._feed.damaged))
        self._draw_summary(text)
        for name, rows in (
            ("links", make_link_rows(shown)),
            ("rounds", make_round_rows(shown)),
            ("troubles", make_trouble_rows(shown)),
        ):
            self.query_one(f"#{name}", Pane).show([row for row in rows if row.fits(self._wanted)])
        self._draw_lines()

    def _draw_summary(self, text: Text) -> None:
        notes = ["SCREEN PAUSED, the peer goes on: p"] if self._is_paused else []
        notes += [f"only what holds {clean_terminal(self._wanted)!r}"] if self._wanted else []
        if notes:
            text.append("\n" + "; ".join(notes), style="reverse")
        if self._failure:
            text.append("\n" + clean_terminal(self._failure), style=BAD_STYLE)
        self.query_one("#summary", Static).update(text)

    def _draw_lines(self) -> None:
        """Write the lines that have come since the last time."""
        new = min(self._feed.lines_seen - self._logged, len(self._feed.lines))
        self._logged = self._feed.lines_seen
        log = self.query_one("#lines", RichLog)
        for line in list(self._feed.lines)[len(self._feed.lines) - new :]:
            if self._wanted in line.lower():
                log.write(Text(line))

    # -- keys --------------------------------------------------------------------------------------

    def action_pause(self) -> None:
        """Leave the screen as it is, or go on."""
        self._is_paused = not self._is_paused
        self.poll()
        self.draw()

    def action_filter(self) -> None:
        """Ask for a text to show only what holds it."""
        box = self.query_one("#filter", Input)
        box.add_class("asked")
        box.focus()

    def action_clear_filter(self) -> None:
        """Show everything again."""
        self.query_one("#filter", Input).value = ""
        self._close_filter()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show only what holds the text typed so far."""
        self._wanted = event.value.lower()
        self.query_one("#lines", RichLog).clear()
        self._logged = 0
        self.draw()

    def on_input_submitted(self) -> None:
        """Keep the filter, and go back to the panes."""
        self._close_filter()

    def _close_filter(self) -> None:
        self.query_one("#filter", Input).remove_class("asked")
        self.query_one("#rounds", Pane).focus()


def run_top(feed: Feed) -> None:
    """Draw a feed until the user quits."""
    TopApp(feed).run()
