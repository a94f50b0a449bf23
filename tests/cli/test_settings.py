"""The settings file, the environment, and who wins."""

from pathlib import Path

import click
import pytest

from swarm.cli.lazy import compute_variable
from swarm.cli.main import cli
from tests.cli.console import Ran, run


def write_settings(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config" / "peerage" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def ask(*args: str) -> Ran:
    return run("ask", "x", *args)


def get_peers(ran: Ran) -> int:
    assert ran.code == 0, ran.err
    (line,) = [line for line in ran.err.splitlines() if line.endswith("deadline 60 s")]
    return int(line.split()[1])


def test_flags_over_environment_over_file_over_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEERAGE_ASK_MODEL", "scripted")
    assert get_peers(ask()) == 5
    write_settings(tmp_path, "[ask]\npeers = 6\n")
    assert get_peers(ask()) == 6
    monkeypatch.setenv("PEERAGE_ASK_PEERS", "7")
    assert get_peers(ask()) == 7
    assert get_peers(ask("--peers", "4")) == 4


def test_every_setting_reaches_its_command(tmp_path: Path) -> None:
    text = (
        '[ask]\npeers = 4\nmodel = "scripted"\njudge = "letters"\ncalls = 4\ndeadline = 60\nmax_tokens = 8\n'
        'temperature = 1\non_partial = "reject"\nprocesses = false\n[demo]\npeers = 4\nmodel = "scripted"\n'
    )
    write_settings(tmp_path, text)
    assert get_peers(ask()) == 4
    assert run("demo").code == 0
    for line, flag in (
        ("calls = 99", "--calls"),
        ('judge = "jury"', "--judge"),
        ("deadline = 0", "--deadline"),
        ("max_tokens = 0", "--max-tokens"),
        ("temperature = nan", "--temperature"),
        ('on_partial = "maybe"', "--on-partial"),
    ):
        write_settings(tmp_path, f'[ask]\nmodel = "scripted"\n{line}\n')
        ran = ask()
        assert ran.code in (2, 3)
        assert flag in ran.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[ask]\npeer = 4", ("[ask] peer means nothing", "did you mean peers?")),
        ("[aks]\npeers = 4", ("aks means nothing", "did you mean ask?")),
        ("[ask]\nzzz = 4", ("known: peers, model,",)),
        ('[ask]\npeers = "4"', ("peers = '4'", "expected int")),
        ("[ask]\npeers = 4.5", ("peers = 4.5", "expected int")),
        ("[ask]\npeers = true", ("peers = True", "expected int")),
        ("[ask]\nprocesses = 1", ("expected bool",)),
        ("[ask]\nmodel = 1", ("expected str",)),
        ("[ask]\npeers = [4]", ("expected int",)),
        ("ask = 4", ("expected a table [ask]",)),
        ("[ask", ("is not TOML", "mend or remove")),
        ("\x00", ("is not TOML",)),
    ],
)
def test_a_settings_file_that_means_nothing(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    path = write_settings(tmp_path, text)
    for ran in (ask("--model", "scripted"), run("config", "show")):
        assert (ran.code, ran.out) == (3, "")
        for word in (str(path), *words):
            assert word in ran.err


def test_a_settings_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "latin").write_bytes(b"\xff")
    for place, word in (("missing", "does not exist"), (".", "cannot read"), ("latin", "cannot read")):
        monkeypatch.setenv("PEERAGE_CONFIG", str(tmp_path / place))
        ran = run("config", "show")
        assert ran.code == 3
        assert word in ran.err


def test_config_show_names_every_place(tmp_path: Path) -> None:
    ran = run("config", "show")
    assert "not there: defaults hold" in ran.out
    path = write_settings(tmp_path, "[ask]\npeers = 6\n")
    ran = run("config", "show")
    assert (ran.code, ran.err) == (0, "")
    for word in (
        str(path),
        "[ask] peers = 6",
        str(tmp_path / "data"),
        str(tmp_path / "data" / "logs"),
        "cache",
    ):
        assert word in ran.out
    said = run("config", "show", "--json").json
    assert (said["schema"], said["exists"], said["settings"]) == (
        "peerage.config/1",
        True,
        {"ask": {"peers": 6}},
    )
    assert (said["data"], said["logs"]) == (str(tmp_path / "data"), str(tmp_path / "data" / "logs"))


def test_an_environment_that_means_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERAGE_ASK_PEERS", "six")
    ran = ask()
    assert ran.code == 2
    assert "--peers" in ran.err


def find_options(command: click.Command, ctx: click.Context) -> list[tuple[click.Context, click.Option]]:
    """Return every option of a command and of all below it, where help can name it."""
    found = [(ctx, option) for option in command.params if isinstance(option, click.Option)]
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            child = command.get_command(ctx, name)
            assert child is not None
            found += find_options(child, click.Context(child, info_name=name, parent=ctx))
    return found


def test_every_option_says_what_it_does() -> None:
    options = find_options(cli, click.Context(cli, info_name="peerage", **cli.context_settings))
    assert [f"{ctx.command_path} {option.opts[0]}" for ctx, option in options if not option.help] == []


def test_every_option_is_set_by_the_variable_that_its_flag_names(monkeypatch: pytest.MonkeyPatch) -> None:
    options = find_options(cli, click.Context(cli, info_name="peerage", **cli.context_settings))
    flags = [(ctx, option) for ctx, option in options if ctx.parent is not None]
    assert len([option for _, option in flags if "--json" in option.opts]) >= 10
    for ctx, option in flags:
        (flag, *_) = [name for name in option.opts if name.startswith("--")]
        words = [*ctx.command_path.split(), flag.removeprefix("--")]
        variable = "_".join(words).upper().replace("-", "_")
        monkeypatch.setenv(variable, "given")
        assert option.resolve_envvar_value(ctx) == "given", variable
        monkeypatch.delenv(variable)
        assert option.resolve_envvar_value(ctx) is None, variable


@pytest.mark.parametrize("name", ["JSON", "AS_JSON"])  # the flag's name; what it was first called
def test_json_may_be_asked_for_in_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"PEERAGE_ASK_{name}", "1")
    assert ask("--model", "scripted").json["schema"] == "peerage.ask/1"
    for command in ("CONFIG_SHOW", "TESTNET_LIST"):
        monkeypatch.setenv(f"PEERAGE_{command}_{name}", "1")
    assert run("config", "show").json["schema"] == "peerage.config/1"
    assert run("testnet", "list").out.startswith(("{", "["))


def test_a_json_variable_that_says_no_or_nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERAGE_CONFIG_SHOW_JSON", "0")
    assert not run("config", "show").out.startswith("{")
    monkeypatch.setenv("PEERAGE_CONFIG_SHOW_JSON", "perhaps")
    ran = run("config", "show")
    assert (ran.code, ran.out) == (2, "")
    assert "--json" in ran.err


def test_a_variable_is_named_by_command_and_flag() -> None:
    option = click.Option(["--no-record", "is_bare"])
    assert compute_variable("PEERAGE_TESTNET_RUN", option) == "PEERAGE_TESTNET_RUN_NO_RECORD"
    assert compute_variable("PEERAGE_X", click.Option(["-q", "quiet"])) is None
