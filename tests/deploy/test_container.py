"""The image and the compose file, as far as they can be held against the program without running Docker."""

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.deploy.files import (
    DEPLOY,
    ROOT,
    Instruction,
    Node,
    check_command,
    read_dockerfile,
    read_yaml,
)

DOCKERFILE = DEPLOY / "Dockerfile"
IGNORED = DEPLOY / "Dockerfile.dockerignore"
COMPOSE = DEPLOY / "compose.yaml"
PEERS = tuple(range(1, 8))
SECRET_WORDS = re.compile(r"passw|secret|token|api_?key|credential", re.IGNORECASE)


def read() -> list[Instruction]:
    return read_dockerfile(DOCKERFILE.read_text())


def get(word: str) -> list[str]:
    return [one.rest for one in read() if one.word == word]


def get_copied() -> list[tuple[str, str]]:
    """Return (source in the repository, target in the stage) of every COPY from the build's context."""
    copied = []
    for rest in get("COPY"):
        if not rest.startswith("--from"):
            *sources, target = rest.split()
            copied += [(source, target) for source in sources]
    return copied


# -- the image -----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["FORM x", "RUN a\nb c", "MAINTAINER x"])
def test_what_is_no_dockerfile_is_refused(text: str) -> None:
    with pytest.raises(AssertionError):
        read_dockerfile(text)


def test_the_base_is_pinned_slim_and_one_that_the_project_runs_on() -> None:
    stages = get("FROM")
    assert stages == ["${PYTHON_IMAGE} AS build", "${PYTHON_IMAGE}"]
    default = next(rest for rest in get("ARG") if rest.startswith("PYTHON_IMAGE="))
    version = re.fullmatch(r"PYTHON_IMAGE=python:3\.(\d+)-slim-bookworm", default)
    assert version is not None
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert int(version[1]) >= int(requires.removeprefix(">=3."))


def test_every_source_is_there_and_let_through_and_nothing_else_is() -> None:
    let_through = [line[1:] for line in IGNORED.read_text().splitlines() if line.startswith("!")]
    sources = [source for source, _ in get_copied()]
    assert sorted(sources) == sorted(let_through)
    assert all((ROOT / source).exists() for source in sources)
    assert IGNORED.read_text().splitlines()[1] == "*"
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert {package.partition(".")[0] for package in packages} <= set(sources)


def test_it_runs_as_a_user_that_it_makes_and_that_is_not_root() -> None:
    (user,) = get("USER")
    (made,) = [rest for rest in get("RUN") if "useradd" in rest]
    uid, _, gid = user.partition(":")
    assert int(uid) >= 10_000
    assert f"--uid {uid} --gid {gid}" in made
    assert f"groupadd --gid {gid}" in made
    words = [one.word for one in read()]
    assert words.index("USER") > max(index for index, word in enumerate(words) if word in ("RUN", "COPY"))


def test_no_secret_gets_into_a_layer() -> None:
    for one in read():
        if one.word in ("ENV", "ARG", "RUN", "COPY"):
            assert not SECRET_WORDS.search(one.rest), one


def test_volume_health_and_command_are_those_of_the_program() -> None:
    (volume,), (health,) = get("VOLUME"), get("HEALTHCHECK")
    environment = dict(pair.split("=", 1) for pair in shlex.split(" ".join(get("ENV"))))
    assert volume == environment["PEERAGE_DATA_DIR"]
    made = next(rest for rest in get("RUN") if "install -d" in rest)
    assert {volume, environment["PEERAGE_CACHE_DIR"], "/members"} <= set(made.split())
    assert check_command(json.loads(health.partition("CMD ")[2])) == "peerage peer status"
    (entrypoint,), (command,) = get("ENTRYPOINT"), get("CMD")
    assert check_command([*json.loads(entrypoint), *json.loads(command)]) == "peerage peer run"


@pytest.mark.slow
def test_what_is_copied_is_enough_to_build_the_package(tmp_path: Path) -> None:
    for source, target in get_copied():
        if target.startswith("./"):
            place = tmp_path / target
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, place / source if place.is_dir() else place)
    (run,) = [rest for rest in get("RUN") if "pip install" in rest]
    flags = shlex.split(run.partition("pip install ")[2].replace("${PIP_FLAGS}", ""))
    # What would be fetched is resolved from what is installed here, by the same constraints.
    offline = ["--dry-run", "--no-index", "--no-build-isolation"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *offline, *flags],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Would install peerage-" in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes users, here below a directory of its own")
def test_the_user_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for name in ("passwd", "group", "shadow", "gshadow"):
        (tmp_path / "etc" / name).touch()
    (made,) = [rest for rest in get("RUN") if "useradd" in rest]
    group, user, directories = made.split(" && ") if " && " in made else made.split("&& ")
    for command in (group, user):
        words = shlex.split(command)
        subprocess.run([words[0], "--prefix", str(tmp_path), *words[1:]], check=True, capture_output=True)
    assert "peerage:x:10001:10001::/data:/usr/sbin/nologin" in (tmp_path / "etc" / "passwd").read_text()
    words = shlex.split(directories.replace("peerage", "10001").replace(" /", f" {tmp_path}/"))
    subprocess.run(words, check=True)
    mode = (tmp_path / "data").stat()
    assert (mode.st_uid, stat.S_IMODE(mode.st_mode)) == (10_001, 0o700)


