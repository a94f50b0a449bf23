"""Passwords typed on a real terminal: hidden, asked for twice where new, given up on Ctrl-C."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.terminal import Terminal, open_terminal

PROGRAM = """
import sys
from consensus.errors import ConfigError
from swarm.edge.passwords import read_new_password, read_password
import click
try:
    if sys.argv[1] == "new":
        got = read_new_password(file=None, prompt="New password")
    else:
        got = read_password(file=None, use_keyring=False, key=None, prompt="Password")
except ConfigError as exc:
    sys.exit(f"refused: {exc.message}; {exc.remedy}")
except click.Abort:
    sys.exit("given up")
print("length", len(got))
"""


@contextmanager
def ask(which: str) -> Iterator[Terminal]:
    with open_terminal("-c", PROGRAM, which) as terminal:
        yield terminal


def test_a_password_is_typed_unseen() -> None:
    with ask("old") as terminal:
        terminal.expect("Password: ")
        terminal.type("tr0ub4dor\n")
        assert terminal.finish() == 0
    assert "length 9" in terminal.text
    assert "tr0ub4dor" not in terminal.text


def test_a_new_password_is_typed_twice_and_asked_again_where_it_does_not_do() -> None:
    with ask("new") as terminal:
        terminal.expect("New password: ")
        terminal.type("short\n")
        terminal.expect("Repeat for confirmation: ")
        terminal.type("short\n")
        terminal.expect("less than 8 characters")
        terminal.expect("New password: ")
        terminal.type("long enough\n")
        terminal.expect("Repeat for confirmation: ")
        terminal.type("long enouhg\n")
        terminal.expect("do not match")
        terminal.expect("New password: ")
        terminal.type("long enough\n")
        terminal.expect("Repeat for confirmation: ")
        terminal.type("long enough\n")
        assert terminal.finish() == 0
    assert "length 11" in terminal.text
    for typed in ("short\r", "long enou"):
        assert typed not in terminal.text


def test_a_new_password_that_never_does_is_refused() -> None:
    with ask("new") as terminal:
        for _ in range(3):
            for prompt in ("New password: ", "Repeat for confirmation: "):
                terminal.expect(prompt)
                terminal.type("short\n")
        assert terminal.finish() == 1
    assert "refused: the password has less than 8 characters" in terminal.text


def test_whoever_is_asked_may_give_up() -> None:
    with ask("old") as terminal:
        terminal.expect("Password: ")
        assert terminal.interrupt() == 1
    assert "given up" in terminal.text
    with ask("old") as terminal:
        terminal.expect("Password: ")
        terminal.type("\x04")  # the end of input
        assert terminal.finish() == 1
    assert "given up" in terminal.text


def test_what_is_no_text_is_refused_without_being_shown() -> None:
    with ask("old") as terminal:
        terminal.expect("Password: ")
        terminal.type("tab\there\n")
        assert terminal.finish() == 1
    assert "refused: the password is not one line of text" in terminal.text
    assert "here" not in terminal.text.replace("there", "")
