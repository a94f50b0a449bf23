"""A disk that fails at the n-th sync, for every n: how many there are is nobody's business."""

import os
from collections.abc import Callable

import pytest

from consensus.errors import StoreError

SYNCS_MAX = 64


def fail_at_every_sync(act: Callable[[], object], look: Callable[[], object]) -> int:
    """Call `act` on a disk that fails from its first sync on, then from its second, until it gets through.

    Args:
        act: Must raise StoreError while the disk fails.
        look: Called after every failure, on a disk that works again.

    Returns:
        How many syncs `act` needs.
    """
    for syncs in range(SYNCS_MAX):
        if _try(act, syncs):
            return syncs
        look()
    raise AssertionError(f"needs more than {SYNCS_MAX} syncs")


def _try(act: Callable[[], object], syncs: int) -> bool:
    real, done = os.fsync, iter(range(10_000))

    def fsync(descriptor: int) -> None:
        if next(done) >= syncs:
            raise OSError(28, "No space left on device")
        real(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        try:
            act()
        except StoreError as exc:
            if "No space left" not in exc.message:
                raise
            return False
    return True
