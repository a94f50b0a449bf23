"""`peerage keys backup|verify-backup|restore|rotate`: the key of this machine's peer, and its copies."""

import json
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm.cli.exits import Exit
from swarm.cli.peer_options import DIRECTORY, JSON_FLAG, KEYRING
from swarm.cli.render import echo_note
from swarm.edge.clock import get_wall_ms

if TYPE_CHECKING:
    from consensus.errors import PeerageError
    from swarm.edge.key_backup import Backup

BACKUP_SCHEMA = "peerage.keys.backup/1"
VERDICT_SCHEMA = "peerage.keys.verify-backup/1"
RESTORE_SCHEMA = "peerage.keys.restore/1"
ROTATE_SCHEMA = "peerage.keys.rotate/1"
NAME_DIGITS = 16
MS_PER_S = 1_000

PASSWORD_FILE = click.option(
    "--password-file", type=click.Path(path_type=Path), help="Holds the key's password: one line, mode 0600."
)


@click.command()
@DIRECTORY
@click.option(
    "--to", "target", type=click.Path(path_type=Path), help="The file; peerage-KEY.backup.json by default."
)
@JSON_FLAG
def backup(directory: Path | None, target: Path | None, as_json: bool) -> None:
    """Write a peer's key, still encrypted, its settings and its network to one file.

    Prints a recovery sheet, to be kept with the file. The password is in neither. The peer may be running.
    """
    from consensus.errors import ConfigError
    from swarm.edge.key_backup import create_backup, decode_backup
    from swarm.edge.paths import write_private_file
    from swarm.edge.peer_directory import get_peer_directory

    data = create_backup(get_peer_directory(directory), now_ms=get_wall_ms())
    made = decode_backup(data)
    path = Path(f"peerage-{made.key.hex()[:NAME_DIGITS]}.backup.json") if target is None else target
    path = path.expanduser().absolute()
    if path.exists():
        raise ConfigError(f"{path} is there already", remedy="name another file with --to, or move it away")
    write_private_file(path, data)
    if as_json:
        click.echo(json.dumps({"schema": BACKUP_SCHEMA, **_describe(made), "file": str(path)}))
        return
    click.echo(render_sheet(made, path))
    echo_note(f"prove that it can be opened: peerage keys verify-backup {shlex.quote(str(path))}")


@click.command("verify-backup")
@click.argument("file", type=click.Path(path_type=Path))
@PASSWORD_FILE
@KEYRING
@JSON_FLAG
def verify_backup(file: Path, password_file: Path | None, keyring: bool, as_json: bool) -> int:
    """Prove that the password opens the backup FILE, and that its key is the one that it names.

    Exit codes: 0 it does; 3 there is no such file or no password; 5 it does not.
    """
    from consensus.errors import ConfigError
    from swarm.edge.key_backup import decode_backup, read_backup_file
    from swarm.edge.keystore import open_key
    from swarm.edge.passwords import read_password

    data = read_backup_file(file)
    try:
        found = decode_backup(data)
    except ConfigError as exc:
        return _refuse(exc, None, as_json=as_json)
    password = read_password(
        file=password_file,
        use_keyring=keyring,
        key=found.key,
        prompt=f"Password of the key {found.key.hex()}",
    )
    try:
        open_key(found.key_file, password)
    except ConfigError as exc:
        return _refuse(exc, found, as_json=as_json)
    if as_json:
        click.echo(json.dumps({"schema": VERDICT_SCHEMA, "is_verified": True, **_describe(found)}))
        return Exit.OK
    click.echo(
        f"verified: the password opens the key {found.key.hex()}, backed up {_say_time(found.made_ms)}"
    )
    echo_note(f"sha256 {found.digest.hex()}; the recovery sheet must say the same")
    return Exit.OK


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@DIRECTORY
@click.option(
    "--allow-volatile", is_flag=True, help="Accept a directory that a restart may empty: for testnets."
)
@JSON_FLAG
def restore(file: Path, directory: Path | None, allow_volatile: bool, as_json: bool) -> None:
    """Put the backup FILE into a directory without a key, and mark it as restored.

    First make sure that the machine it comes from is off, and stays off: a restored key knows nothing of what
    it signed, and two machines with one key sign two values for one slot, which others can prove.
    """
    from swarm.edge.key_backup import decode_backup, read_backup_file, restore_backup
    from swarm.edge.peer_config import FILE_NAME
    from swarm.edge.peer_directory import get_peer_directory
    from swarm.edge.persistence import check_persistent

    place = get_peer_directory(directory)
    found = decode_backup(read_backup_file(file))
    check_persistent(place, allow_volatile=allow_volatile)
    restore_backup(place, found, now_ms=get_wall_ms())
    if as_json:
        click.echo(json.dumps({"schema": RESTORE_SCHEMA, **_describe(found), "dir": str(place)}))
        return
    where = shlex.quote(str(place))
    click.echo(f"restored the key {found.key.hex()} to {place}")
    if found.settings is None:
        echo_note(f"the backup had no {FILE_NAME}: write one before the peer runs")
    if found.network is None:
        echo_note(f"the backup was in no network: peerage net join FILE --dir {where}")
    echo_note(
        f"sha256 {found.digest.hex()}; the recovery sheet must say the same\n"
        "make sure that the old machine is off, and stays off; then\n"
        f"     peerage peer run --dir {where}"
    )


