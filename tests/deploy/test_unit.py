"""The systemd unit: every key means something, every value holds, and systemd itself finds no fault."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from swarm.cli.exits import Exit
from tests.deploy.files import DEPLOY, check_command, read_unit

UNIT = DEPLOY / "systemd" / "peerage-peer.service"
SYSUSERS = DEPLOY / "systemd" / "peerage.sysusers.conf"
BINARY = "/opt/peerage/bin/peerage"
EXPOSURE_MAX = 16  # tenths of systemd's scale, where 100 is a service that nothing confines
KNOWN = {
    "Unit": "Description Documentation Wants After StartLimitIntervalSec StartLimitBurst",
    "Install": "WantedBy",
    "Service": (
        "Type NotifyAccess ExecStart TimeoutStartSec TimeoutStopSec WatchdogSec Restart RestartSec "
        "RestartPreventExitStatus User Group StateDirectory StateDirectoryMode CacheDirectory "
        "CacheDirectoryMode Environment LoadCredential MemoryMax TasksMax LimitNOFILE LimitCORE Nice "
        "NoNewPrivileges CapabilityBoundingSet AmbientCapabilities ProtectSystem ProtectHome PrivateTmp "
        "PrivateDevices PrivateUsers ProtectClock ProtectHostname ProtectKernelLogs ProtectKernelModules "
        "ProtectKernelTunables ProtectControlGroups ProtectProc RestrictAddressFamilies RestrictNamespaces "
        "RestrictRealtime RestrictSUIDSGID LockPersonality RemoveIPC SystemCallArchitectures "
        "SystemCallFilter SystemCallErrorNumber UMask"
    ),
}
REQUIRED = {
    "Type": "notify",
    "Restart": "on-failure",
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "StateDirectory": "peerage",
    "StateDirectoryMode": "0700",
    "PrivateTmp": "yes",
    "LimitCORE": "0",
    "UMask": "0077",
}
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine"
)


def read_service() -> dict[str, list[str]]:
    return read_unit(UNIT.read_text())["Service"]


def test_every_key_is_known_and_given_once() -> None:
    sections = read_unit(UNIT.read_text())
    assert sorted(sections) == sorted(KNOWN)
    for name, section in sections.items():
        assert set(section) <= set(KNOWN[name].split())
        assert all(len(values) == 1 for values in section.values())


@pytest.mark.parametrize("text", ["Type=notify", "[Unit]\n[Unit]", "[Unit]\ntype=x", "[Unit]\nno pair"])
def test_what_is_no_unit_is_refused(text: str) -> None:
    with pytest.raises(AssertionError):
        read_unit(text)


def test_what_was_promised_is_set() -> None:
    service = read_service()
    assert {key: service[key] for key in REQUIRED} == {key: [value] for key, value in REQUIRED.items()}
    for key in ("WatchdogSec", "TimeoutStartSec", "TimeoutStopSec", "RestartSec"):
        assert int(service[key][0]) > 0
    assert re.fullmatch(r"\d+[KMG]", service["MemoryMax"][0])


def test_it_is_not_restarted_where_that_mends_nothing() -> None:
    codes = {int(code) for code in read_service()["RestartPreventExitStatus"][0].split()}
    assert codes == {Exit.USAGE, Exit.CONFIG}


def test_its_command_is_one_that_peerage_takes_with_the_password_as_a_credential() -> None:
    service = read_service()
    argv = shlex.split(service["ExecStart"][0])
    assert check_command(argv) == "peerage peer run"
    credential = service["LoadCredential"][0].partition(":")[0]
    assert argv[argv.index("--password-file") + 1] == f"%d/{credential}"
    assert argv[argv.index("--dir") + 1] == f"%S/{service['StateDirectory'][0]}/peer"
    assert f"PEERAGE_DATA_DIR=%S/{service['StateDirectory'][0]}" in service["Environment"][0].split()
    with pytest.raises(click.UsageError):
        check_command([*argv, "--pasword-file", "x"])


def test_its_user_is_the_one_that_sysusers_makes() -> None:
    made = re.findall(r'^u (\S+) - "[^"]+" (\S+) (\S+)$', SYSUSERS.read_text(), re.M)
    assert made == [(read_service()["User"][0], "/var/lib/peerage", "/usr/sbin/nologin")]


def analyze(unit: str, directory: Path, *args: str) -> subprocess.CompletedProcess[str]:
    path = directory / UNIT.name
    path.write_text(unit.replace(BINARY, shutil.which("true") or "/bin/true"))
    return subprocess.run(
        ["systemd-analyze", *args, str(path)], capture_output=True, text=True, timeout=60, check=False
    )


@needs_systemd
def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    verify = ("verify", "--man=no", "--recursive-errors=no")
    done = analyze(UNIT.read_text(), tmp_path, *verify)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = analyze(UNIT.read_text().replace("PrivateTmp", "PrivatTmp"), tmp_path, *verify)
    assert "Unknown key 'PrivatTmp'" in done.stderr


@needs_systemd
def test_systemd_rates_its_exposure_as_small(tmp_path: Path) -> None:
    security = ("security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_MAX}")
    assert analyze(UNIT.read_text(), tmp_path, *security).returncode == 0
    open_unit = UNIT.read_text().replace("ProtectSystem=strict\n", "").replace("NoNewPrivileges=yes\n", "")
    assert analyze(open_unit, tmp_path, *security).returncode != 0
