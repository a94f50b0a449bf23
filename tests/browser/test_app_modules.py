"""The page's modules: the sizes of the house, arrows downward, and nothing that a strict page forbids."""

import re

from swarm.gateway.one_file import FOLDER

SOURCES = {path.name: path.read_text("utf-8") for path in sorted((FOLDER / "app").glob("*.js"))}
IMPORT = re.compile(r'^import (?:[^"]*from )?"(\.{1,2}/[^"]+)";', re.MULTILINE)
FORBIDDEN = (
    r"\beval\(|\bnew Function\b|\bimport\(|innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser"
    r"|localStorage|sessionStorage|\bstyle\."
)
LINE_CHARS_MAX = 110
LINES_MAX = 400


def test_modules_import_each_other_in_one_direction() -> None:
    imports = {
        name: {target.removeprefix("./") for target in IMPORT.findall(text)} for name, text in SOURCES.items()
    }
    left = {name: {one for one in targets if not one.startswith("../")} for name, targets in imports.items()}
    assert sum(map(len, left.values())) > 30
    assert set().union(*left.values()) <= SOURCES.keys()
    while left:  # take off what imports nothing that is left
        lowest = [name for name, targets in left.items() if not targets & left.keys()]
        assert lowest, f"a circle among {sorted(left)}"
        left = {name: targets for name, targets in left.items() if name not in lowest}


def test_modules_need_nothing_that_a_strict_page_forbids() -> None:
    for name, text in SOURCES.items():
        code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        assert not re.search(FORBIDDEN, code), name


def test_lines_and_files_keep_the_sizes_of_the_house() -> None:
    for name, text in SOURCES.items():
        lines = text.splitlines()
        assert len(lines) <= LINES_MAX, name
        assert all(len(line) <= LINE_CHARS_MAX for line in lines), name
        assert text.startswith("/**"), f"{name} does not say what it is"


def test_the_page_itself_loads_nothing_from_elsewhere() -> None:
    page, style = ((FOLDER / name).read_text("utf-8") for name in ("index.html", "page.css"))
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert [one for one in sources if not one.startswith(("/", "#", "data:image/svg+xml,"))] == []
    assert "url(" not in style
    assert "@import" not in style
    assert not re.search(r"\sstyle=|\son\w+=", page)
