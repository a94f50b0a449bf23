"""How long both verifiers take for the dearest receipts: all seats with answers of their own, four steps.

Run: python -m tests.browser.speed
"""

import sys
import time

from consensus.identity import Verifier
from consensus.verify import verify_receipt
from tests.browser.chromium import open_browser
from tests.browser.site import VECTORS, read_site, serve

SEATS = (7, 31)
RUNS = 5


def time_python(data: bytes) -> float:
    """Return the shortest of several verifications, in seconds; nothing is remembered between them."""
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        assert verify_receipt(data, verifier=Verifier()).is_consistent
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    """Print a table."""
    lines = ["seats  bytes  Python s  Chromium s  Chromium, first s"]
    with serve(read_site()) as address, open_browser() as browser:
        for seats in SEATS:
            file = f"honest-{seats}-seats-all-differ.receipt"
            data = (VECTORS / file).read_bytes()
            page = browser.new_page()
            page.goto(address)
            page.wait_for_function("globalThis.harness !== undefined")
            first, best = (
                page.evaluate("([file, runs]) => harness.time(file, runs)", [file, runs]) / 1_000
                for runs in (1, RUNS)
            )
            page.close()
            lines.append(f"{seats:5}  {len(data):5}  {time_python(data):8.3f}  {best:10.3f}  {first:17.3f}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
