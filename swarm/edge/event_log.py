"""The event log: what happened, in order; the one source of terminal view, web page, reports and replay.

A file of JSON Lines that only grows; where a log is to stay within bounds, a full file is put aside and a new
one takes its place (`swarm.edge.log_rotation`). Each line carries `schema`, `seq`, `t_ms`, `round`, `peer`,
`event` and the event's own fields. Lines are not synced: what must survive a power cut is in the store. A
line is one write; one that was cut short by a crash is taken off when the log is opened again, and skipped
by `swarm.edge.events.read_events`.

Texts of prompts and answers are left out unless the log was opened with `keep_texts`; their sizes stay.
"""

import fcntl
import math
import os
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import trio

from consensus.errors import LimitExceeded, StoreError
from swarm.edge.events import (
    ENVELOPE,
    GAP_EVENT,
    LINE_BYTES_MAX,
    SCHEMA,
    Event,
    Json,
    decode_line,
    encode_line,
)
from swarm.edge.log_rotation import (
    AGAIN_SHARE,
    RotationLimits,
    begin_next_file,
    is_at,
    list_old_files,
    remove_oldest,
    take_off_old_name,
)
from swarm.edge.paths import DATA_DIR_VARIABLE, create_private_file, sync_directory

RING_EVENTS_MAX = 1_024
SUBSCRIBER_EVENTS_MAX = RING_EVENTS_MAX
SUBSCRIBERS_MAX = 64
LOCK_TRIES = 20
LOCK_AGAIN_S = 0.005  # who looks whether a log is being written holds its lock for less than that

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LINE_START = f'{{"schema":"{SCHEMA}"'.encode()
_TAIL_BYTES = 2 * (LINE_BYTES_MAX + 1)  # a torn line and the whole one before it


class Subscription(trio.abc.ReceiveChannel[Event]):
    """Live events for one reader; who reads too slowly loses the oldest and is told how many."""

    def __init__(self, on_close: Callable[["Subscription"], None]) -> None:
        self._waiting: deque[Event] = deque()
        self._lost = 0
        self._has_ended = False
        self._is_closed = False
        self._parked = trio.lowlevel.ParkingLot()
        self._on_close = on_close

    async def receive(self) -> Event:
        """Return the next event, or a gap event before it.

        Raises:
            trio.EndOfChannel: The log was closed and everything has been read.
            trio.ClosedResourceError: This subscription was closed.
        """
        await trio.lowlevel.checkpoint()
        while not self._waiting:
            if self._is_closed:
                raise trio.ClosedResourceError
            if self._has_ended:
                raise trio.EndOfChannel
            await self._parked.park()
        if self._lost:
            following = self._waiting[0]
            fields = {"lost": self._lost}
            gap = Event(seq=following.seq - self._lost, t_ms=following.t_ms, event=GAP_EVENT, fields=fields)
            self._lost = 0
            return gap
        return self._waiting.popleft()

    async def aclose(self) -> None:
        """Stop receiving; closing twice is allowed."""
        self._is_closed = True
        self._waiting.clear()
        self._on_close(self)
        self._parked.unpark_all()
        await trio.lowlevel.checkpoint()

    def _offer(self, event: Event) -> None:
        self._waiting.append(event)
        if len(self._waiting) > SUBSCRIBER_EVENTS_MAX:
            self._waiting.popleft()
            self._lost += 1
        self._parked.unpark_all()

    def _end(self) -> None:
        self._has_ended = True
        self._parked.unpark_all()


