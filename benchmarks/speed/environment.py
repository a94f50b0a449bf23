"""An environment of its own for the libraries that the product does not depend on, made once and kept."""

import subprocess
import sys
import venv
from pathlib import Path

import platformdirs

PACKAGES = ("arena-rank==0.1.1", "evalica==0.4.2", "jax==0.8.1", "jaxlib==0.8.1")
"""About 1 GB on disk, most of it JAX and what arena-rank reads data sets with."""
INSTALL_S_MAX = 900


class EnvironmentMissingError(Exception):
    """The environment is not there and could not be made; the message says why."""


def get_python(*, may_install: bool) -> Path:
    """Return the interpreter of the environment, which is made first if need be, with word on stderr.

    Raises:
        EnvironmentMissingError: It is not there, and may not or cannot be made.
    """
    home = Path(platformdirs.user_cache_dir("peerage")) / "benchmarks" / "ranking-speed"
    python, stamp = home / "bin" / "python", home / "packages.txt"
    wanted = "\n".join(PACKAGES)
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    if not may_install:
        raise EnvironmentMissingError("left out by --no-install")
    print(f"making {home} with {', '.join(PACKAGES)} (once, some minutes) ...", file=sys.stderr)
    venv.create(home, clear=True, with_pip=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S_MAX, check=False)
    except subprocess.TimeoutExpired as exc:
        raise EnvironmentMissingError(f"pip did not finish in {INSTALL_S_MAX} s") from exc
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise EnvironmentMissingError(f"pip failed: {lines[-1] if lines else 'it gave no reason'}")
    stamp.write_text(wanted)
    return python