# -- compose -------------------------------------------------------------------------------------


def get_services() -> dict[str, dict[str, Node]]:
    services = read_yaml(COMPOSE)["services"]
    assert isinstance(services, dict)
    found: dict[str, dict[str, Node]] = {}
    for name, service in services.items():
        assert isinstance(service, dict)
        found[name] = service
    return found


def get_list(service: dict[str, Node], key: str) -> list[str]:
    value = service.get(key, [])
    assert isinstance(value, list)
    return [str(one) for one in value]


def get_named(key: str) -> set[str]:
    value = read_yaml(COMPOSE)[key]
    assert isinstance(value, dict)
    return set(value)


def get_argv(service: dict[str, Node]) -> list[str]:
    """Return what a service's container runs, with what the image adds."""
    entrypoint = get_list(service, "entrypoint") or ["peerage"]
    command = get_list(service, "command") if "command" in service else json.loads(get("CMD")[0])
    return [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", word) for word in (*entrypoint, *command)]


def test_seven_peers_have_a_volume_and_a_secret_each() -> None:
    services = get_services()
    for kind in ("peer", "member"):
        volumes = [get_list(services[f"{kind}{number}"], "volumes")[0] for number in PEERS]
        assert volumes == [f"data{number}:/data" for number in PEERS]
        for number in PEERS:
            secret: Node = {"source": f"peer{number}_password", "target": "password"}
            assert services[f"{kind}{number}"]["secrets"] == [secret]
    for name, service in services.items():
        assert ("secrets" in service) == name.startswith(("peer", "member")), name
    secrets = read_yaml(COMPOSE)["secrets"]
    assert secrets == {
        f"peer{number}_password": {"file": f"./secrets/peer{number}_password"} for number in PEERS
    }


def test_what_is_mounted_is_declared_and_exists_in_the_image_with_the_right_owner() -> None:
    made = next(rest for rest in get("RUN") if "install -d" in rest).split()
    used = set()
    for service in get_services().values():
        for mount in get_list(service, "volumes"):
            name, target, *mode = mount.split(":")
            used.add(name)
            assert target in made
            assert mode in ([], ["ro"])
    assert used == get_named("volumes")


def test_peers_have_no_way_out_and_one_port_is_published_on_loopback() -> None:
    networks = read_yaml(COMPOSE)["networks"]
    assert networks == {"swarm": {"internal": True}, "front": {}}
    services = get_services()
    for number in PEERS:
        assert services[f"peer{number}"]["networks"] == ["swarm"]
        assert services[f"member{number}"]["network_mode"] == "none"
    published = {name: get_list(service, "ports") for name, service in services.items() if "ports" in service}
    assert published == {"gateway": ["${GATEWAY_ADDRESS:-127.0.0.1}:${GATEWAY_PORT:-8080}:8080"]}
    assert services["ask"]["profiles"] == ["ask"]


def test_every_container_is_confined_and_ends_where_trying_again_mends_nothing() -> None:
    for name, service in get_services().items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service.get("restart", "no") in ("no", "on-failure:5"), name
        assert not {"privileged", "user", "cap_add", "pid", "ipc", "environment"} & set(service), name


def test_who_needs_something_waits_for_who_makes_it() -> None:
    services = get_services()
    done = {"condition": "service_completed_successfully"}
    assert services["network"]["depends_on"] == {f"member{number}": done for number in PEERS}
    for number in PEERS:
        assert services[f"peer{number}"]["depends_on"] == {"models": done, "network": done}
    for name in ("gateway", "ask"):
        assert services[name]["depends_on"] == {"network": done}


def test_addresses_are_those_of_the_services_and_of_the_exposed_port() -> None:
    (port,) = get("EXPOSE")
    for number in PEERS:
        label, url = get_list(get_services()[f"member{number}"], "command")[:2]
        assert (label, url) == (f"peer{number}", f"wss://peer{number}:{port}")


def test_every_command_is_one_that_peerage_takes() -> None:
    checked = []
    for name, service in get_services().items():
        argv = get_argv(service)
        if argv[0] == "peerage":
            argv += ["What is 7 times 12?"] if name == "ask" else []
            checked.append(check_command(argv))
        else:
            step = Path(argv[1])
            assert argv[0] == "sh"
            assert step.parent == Path("/opt/peerage/steps")
            assert (DEPLOY / "steps" / step.name).is_file()
            flags = argv[4:] if step.name == "member.sh" else []
            check_command(["peerage", "peer", "init", *flags])
    assert sorted(checked) == ["peerage ask", "peerage models pull", "peerage serve"]


def test_settings_are_all_in_the_example_with_the_same_defaults() -> None:
    used = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", COMPOSE.read_text()))
    bare = re.findall(r"\$\{(\w+)\}|\$(\w+)", COMPOSE.read_text())
    example = dict(
        line.split("=", 1)
        for line in (DEPLOY / ".env.example").read_text().splitlines()
        if line and not line.startswith("#")
    )
    assert bare == []
    assert example == used
    assert not any(SECRET_WORDS.search(name) for name in example)
