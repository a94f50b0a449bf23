"""Live progress on stderr: one line a phase, and on a terminal a line that counts the seconds."""

import sys
import time

import trio

from consensus.phases import Phase
from swarm.cli.render import clean_terminal, echo_note
from swarm.edge.client import Progress, ProgressKind

WORDS = {
    Phase.COMMITTING: "thinking",
    Phase.REVEALING: "sealed, revealing",
    Phase.VOTING: "revealed, agreeing on what counts",
    Phase.CLOSED: "certified",
}
TICK_S = 0.25


class ProgressLine:
    """Shows how far a round is; the furthest peer sets the pace."""

    def __init__(self) -> None:
        self._furthest = (-1, Phase.COMMITTING)
        self._current = ""
        self._since = time.monotonic()
        self._is_terminal = sys.stderr is not None and sys.stderr.isatty()

    def restart(self) -> None:
        """Begin with a new question."""
        self._furthest, self._current = (-1, Phase.COMMITTING), ""

    def note(self, text: str) -> None:
        """Show a stage of its own."""
        self._erase()
        echo_note(f"· {text}")

    def on_progress(self, progress: Progress) -> None:
        """Show what the asker's links bring."""
        match progress.kind:
            case ProgressKind.PHASE:
                self._on_phase(progress)
            case ProgressKind.UNLINKED:
                self.note(f"peer {progress.peer.hex()[:8]} left: {clean_terminal(progress.reason)}")
            case ProgressKind.REFUSED | ProgressKind.LIED:
                self.note(f"peer {progress.peer.hex()[:8]}: {clean_terminal(progress.reason)}")
            case ProgressKind.LINKED:
                pass  # how many are up is said once, when the swarm is

    def _on_phase(self, progress: Progress) -> None:
        reached = (progress.step, progress.phase)
        if reached <= self._furthest:
            return
        self._furthest = reached
        name = "answers" if progress.step == 0 else f"ballots {progress.step}"
        count = f" ({progress.seats} seats)" if progress.seats else ""
        self._current, self._since = f"{name}: {WORDS[progress.phase]}{count}", time.monotonic()
        self.note(self._current)

    async def tick(self) -> None:
        """Count seconds on a terminal until cancelled; elsewhere do nothing."""
        while self._is_terminal:
            await trio.sleep(TICK_S)
            if self._current:
                waited = time.monotonic() - self._since
                sys.stderr.write(f"\r\x1b[K  {self._current} {waited:.0f} s")
                sys.stderr.flush()

    def finish(self) -> None:
        """Leave the line clean."""
        self._current = ""
        self._erase()

    def _erase(self) -> None:
        if self._is_terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
