"""The modules also run from one file opened from disk: a map of imports, each module in a data URL."""

import base64
import json
import posixpath
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.site import VECTORS, VERIFIER

IMPORT = re.compile(r'(\bfrom |\bimport )"(\.{1,2}/[^"]+)"')


def inline_modules() -> dict[str, str]:
    """Return a data URL for every module; relative names become bare ones, since a data URL has no folder."""
    urls = {}
    for path in sorted(VERIFIER.rglob("*.js")):
        name = path.relative_to(VERIFIER).as_posix()
        folder = posixpath.dirname(name)

        def rename(match: re.Match[str], folder: str = folder) -> str:
            target = posixpath.normpath(posixpath.join("verifier", folder, match[2]))
            return f'{match[1]}"{target}"'

        text = IMPORT.sub(rename, path.read_text("utf-8"))
        urls[f"verifier/{name}"] = "data:text/javascript;base64," + base64.b64encode(text.encode()).decode()
    return urls


def render_file(receipt: bytes) -> str:
    imports = json.dumps({"imports": inline_modules()})
    program = (
        'import { verifyReceipt } from "verifier/verify.js";'
        f'const data = Uint8Array.from(atob("{base64.b64encode(receipt).decode()}"), (c) => c.charCodeAt(0));'
        "globalThis.verdict = verifyReceipt(data);"
    )
    return (
        '<!doctype html><html lang="en"><title>Receipt</title>'
        f'<script type="importmap">{imports}</script><script type="module">{program}</script>'
    )


@pytest.mark.parametrize(
    "name", ["honest-seven", "precommits-rewritten-for-another-status", "honest-standing"]
)
def test_one_file_verifies_its_receipt_without_a_server(name: str, chromium: Browser, tmp_path: Path) -> None:
    rows = json.loads((VECTORS / "index.json").read_text("utf-8"))["vectors"]
    row = next(row for row in rows if row["file"] == f"{name}.receipt")
    file = tmp_path / "receipt.html"
    file.write_text(render_file((VECTORS / row["file"]).read_bytes()), "utf-8")
    page = chromium.new_page()
    page.goto(file.as_uri())
    page.wait_for_function("globalThis.verdict !== undefined")
    assert page.evaluate("verdict.isConsistent") == row["consistent"]
    assert page.evaluate("verdict.failedStep") == row["failed_step"]
    page.close()
