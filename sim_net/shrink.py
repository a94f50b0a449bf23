"""Makes a failing run smaller: leaves out what the failure does not need, as long as the same rule breaks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from consensus.errors import ConfigError
from sim_net.manifest import Manifest
from sim_net.outcome import Outcome
from sim_net.records import CheckRow, VerdictKind
from sim_net.replay import Line, open_line
from sim_net.run import Run
from sim_net.summary import compute_verdict

TRIES_MAX = 200
CALM = ("loss", "duplication", "reordering", "corruption")


@dataclass(frozen=True, slots=True)
class Failure:
    """What a run failed at: the worst kind, and the names of the checks of that kind."""

    kind: VerdictKind
    names: tuple[str, ...]
    trace_digest: str


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The smallest line found, what it fails at, and after how many runs."""

    line: Line
    manifest: Manifest
    failure: Failure
    tries: int


@dataclass(frozen=True, slots=True)
class LineRun:
    """What became of a line: its failure if any, all checks, and the trace digest."""

    failure: Failure | None
    checks: tuple[CheckRow, ...]
    trace_digest: str


def run_line(line: Line) -> LineRun:
    """Run what a line names."""
    _, manifest = open_line(line)
    run = Run(manifest, seed=line.seed)
    run.execute()
    outcome = Outcome(run)
    checks = tuple(outcome.list_checks(outcome.measure().metrics))
    digest = run.world.trace_digest
    return LineRun(find_failure(checks, digest), checks, digest)


def find_failure(checks: tuple[CheckRow, ...], trace_digest: str) -> Failure | None:
    """Return the worst failure among checks."""
    kind = compute_verdict(checks)
    if kind is VerdictKind.OK:
        return None
    names = tuple(check.name for check in checks if check.kind is kind and not check.is_ok)
    return Failure(kind, names, trace_digest)


def shrink(line: Line, *, note: Callable[[str], None] = lambda _: None, tries_max: int = TRIES_MAX) -> Shrunk:
    """Search greedily for a smaller line that breaks one of the same rules.

    Args:
        line: A line whose run fails.
        note: Told of every smaller line.
        tries_max: Most runs.

    Raises:
        ConfigError: The line cannot be run, or its run does not fail.
    """
    line = replace(open_line(line)[0], digest="")
    failure = run_line(line).failure
    if failure is None:
        raise ConfigError(
            "the run of this line does not fail, so there is nothing to shrink",
            remedy="replay it, and check that version and files are those of the failing run",
        )
    wanted, tries, is_smaller = failure, 1, True
    while is_smaller and tries < tries_max:
        is_smaller = False
        for candidate in _list_candidates(line):
            if tries >= tries_max:
                break
            tries += 1
            found = _try(candidate)
            if found is not None and found.kind is wanted.kind and set(found.names) & set(wanted.names):
                line, failure, is_smaller = candidate, found, True
                note(f"smaller after {tries} runs: {candidate.render()}")
                break
    final, manifest = open_line(line)
    return Shrunk(final, manifest, failure, tries)


def _try(line: Line) -> Failure | None:
    try:
        return run_line(line).failure
    except ConfigError:
        return None  # leaving something out made it no manifest


def _list_candidates(line: Line) -> Iterator[Line]:
    """Return smaller lines, the boldest first."""
    _, base = open_line(replace(line, drops=(), digest=""))
    _, current = open_line(line)
    for name, entries in (("fault", base.faults), ("adversary", base.adversaries)):
        for place in reversed(range(len(entries))):
            drop = f"{name}.{place}"
            if drop not in line.drops:
                yield replace(line, drops=(*line.drops, drop))
    for change in _list_changes(current):
        key = change.partition("=")[0]
        kept = tuple(one for one in line.sets if one.partition("=")[0] != key)
        yield replace(line, sets=(*kept, change))


def _list_changes(manifest: Manifest) -> Iterator[str]:
    if manifest.rounds > 1:
        yield "rounds=1"
        yield f"rounds={manifest.rounds // 2}"
    if manifest.swarm.overlap > 1:
        yield "swarm.overlap=1"
    if manifest.swarm.steps > 1:
        yield "swarm.steps=1"
    for name in CALM:
        if getattr(manifest.network, name):
            yield f"network.{name}=0"
    if manifest.network.latency != "constant(10)":
        yield "network.latency=constant(10)"
    if manifest.models.latency != "constant(50)":
        yield "models.latency=constant(50)"
