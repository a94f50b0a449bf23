"""The verifier's modules: files as published, tables as defined, arrows downward."""

import hashlib
import json
import re
from pathlib import Path

from tests.browser.make_tables import TABLES, render_tables

VERIFIER = Path(__file__).parents[2] / "swarm" / "gateway" / "page" / "verifier"
VENDOR = VERIFIER / "vendor"
IMPORT = re.compile(r'^import (?:[^"]*from )?"(\./[^"]+)";', re.MULTILINE)
SOURCES = {path.name: path.read_text("utf-8") for path in sorted(VERIFIER.glob("*.js"))}
LINE_CHARS_MAX = 110


def test_vendored_files_are_the_published_ones() -> None:
    packages = json.loads((VENDOR / "VENDORED.json").read_text("utf-8"))
    named = {f"{folder}/{name}" for folder, package in packages.items() for name in package["files"]}
    found = {str(path.relative_to(VENDOR)) for path in VENDOR.glob("*/*")}
    assert found == named
    for folder, package in packages.items():
        assert package["license"] == "MIT"
        assert "MIT License" in (VENDOR / folder / "LICENSE").read_text("utf-8")
        for name, digest in package["files"].items():
            data = (VENDOR / folder / name).read_bytes()
            assert hashlib.sha256(data).hexdigest() == digest, f"{folder}/{name}"


def test_what_tests_have_vendored_is_the_published_one() -> None:
    folder = Path(__file__).with_name("vendor")
    [(name, package)] = json.loads((folder / "VENDORED.json").read_text("utf-8")).items()
    assert package["license"] == "MPL-2.0"
    assert {path.name for path in (folder / name).iterdir()} == package["files"].keys()
    for file, digest in package["files"].items():
        assert hashlib.sha256((folder / name / file).read_bytes()).hexdigest() == digest, file


def test_tables_are_those_of_the_definition() -> None:
    assert TABLES.read_text("utf-8") == render_tables(), "run: python -m tests.browser.make_tables"


def test_modules_import_each_other_in_one_direction() -> None:
    imports = {name: IMPORT.findall(text) for name, text in SOURCES.items()}
    left = {
        name: {target.removeprefix("./") for target in targets if not target.startswith("./vendor/")}
        for name, targets in imports.items()
    }
    assert sum(map(len, left.values())) > 50
    while left:  # take off what imports nothing that is left
        lowest = [name for name, targets in left.items() if not targets & left.keys()]
        assert lowest, f"a circle among {sorted(left)}"
        left = {name: targets for name, targets in left.items() if name not in lowest}


def test_every_import_is_a_file_of_ours() -> None:
    for name, text in SOURCES.items():
        targets = IMPORT.findall(text)
        assert text.count("\nimport ") + text.startswith("import ") == len(targets), (
            f"{name}: an import unread"
        )
        for target in targets:
            assert (VERIFIER / target).is_file(), f"{name}: {target}"


def test_modules_need_nothing_that_a_strict_page_forbids() -> None:
    texts = {**SOURCES, **{str(p): p.read_text("utf-8") for p in VENDOR.glob("*/*.js")}}
    for name, text in texts.items():
        code = re.sub(r"/\*.*?\*/|(?<![:\"'])//[^\n]*", "", text, flags=re.DOTALL)
        assert not re.search(r"\beval\(|\bnew Function\b|\bimport\(|\bfetch\(", code), name


def test_lines_and_files_keep_the_sizes_of_the_house() -> None:
    for name, text in SOURCES.items():
        lines = text.splitlines()
        assert len(lines) <= 400, name
        assert all(len(line) <= LINE_CHARS_MAX for line in lines), name
