"""What the testnet commands about manifests do and print."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import click

from consensus.committee import compute_tolerated
from consensus.errors import ConfigError
from sim_net.adversary_kinds import ADVERSARY_KINDS
from sim_net.assumption import compute_byzantine_max, compute_seats, is_within_assumption
from sim_net.catalog import Source, list_scenarios, read_source
from sim_net.defaults import get_option_default
from sim_net.fault_kinds import FAULT_KINDS
from sim_net.keys import Key
from sim_net.manifest import Manifest
from sim_net.manifest_file import TEXT_BYTES_MAX, decode_manifest, parse_manifest
from sim_net.problems import ManifestError
from sim_net.template import SCHEMA_FILE, add_schema_comment, render_template
from sim_net.values import render_value
from swarm.cli.exits import Exit
from swarm.cli.render import clean_terminal, echo_note, render_table
from swarm.cli.verify import read_bounded

LIST_SCHEMA = "peerage.testnet.list/1"
HEADLINE_CHARS_MAX = 90
CHECK_SCHEMA = "peerage.testnet.check/1"
KINDS_SCHEMA = "peerage.testnet.kinds/1"


def write_manifest(file: str, *, name: str | None, is_forced: bool) -> None:
    """Write a commented manifest, or a copy of a scenario, and say what to do next.

    Raises:
        ConfigError: The file is there already, or cannot be written; there is no such scenario.
    """
    text = render_template() if name is None else add_schema_comment(read_source(name).text)
    if file == "-":
        click.echo(text, nl=False)
        return
    try:
        with Path(file).open("w" if is_forced else "x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError as exc:
        raise ConfigError(f"{file} is there already", remedy="name another file, or add --force") from exc
    except (OSError, ValueError) as exc:  # ValueError: a path with a zero byte
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise ConfigError(f"cannot write {file} ({reason})", remedy="check the path") from exc
    echo_note(f"wrote {file}; now edit it, then")
    echo_note(f"  peerage testnet check {file}")
    echo_note(f"  peerage testnet run {file}")
    echo_note(f"for completion in your editor: peerage testnet schema > {Path(file).parent / SCHEMA_FILE}")


def show_scenarios(*, as_json: bool) -> None:
    """Print the shipped scenarios."""
    scenarios = list_scenarios()
    if as_json:
        value = {"schema": LIST_SCHEMA, "scenarios": [_to_json(one) for one in scenarios]}
        click.echo(json.dumps(value))
        return
    rows = [["name", "peers", "rounds", "about"]]
    rows += [[one.name, str(one.swarm.peers), str(one.rounds), _get_headline(one)] for one in scenarios]
    click.echo(render_table(rows))


def _get_headline(manifest: Manifest) -> str:
    sentence = re.split(r"[.:;] |[.]$", clean_terminal(manifest.about), maxsplit=1)[0]
    return (
        sentence if len(sentence) <= HEADLINE_CHARS_MAX else sentence[: HEADLINE_CHARS_MAX - 1].rstrip() + "…"
    )


def _to_json(manifest: Manifest) -> dict[str, str | int]:
    return {
        "name": manifest.name,
        "about": manifest.about,
        "peers": manifest.swarm.peers,
        "seats": compute_seats(manifest),
        "rounds": manifest.rounds,
        "byzantine": compute_byzantine_max(manifest),
    }


def check_manifest(file: str, *, as_json: bool) -> Exit:
    """Check a manifest and print what is wrong with it; returns the exit code.

    Raises:
        ConfigError: There is no such file or scenario.
    """
    said: dict[str, object] = {"schema": CHECK_SCHEMA, "file": file}
    try:
        source = _read(file)
        manifest = parse_manifest(source.text, origin=source.origin)
    except ManifestError as exc:
        if as_json:
            problems = [{"path": p.path, "message": p.message, "remedy": p.remedy} for p in exc.problems]
            click.echo(json.dumps(said | {"is_ok": False, "problems": problems}))
            return Exit.USAGE
        echo_note(f"peerage: {clean_terminal(exc.message)}")
        if exc.remedy:
            echo_note(f"  try: {clean_terminal(exc.remedy)}")
        return Exit.USAGE
    if as_json:
        click.echo(json.dumps(said | {"is_ok": True, "problems": [], **_to_json(manifest)}))
    else:
        click.echo("ok")
    if not is_within_assumption(manifest):
        tolerated = compute_tolerated(compute_seats(manifest))
        echo_note(
            f"note: up to {compute_byzantine_max(manifest)} peers may contradict themselves, and a committee "
            f"of {compute_seats(manifest)} bears {tolerated}: where there are more, nothing is promised"
        )
    return Exit.OK


def _read(file: str) -> Source:
    if file != "-":
        return read_source(file)
    return Source("stdin", decode_manifest(read_bounded("-", TEXT_BYTES_MAX), origin="stdin"))


def show_kinds(*, as_json: bool) -> None:
    """Print the kinds of adversaries and faults."""
    if as_json:
        value: dict[str, object] = {
            "schema": KINDS_SCHEMA,
            "adversaries": [
                {
                    "name": name,
                    "about": kind.about,
                    "is_byzantine": kind.is_byzantine,
                    "is_peer": kind.is_peer,
                    "options": _options_to_json(kind.options),
                }
                for name, kind in ADVERSARY_KINDS.items()
            ],
            "faults": [
                {
                    "name": name,
                    "about": kind.about,
                    "is_byzantine": kind.is_byzantine,
                    "options": _options_to_json(kind.options),
                }
                for name, kind in FAULT_KINDS.items()
            ],
        }
        click.echo(json.dumps(value))
        return
    rows = [["adversary", "counts against f", "what it does", "options"]]
    rows += [
        [name, "yes" if kind.is_byzantine else "no", kind.about, _render_options(kind.options)]
        for name, kind in ADVERSARY_KINDS.items()
    ]
    click.echo(render_table(rows))
    rows = [["fault", "counts against f", "what it does", "options"]]
    rows += [
        [name, "yes" if kind.is_byzantine else "no", kind.about, _render_options(kind.options)]
        for name, kind in FAULT_KINDS.items()
    ]
    click.echo("\n" + render_table(rows))


def _options_to_json(options: Sequence[Key]) -> list[dict[str, object]]:
    return [
        {"name": key.name, "form": str(key.form), "about": key.about, "default": get_option_default(key)}
        for key in options
    ]


def _render_options(options: Sequence[Key]) -> str:
    return ", ".join(
        key.name if key.default is None else f"{key.name} = {render_value(get_option_default(key))}"
        for key in options
    )
