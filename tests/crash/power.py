"""What a power cut may leave of what a process wrote: the synced part, and any piece of the rest.

A file's data counts as on disk once the file was synced, and a name once its directory was; both may be
there earlier, in any order. So from the recorded calls up to a point follow many states: nothing that was not
synced, all of it, all of one file, every beginning of it with the last write torn, everything but one call.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from tests.crash.tracer import Call

Files = dict[str, bytes]


@dataclass(frozen=True)
class Op:
    """A change that is not on disk yet.

    Attributes:
        inode: Of the file, for data; of the directory, for names.
        call: What was called; for names: openat, mkdir, rename or unlink.
        target: The inode that a name stands for.
    """

    inode: int
    call: Call
    target: int = -1

    @property
    def is_data(self) -> bool:
        return self.call.name in ("write", "pwrite64", "ftruncate")


@dataclass
class Disk:
    """Names and data that are on disk, changes that are not, and what a running process sees.

    Directories are inodes as well, 0 the one that is watched; they have no data.
    """

    names: dict[str, int] = field(default_factory=lambda: {"": 0})
    data: dict[int, bytes] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=lambda: {"": 0})
    waiting: list[Op] = field(default_factory=list)
    count: int = 0

    def take(self, call: Call) -> None:
        """Let a call that succeeded happen."""
        parent = self._find_parent(call.path)
        match call.name:
            case "openat" | "mkdir":
                if call.path not in self.seen:
                    self.count += 1
                    self.seen[call.path] = self.count
                    if call.name == "openat":
                        self.data[self.count] = b""
                    self.waiting.append(Op(parent, call, self.count))
            case "rename":
                moved = self.seen.pop(call.path)
                self.seen[call.target] = moved
                self.waiting.append(Op(parent, call, moved))
            case "unlink":
                self.waiting.append(Op(parent, call, self.seen.pop(call.path)))
            case "write" | "pwrite64" | "ftruncate":
                self.waiting.append(Op(self.seen[call.path], call))
            case "fsync" | "fdatasync":
                inode = self.seen[call.path]
                for op in self.waiting:
                    if op.inode == inode:
                        _apply(op, self.names, self.data)
                self.waiting = [op for op in self.waiting if op.inode != inode]
            case "fchmod":
                pass
            case _:
                raise AssertionError(f"{call.name}: what it leaves on disk is not modelled")

    def _find_parent(self, path: str) -> int:
        """Return a path's directory; one that nobody made was there before, and is on disk."""
        parent = _get_parent(path)
        if parent not in self.seen:
            self.count += 1
            self.names[parent] = self.seen[parent] = self.count
        return self.seen[parent]

    def show(self, kept: Sequence[Op], *, torn: Op | None = None) -> Files:
        """Return the files that are there after a power cut which left these changes."""
        names, data = dict(self.names), dict(self.data)
        for op in kept:
            _apply(op, names, data)
        if torn is not None:
            _apply(torn, names, data, is_torn=True)
        return {
            name: data[inode]
            for name, inode in names.items()
            if inode in data and _get_parent(name) in names  # a file whose directory is gone is gone
        }


def _get_parent(path: str) -> str:
    parent = str(PurePath(path).parent)
    return "" if parent == "." else parent


def _apply(op: Op, names: dict[str, int], data: dict[int, bytes], *, is_torn: bool = False) -> None:
    call = op.call
    match call.name:
        case "openat" | "mkdir":
            names[call.path] = op.target
        case "rename":
            names.pop(call.path, None)
            names[call.target] = op.target
        case "unlink":
            names.pop(call.path, None)
        case "ftruncate":
            data[op.inode] = data[op.inode][: call.offset].ljust(call.offset, b"\0")
        case _:
            piece = call.data[: len(call.data) // 2] if is_torn else call.data
            before = data[op.inode].ljust(call.offset, b"\0")
            data[op.inode] = before[: call.offset] + piece + before[call.offset + len(piece) :]


@dataclass(frozen=True)
class PowerCut:
    """A state that a power cut may leave, and how.

    Attributes:
        before: Which call it comes.
        what: Changes had got to the disk.
        acknowledged: Writes that had been reported as durable.
        files: What is there.
    """

    before: int
    what: str
    acknowledged: int
    files: Files


def list_power_cuts(
    calls: Sequence[Call], acknowledged: Sequence[int], *, is_thorough: bool = False
) -> Iterator[PowerCut]:
    """Yield every different state that a power cut may leave, as far as `Disk` goes.

    Args:
        calls: All calls of a run, each with its data; those that failed are passed over.
        acknowledged: By write, the number of calls before it was reported as durable.
        is_thorough: Leave out each single change at every point, not only where the next call syncs.
    """
    disk, known = Disk(), set[tuple[int, tuple[tuple[str, bytes], ...]]]()
    for before in range(len(calls) + 1):
        count = sum(calls_before <= before for calls_before in acknowledged)
        is_last = before == len(calls) or calls[before].name in ("fsync", "fdatasync")
        for what, files in _list_states(disk, with_gaps=is_thorough or is_last):
            key = count, tuple(sorted(files.items()))
            if key not in known:
                known.add(key)
                yield PowerCut(before, what, count, files)
        if before < len(calls) and (calls[before].result or 0) >= 0:
            disk.take(calls[before])


def replay(calls: Sequence[Call]) -> Files:
    """Return what a process that is killed after these calls leaves: all that it did."""
    disk = Disk()
    for call in calls:
        disk.take(call)
    return disk.show(disk.waiting)


def _list_states(disk: Disk, *, with_gaps: bool) -> Iterator[tuple[str, Files]]:
    waiting = disk.waiting
    yield "nothing that was not synced", disk.show([])
    for count, op in enumerate(waiting):
        if op.is_data and len(op.call.data) > 1:
            yield f"{count} changes and a half", disk.show(waiting[:count], torn=op)
        yield f"{count + 1} changes", disk.show(waiting[: count + 1])
    for inode in dict.fromkeys(op.inode for op in waiting):
        yield "one file alone", disk.show([op for op in waiting if op.inode == inode])
        yield "all but one file", disk.show([op for op in waiting if op.inode != inode])
    if with_gaps:
        for op in waiting:
            yield "all but one change", disk.show([other for other in waiting if other is not op])
