"""Counts the system calls with which a process changes files, and strikes at one of them: kill, tear or fail.

A seccomp filter stops the traced threads at those calls only, so everything else runs at full speed; ptrace
reads the call, and may end the process before it, cut it short, or have it fail. Calls are numbered over all
threads in the order in which the kernel takes them. Only files under one directory count.

Linux on x86-64, 4.8 or later. The tracer must have one thread: it runs in a process of its own.
"""

import ctypes
import errno
import os
import platform
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final, NoReturn

SYSCALLS: Final = {
    0x01: "write",
    0x02: "open",
    0x12: "pwrite64",
    0x14: "writev",
    0x1A: "msync",
    0x28: "sendfile",
    0x4A: "fsync",
    0x4B: "fdatasync",
    0x4C: "truncate",
    0x4D: "ftruncate",
    0x52: "rename",
    0x53: "mkdir",
    0x54: "rmdir",
    0x55: "creat",
    0x56: "link",
    0x57: "unlink",
    0x5A: "chmod",
    0x5B: "fchmod",
    0x101: "openat",
    0x102: "mkdirat",
    0x107: "unlinkat",
    0x108: "renameat",
    0x109: "linkat",
    0x10C: "fchmodat",
    0x115: "sync_file_range",
    0x11D: "fallocate",
    0x128: "pwritev",
    0x13C: "renameat2",
    0x146: "copy_file_range",
    0x148: "pwritev2",
}
"""What changes files, x86-64. A write through a shared mapping would escape: SQLite makes none here, because
in exclusive locking mode the index of its log lives in memory; msync is here to notice where that changes."""

BY_DESCRIPTOR: Final = frozenset(
    {"write", "pwrite64", "writev", "fsync", "fdatasync", "ftruncate", "fchmod", "fallocate", "pwritev"}
    | {"pwritev2", "sync_file_range", "sendfile"}
)
WITH_DATA: Final = frozenset({"write", "pwrite64"})
STDOUT: Final = 1  # what the traced process says there is noted between its calls, and is no call itself

PTRACE_TRACEME, PTRACE_CONT, PTRACE_GETREGS, PTRACE_SETREGS, PTRACE_SYSCALL = 0, 7, 12, 13, 24
PTRACE_SETOPTIONS: Final = 0x4200
OPTIONS: Final = (
    0x01 | 0x02 | 0x04 | 0x08 | 0x10 | 0x80 | 0x100000
)  # syscalls, forks, exec, seccomp, exit-kill
EVENT_SECCOMP: Final = 7
WALL: Final = 0x40000000
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
SECCOMP_RET_TRACE, SECCOMP_RET_ALLOW = 0x7FF00000, 0x7FFF0000
PATH_BYTES_MAX: Final = 4_096
AT_FDCWD: Final = -100


_REGISTERS = (
    *("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi"),
    *("orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs"),
)


class _Registers(ctypes.Structure):
    """The kernel's `user_regs_struct`."""

    _fields_ = [(name, ctypes.c_ulonglong) for name in _REGISTERS]

    def get(self, name: str) -> int:
        return int(getattr(self, name))


class Blow(Enum):
    """What happens at a call."""

    KILL = "kill"  # the process ends before it
    TEAR = "tear"  # it ends after a part of it
    FAIL = "fail"  # this call fails, the next ones do not
    STAY_FULL = "stay full"  # this call and every later one that needs room or syncs fails


@dataclass(frozen=True)
class Strike:
    """A blow at a call, counted from 0."""

    blow: Blow
    at: int
    error: int = errno.ENOSPC


@dataclass
class Call:
    """A call that changes a file; paths are relative to the directory that is watched."""

    name: str
    path: str
    target: str = ""  # the new name of a rename
    offset: int = 0  # of a write; the size for ftruncate
    data: bytes = b""
    result: int | None = None  # None where the process did not live to see it


@dataclass
class Trace:
    """What a process did until its end.

    Attributes:
        calls: In order.
        said: What it wrote to standard output, each with the number of calls before it.
        status: As `os.waitpid` gives it.
    """

    calls: list[Call] = field(default_factory=list)
    said: list[tuple[int, bytes]] = field(default_factory=list)
    status: int = 0

    @property
    def was_killed(self) -> bool:
        return os.WIFSIGNALED(self.status) and os.WTERMSIG(self.status) == signal.SIGKILL