@click.command()
@DIRECTORY
@PASSWORD_FILE
@KEYRING
@JSON_FLAG
def rotate(directory: Path | None, password_file: Path | None, keyring: bool, as_json: bool) -> None:
    """Give the peer a new key under the same password; the old one signs for it, and is kept aside.

    The peer must not be running. Networks know it by the old key: the new one takes part in networks made
    from then on, and `peerage net create` can be shown the rotation file.
    """
    from swarm.edge.key_rotation import rotate_key
    from swarm.edge.keystore import get_public_key, read_key_file
    from swarm.edge.passwords import read_password
    from swarm.edge.peer_directory import KEY_NAME, get_peer_directory

    place = get_peer_directory(directory)
    key = get_public_key(read_key_file(place / KEY_NAME))
    password = read_password(
        file=password_file, use_keyring=keyring, key=key, prompt=f"Password of the key {key.hex()}"
    )
    rotated = rotate_key(place, password=password, uses_keyring=keyring, now_ms=get_wall_ms())
    value = {
        "old_key": rotated.old_key.hex(),
        "new_key": rotated.new_key.hex(),
        "rotation": str(rotated.statement),
        "retired": str(rotated.retired),
    }
    if as_json:
        click.echo(json.dumps({"schema": ROTATE_SCHEMA, **value}))
        return
    for name, text in value.items():
        click.echo(f"{name:<8}  {text}")
    echo_note(
        "networks that there are know the old key, and this peer takes part in them with it only. Hand the\n"
        "rotation file to whoever makes the next one, and back the new key up:\n"
        f"     peerage keys backup --dir {shlex.quote(str(place))}"
    )


def render_sheet(made: "Backup", path: Path) -> str:
    """Return a recovery sheet: what is in a backup, what is not, and how it becomes a peer again."""
    holds = ["the key, encrypted under its password"]
    holds += ["peer.toml"] if made.settings is not None else []
    holds += ["network.json"] if made.network is not None else []
    name = shlex.quote(path.name)
    return (
        "RECOVERY SHEET\n"
        f"public key  {made.key.hex()}\n"
        f"made        {_say_time(made.made_ms)}\n"
        f"file        {path}\n"
        f"sha256      {made.digest.hex()}\n"
        "\n"
        f"In the file: {', '.join(holds)}.\n"
        "Not in it: the password, and what the peer has signed (peer.sqlite3).\n"
        "\n"
        "On the new machine:\n"
        "1. Make sure that the old machine is off, and stays off. A restored key knows nothing of what it\n"
        "   signed. Two machines with one key sign two values for one slot, which others can prove.\n"
        f"2. Compare the digest:  sha256sum {name}\n"
        f"3. Prove the password:  peerage keys verify-backup {name}\n"
        f"4. Restore:             peerage keys restore {name} --dir DIR\n"
        "5. Run:                 peerage peer run --dir DIR\n"
        "\n"
        "Keep this sheet with the file, and the password elsewhere."
    )


def _refuse(exc: "PeerageError", found: "Backup | None", *, as_json: bool) -> int:
    if as_json:
        described = {} if found is None else _describe(found)
        value = {"schema": VERDICT_SCHEMA, "is_verified": False, **described, "reason": exc.message}
        click.echo(json.dumps(value))
    echo_note(f"NOT VERIFIED: {exc.message}\n  try: {exc.remedy}")
    return Exit.VERIFICATION


def _describe(made: "Backup") -> dict[str, str | int]:
    return {"key": made.key.hex(), "made": made.made_ms // MS_PER_S, "sha256": made.digest.hex()}


def _say_time(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / MS_PER_S, UTC):%Y-%m-%d %H:%M} UTC"
