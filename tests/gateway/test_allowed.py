"""What may be given to --allow-host and --allow-origin: what can match, and nothing else."""

import pytest

from consensus.errors import ConfigError
from swarm.gateway.allowed import read_hosts, read_origins


def test_names_are_read_in_whatever_case() -> None:
    names = read_hosts(["Chat.Example", "my_box", "xn--bcher-kva.example"])
    assert names == {"chat.example", "my_box", "xn--bcher-kva.example"}
    assert read_hosts([]) == frozenset()


@pytest.mark.parametrize("name", ["x:80", "http://x", "x/", "*", "*.x", "", " x", "bücher.example", "[::1]"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="expected a name such as"):
        read_hosts(["fine", name])


@pytest.mark.parametrize(
    "origin",
    ["https://x", "http://x:8080", "http://[::1]:3000", "https://x:80", "app://my-app", "tauri://localhost"],
)
def test_origins_as_browsers_spell_them_are_taken(origin: str) -> None:
    assert read_origins([origin]) == {origin}


@pytest.mark.parametrize(
    "origin",
    [
        "https://x/",
        "https://x/path",
        "*",
        "https://*.x",
        "null",
        "x",
        "x:80",
        "",
        "HTTPS://x",
        "https://X",
        "https://x:443",
        "http://x:80",
        "https://x:",
        "https://u@x",
        " https://x",
    ],
)
def test_what_no_browser_would_send_is_refused(origin: str) -> None:
    with pytest.raises(ConfigError, match="expected scheme://host"):
        read_origins(["https://fine", origin])
