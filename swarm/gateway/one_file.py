"""One HTML file that holds a round's receipt and checks it by itself, wherever it is opened.

The page's modules become functions in one inline script, in the order in which they need each other; the
page's policy names the digest of that script and of the style sheet, so that nothing else can run. The
receipt is a block of data, which is never run.
"""

import base64
import hashlib
import posixpath
import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).with_name("page")
ENTRY = "app/main.js"
SLOT = '<script type="application/octet-stream" id="receipt"></script>'
STYLE_LINK = '<link rel="stylesheet" href="/page.css">'
SCRIPT_LINK = '<script type="module" src="/app/main.js"></script>'

_IMPORT = re.compile(r'^import (?:(\{[^}]*\}|\* as \w+) from )?"(\.[^"]+)";$', re.MULTILINE)
_DECLARED = re.compile(r"^export ((?:async )?(?:function\*?|class|const) (\w+))", re.MULTILINE)
_LISTED = re.compile(r"^export \{([^}]*)\};$", re.MULTILINE)
_RENAMED = re.compile(r"(\w+) as (\w+)")
_LEFT_OVER = re.compile(r'^(?:import [^"\']*"|export )', re.MULTILINE)
_ENDS_SCRIPT = re.compile(r"</script|<!--", re.IGNORECASE)


def render_round_page(receipt: bytes) -> bytes:
    """Return the file of one round.

    Args:
        receipt: Its exact bytes. They are not verified here: the file does that whenever it is opened.
    """
    filled = SLOT.replace("></", f">{base64.b64encode(receipt).decode()}</")
    return make_shell().replace(SLOT.encode(), filled.encode())


@cache
def make_shell() -> bytes:
    """Return the file without a receipt; `SLOT` is where one goes, in base64."""
    script = bundle_modules(FOLDER, ENTRY)
    style = (FOLDER / "page.css").read_text("utf-8")
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; img-src data:;"
        " base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<style>{style}</style>"
    )
    page = (FOLDER / "index.html").read_text("utf-8")
    for link, inline in ((STYLE_LINK, head), (SCRIPT_LINK, SLOT)):
        assert page.count(link) == 1, link
        page = page.replace(link, inline)
    assert page.count("</body>") == 1, "the script stands at the end"
    return page.replace("</body>", f'<script type="module">{script}</script>\n</body>').encode()


def bundle_modules(folder: Path, entry: str) -> str:
    """Return one script that does what a module does with all that it imports.

    Knows the few forms in which the page's modules import and export; each is written at the start of a line.

    Args:
        folder: Of the modules.
        entry: Of the module that begins, relative to it.
    """
    bundled: dict[str, str] = {}
    _add_module(folder, entry, bundled)
    script = '"use strict";\nconst modules = {};\n' + "".join(bundled.values())
    assert _ENDS_SCRIPT.search(script) is None, "it would end before its end"
    return script


def _add_module(folder: Path, name: str, bundled: dict[str, str]) -> None:
    """Add a module behind those that it imports; no two import each other."""
    if name in bundled:
        return
    text = (folder / name).read_text("utf-8")
    for _, target in _IMPORT.findall(text):
        _add_module(folder, _resolve(name, target), bundled)
    exported = [f"{found[2]}" for found in _DECLARED.finditer(text)]
    for found in _LISTED.finditer(text):
        exported += [_RENAMED.sub(r"\2: \1", one.strip()) for one in found[1].split(",") if one.strip()]
    text = _IMPORT.sub(lambda found: _take(found[1], _resolve(name, found[2])), text)
    text = _LISTED.sub("", _DECLARED.sub(r"\1", text))
    left = _LEFT_OVER.search(_strip_comments(text))
    assert left is None, f"{name}: {left}"
    bundled[name] = f'modules["{name}"] = (() => {{\n{text}\nreturn {{ {", ".join(exported)} }};\n}})();\n'


def _take(names: str | None, module: str) -> str:
    """Return the statement that stands in the place of an import."""
    if names is None:
        return ""
    left = names.removeprefix("* as ") if names.startswith("*") else _RENAMED.sub(r"\1: \2", names)
    return f'const {left} = modules["{module}"];'


def _resolve(name: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), target))


def _strip_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