class EventLog:
    """Writes events to a file, keeps the latest in memory, feeds subscribers. For one Trio thread.

    A disk that refuses does not stop the node: the events stay in memory as far as the ring reaches,
    `failure` says what is wrong, and once the disk takes writes again a gap event counts what the file
    lacks. A full file that cannot be rotated grows on, and is tried again after a while.

    Args:
        path: The file, made with mode 0600 and continued if it exists; None keeps events in memory only.
        get_time_ms: Wall clock, milliseconds since 1970.
        keep_texts: Whether texts of prompts and answers are written.
        limits: How large the log may become before its oldest file is removed; None keeps one file whole.

    Raises:
        StoreError: The file cannot be made, or what it holds is no event log.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        get_time_ms: Callable[[], int],
        keep_texts: bool = False,
        limits: RotationLimits | None = None,
    ) -> None:
        self.failure: StoreError | None = None
        self._path = path
        self._get_time_ms = get_time_ms
        self._keep_texts = keep_texts
        self._ring: deque[Event] = deque(maxlen=RING_EVENTS_MAX)
        self._subscriptions: list[Subscription] = []
        self._unwritten = 0
        self._seq = 0
        self._size_bytes = 0
        self._limits = limits
        self._full_bytes = math.inf if limits is None else limits.bytes_max
        self._unrotated: StoreError | None = None
        self._descriptor: int | None = None
        if path is not None:
            self._open(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def next_seq(self) -> int:
        """The place that the next event will have."""
        return self._seq

    def append(
        self,
        event: str,
        *,
        round_id: bytes | None = None,
        peer: bytes | None = None,
        texts: Mapping[str, str] | None = None,
        fields: Mapping[str, Json] | None = None,
    ) -> Event:
        """Note that something happened.

        Args:
            event: Its name, snake case, past tense.
            round_id: The round it belongs to.
            peer: The public key of the peer it concerns.
            texts: Prompts and answers by field name; without `keep_texts` only `<name>_chars` is kept.
            fields: What else there is to say; no texts of users in here.

        Returns:
            The event as noted.

        Raises:
            LimitExceeded: The line would be longer than `LINE_BYTES_MAX`.
        """
        assert _NAME.fullmatch(event), event
        noted: dict[str, Json] = dict(fields or {})
        for name, text in (texts or {}).items():
            noted |= {name: text} if self._keep_texts else {f"{name}_chars": len(text)}
        assert not any(name in noted for name in ENVELOPE), noted
        made = Event(
            seq=self._seq,
            t_ms=self._get_time_ms(),
            event=event,
            round_id=round_id,
            peer=peer,
            fields=noted,
        )
        line = encode_line(made)
        self._seq += 1
        self._ring.append(made)
        for subscription in self._subscriptions:
            subscription._offer(made)
        if self._descriptor is not None:
            self._write(made, line)
        return made

    def subscribe(self, *, after_seq: int | None = None) -> Subscription:
        """Return a channel of events to come.

        Args:
            after_seq: Begin with the events in memory beyond this place; None begins with the next one.
                What memory no longer holds is reported as a gap.

        Raises:
            LimitExceeded: `SUBSCRIBERS_MAX` are subscribed already.
        """
        if len(self._subscriptions) >= SUBSCRIBERS_MAX:
            raise LimitExceeded(f"the event log has {SUBSCRIBERS_MAX} subscribers, which is its limit")
        subscription = Subscription(self._forget)
        if after_seq is not None:
            replayed = [event for event in self._ring if event.seq > after_seq]
            first_seq = replayed[0].seq if replayed else self._seq
            subscription._lost = max(0, first_seq - after_seq - 1)
            for event in replayed:
                subscription._offer(event)
        self._subscriptions.append(subscription)
        return subscription

    def close(self) -> None:
        """End every subscription and let go of the file; closing twice is allowed."""
        for subscription in self._subscriptions:
            subscription._end()
        self._subscriptions = []
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _forget(self, subscription: Subscription) -> None:
        self._subscriptions = [other for other in self._subscriptions if other is not subscription]

    def _open(self, path: Path) -> None:
        create_private_file(path)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as exc:
            raise _unwritable(path, exc) from exc
        try:
            _lock(descriptor)
            if not is_at(path, descriptor):
                raise BlockingIOError  # who wrote it has gone on to the next file meanwhile
            take_off_old_name(path, descriptor)
            self._resume(path, descriptor)
        except BlockingIOError as exc:
            os.close(descriptor)
            raise StoreError(f"{path} is being written by another process") from exc
        except OSError as exc:
            os.close(descriptor)
            raise _unwritable(path, exc) from exc
        except StoreError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def _resume(self, path: Path, descriptor: int) -> None:
        """Find the place to go on from, and take off a line that a crash cut short."""
        size = os.fstat(descriptor).st_size
        tail = os.pread(descriptor, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
        whole, _, torn = tail.rpartition(b"\n")
        self._seq = max((file.end_seq for file in list_old_files(path)), default=0)
        if whole:
            last = decode_line(whole.rpartition(b"\n")[2], path=path, place="the last line")
            self._seq = max(self._seq, last.next_seq)
        if not torn.startswith(_LINE_START[: len(torn)]):
            raise StoreError(f"{path} is no event log", remedy="move that file away to begin a new log")
        self._size_bytes = size - len(torn)
        os.ftruncate(descriptor, self._size_bytes)

    def _write(self, event: Event, line: bytes) -> None:
        assert self._path is not None
        data, end_seq = line, event.seq - self._unwritten
        if self._unwritten:
            lost = {"lost": self._unwritten}
            data = encode_line(Event(seq=end_seq, t_ms=event.t_ms, event=GAP_EVENT, fields=lost)) + line
        if self._size_bytes and self._size_bytes + len(data) > self._full_bytes:
            self._rotate(self._path, end_seq)
        assert self._descriptor is not None
        try:
            _write_whole(self._descriptor, data, self._size_bytes)
        except OSError as exc:
            self._unwritten += 1
            self.failure = _unwritable(self._path, exc)
            return
        self._size_bytes += len(data)
        self._unwritten = 0
        self.failure = self._unrotated

    def _rotate(self, path: Path, end_seq: int) -> None:
        """Go on in a new file, or in the full one where the disk refuses."""
        assert self._limits is not None
        assert self._descriptor is not None
        full = self._descriptor
        try:
            self._descriptor = begin_next_file(path, full, end_seq=end_seq)
        except OSError as exc:
            self._unrotated = _unrotatable(path, exc)
            self._full_bytes = self._size_bytes + self._limits.bytes_max / AGAIN_SHARE
            return
        self._size_bytes, self._full_bytes = 0, self._limits.bytes_max
        self._unrotated = None
        try:
            os.close(full)
            sync_directory(path.parent)
            remove_oldest(path, files_kept=self._limits.files_kept)
        except OSError as exc:
            self._unrotated = _unrotatable(path, exc)


def _lock(descriptor: int) -> None:
    """Become the file's only writer.

    Raises:
        BlockingIOError: Another one writes it.
    """
    for _ in range(LOCK_TRIES):
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_AGAIN_S)
    return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _write_whole(descriptor: int, data: bytes, offset: int) -> None:
    """Write `data` at `offset`, which is the file's end, or leave the file as it was."""
    done = 0
    try:
        while done < len(data):
            done += os.pwrite(descriptor, data[done:], offset + done)
    except OSError:
        if done:
            os.ftruncate(descriptor, offset)
        raise


def _unrotatable(path: Path, exc: OSError) -> StoreError:
    return StoreError(
        f"cannot rotate the event log {path} ({exc.strerror}), so it grows on",
        remedy="free space on that disk, and make its directory writable",
    )


def _unwritable(path: Path, exc: OSError) -> StoreError:
    return StoreError(
        f"cannot write the event log {path} ({exc.strerror})",
        remedy=f"free space on that disk, or set {DATA_DIR_VARIABLE} to another directory",
    )
