"""Options that commands about a peer share."""

from pathlib import Path

import click

DIRECTORY = click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path),
    help="The peer's directory; its usual one by default.",
)
KEYRING = click.option("--keyring", is_flag=True, help="Take the password from the desktop's keyring.")
JSON_FLAG = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