def ask_obstacle() -> str:
    """Have a process of its own find out why this machine cannot trace; empty where it can."""
    command = [sys.executable, "-m", "tests.crash.tracer"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip()[-300:]


def get_obstacle() -> str:
    """Return why this process cannot trace; empty where it can."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"needs Linux on x86-64, this is {sys.platform} on {platform.machine()}"
    if len(os.listdir("/proc/self/task")) != 1:  # noqa: PTH208 - names are enough
        return "a tracer must have one thread"
    try:
        trace = trace_fork(lambda: None, Path("/nonexistent"))
    except OSError as exc:
        return f"ptrace or seccomp is not allowed here ({exc.strerror})"
    return "" if trace.status == 0 else f"the traced process ended with {trace.status}"


def trace_fork(body: Callable[[], None], directory: Path, strike: Strike | None = None) -> Trace:
    """Run `body` in a fork of this process, traced; returns when the fork has ended.

    Raises:
        OSError: This machine does not let us trace.
    """

    def run() -> NoReturn:
        body()
        sys.stdout.flush()
        os._exit(0)

    return _trace(run, directory, strike)


def trace_command(command: list[str], directory: Path, strike: Strike | None = None) -> Trace:
    """Run a command, traced, with this process's standard streams.

    Raises:
        OSError: This machine does not let us trace.
    """

    def run() -> NoReturn:
        os.execv(command[0], command)

    return _trace(run, directory, strike)


def _trace(run: Callable[[], NoReturn], directory: Path, strike: Strike | None) -> Trace:
    child = os.fork()
    if child == 0:
        try:
            _call(PTRACE_TRACEME, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            _install_filter()
            run()
        finally:  # whatever it raised has been printed by nobody: the status says it
            os._exit(113)
    return _Tracer(child, directory, strike).run()


def _install_filter() -> None:
    """Have the kernel stop this process, and every thread it makes, at the calls of SYSCALLS."""
    count = len(SYSCALLS)
    lines = [struct.pack("HBBI", 0x20, 0, 0, 0)]  # the number of the call
    for place, number in enumerate(SYSCALLS):
        lines.append(struct.pack("HBBI", 0x15, count - place, 0, number))
    lines.append(struct.pack("HBBI", 0x06, 0, 0, SECCOMP_RET_ALLOW))
    lines.append(struct.pack("HBBI", 0x06, 0, 0, SECCOMP_RET_TRACE))
    code = ctypes.create_string_buffer(b"".join(lines))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(lines), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.ptrace.restype = ctypes.c_long
_LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def _call(request: int, pid: int, data: object = None) -> None:
    if _LIBC.ptrace(request, pid, None, data) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class _Tracer:
    def __init__(self, child: int, directory: Path, strike: Strike | None) -> None:
        self._child = child
        self._root = f"{directory}/"
        self._strike = strike
        self._trace = Trace()
        self._inside: dict[int, Call] = {}  # by thread: the call it is in
        self._dies: set[int] = set()  # threads whose call is the last thing the process does

    def run(self) -> Trace:
        _, status = os.waitpid(self._child, 0)
        if not os.WIFSTOPPED(status):
            raise OSError(errno.EPERM, "ptrace")
        _call(PTRACE_SETOPTIONS, self._child, OPTIONS)
        _call(PTRACE_CONT, self._child)
        while True:
            pid, status = os.waitpid(-1, WALL)
            if os.WIFSTOPPED(status):
                self._resume(pid, status)
            elif pid == self._child:
                self._trace.status = status
                return self._trace

    def _resume(self, pid: int, status: int) -> None:
        stop, event = os.WSTOPSIG(status), status >> 16
        request, sent = PTRACE_CONT, 0
        try:
            if event == EVENT_SECCOMP:
                request = self._enter(pid)
            elif stop == signal.SIGTRAP | 0x80:
                self._leave(pid)
            elif stop not in (signal.SIGTRAP, signal.SIGSTOP):
                sent = stop
            _call(request, pid, sent)
        except ProcessLookupError:
            return  # it was killed meanwhile; waitpid tells

    def _enter(self, pid: int) -> int:
        """Look at a call that begins; returns how to let it go on."""
        registers = _Registers()
        _call(PTRACE_GETREGS, pid, ctypes.byref(registers))
        call = self._read(pid, registers)
        if call is None:
            return PTRACE_CONT
        number, strike = len(self._trace.calls), self._strike
        self._trace.calls.append(call)
        self._inside[pid] = call
        if strike is None:
            return PTRACE_SYSCALL
        is_here = number == strike.at
        if is_here and strike.blow is Blow.KILL:
            self._kill()
        elif is_here and strike.blow is Blow.TEAR:
            self._dies.add(pid)
            if call.name in WITH_DATA:
                registers.rdx = len(call.data) // 2
                _call(PTRACE_SETREGS, pid, ctypes.byref(registers))
        elif (is_here and strike.blow is Blow.FAIL) or (
            strike.blow is Blow.STAY_FULL and number >= strike.at and _needs_room(call)
        ):
            registers.orig_rax = (1 << 64) - 1  # no such call: it is skipped
            registers.rax = (1 << 64) - strike.error
            _call(PTRACE_SETREGS, pid, ctypes.byref(registers))
        return PTRACE_SYSCALL

    def _leave(self, pid: int) -> None:
        call = self._inside.pop(pid, None)
        if call is None:
            return
        registers = _Registers()
        _call(PTRACE_GETREGS, pid, ctypes.byref(registers))
        result = registers.get("rax")
        call.result = result - (1 << 64) if result >> 63 else result
        if pid in self._dies:
            self._kill()

    def _kill(self) -> None:
        os.kill(self._child, signal.SIGKILL)

    def _read(self, pid: int, registers: _Registers) -> Call | None:
        name = SYSCALLS[registers.get("orig_rax")]
        first, second, third, fourth = (registers.get(r) for r in ("rdi", "rsi", "rdx", "r10"))
        if name in BY_DESCRIPTOR:
            data = _read_memory(pid, second, third) if name in WITH_DATA else b""
            if name == "write" and first == STDOUT:
                self._trace.said.append((len(self._trace.calls), data))
                return None
            path = _read_link(f"/proc/{pid}/fd/{first}")
            offset = 0
            if name == "pwrite64":
                offset = fourth
            elif name == "write":
                offset = _read_position(pid, first)
            elif name == "ftruncate":
                offset = second
            return self._note(Call(name, path, offset=offset, data=data))
        if name == "open":
            return self._note(Call(name, _read_path(pid, first))) if second & os.O_CREAT else None
        if name == "openat":
            path = _read_path(pid, second, first)
            return self._note(Call(name, path)) if third & (os.O_CREAT | os.O_TRUNC) else None
        if name in ("rename", "link"):
            return self._note(Call(name, _read_path(pid, first), _read_path(pid, second)))
        if name in ("renameat", "renameat2", "linkat"):
            return self._note(Call(name, _read_path(pid, second, first), _read_path(pid, fourth, third)))
        if name in ("mkdirat", "unlinkat", "fchmodat"):
            return self._note(Call(name, _read_path(pid, second, first)))
        if name in ("msync", "copy_file_range"):
            raise AssertionError(f"{name}: files are written in a way that these tests do not follow")
        return self._note(Call(name, _read_path(pid, first)))

    def _note(self, call: Call) -> Call | None:
        if not f"{call.path}/".startswith(self._root):
            return None
        call.path = call.path[len(self._root) :]
        call.target = call.target.removeprefix(self._root)
        return call


def _needs_room(call: Call) -> bool:
    """Say whether a call may fail on a full disk; removing and renaming do not."""
    return call.name not in ("unlink", "unlinkat", "rename", "fchmod", "chmod")


def _read_memory(pid: int, address: int, size: int) -> bytes:
    descriptor = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        return os.pread(descriptor, size, address) if size else b""
    finally:
        os.close(descriptor)


def _read_path(pid: int, address: int, directory: int = AT_FDCWD) -> str:
    page_left = 4_096 - address % 4_096  # a string may end at the last byte that is mapped
    data = _read_memory(pid, address, page_left)
    if b"\0" not in data:
        data += _read_memory(pid, address + page_left, PATH_BYTES_MAX)
    path = os.fsdecode(data.partition(b"\0")[0])
    number = directory & 0xFFFFFFFF
    if path.startswith("/"):
        return path
    base = f"/proc/{pid}/cwd" if number == AT_FDCWD & 0xFFFFFFFF else f"/proc/{pid}/fd/{number}"
    return f"{_read_link(base)}/{path}"


def _read_link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 - what it says, not where that leads
    except OSError:
        return ""


def _read_position(pid: int, descriptor: int) -> int:
    try:
        text = Path(f"/proc/{pid}/fdinfo/{descriptor}").read_text("ascii")
    except OSError:
        return 0
    return int(text.split(maxsplit=2)[1])


if __name__ == "__main__":
    sys.stdout.write(get_obstacle())
