"""docs/doctor.md explains every check there is, each with cause and remedy, and no other."""

import re
from pathlib import Path

from swarm.peer.doctor.checks import CHECKS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "doctor.md"


def read_sections() -> dict[str, str]:
    parts = re.split(r"^## (.+)$", PAGE.read_text(), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_check_has_its_section_in_order() -> None:
    assert list(read_sections()) == [check.id for check in CHECKS]


def test_every_section_says_what_is_checked_and_names_cause_and_remedy() -> None:
    for id_, text in read_sections().items():
        found = re.fullmatch(r"\n(.+?)\n\n\*\*Cause\.\*\* (.+?)\n\n\*\*Remedy\.\*\* (.+?)\n+", text, re.S)
        assert found is not None, id_
        assert all(len(part.split()) >= 3 for part in found.groups()), id_


def test_links_lead_to_sections() -> None:
    anchors = {id_.lower() for id_ in read_sections()}
    for check in CHECKS:
        page, _, anchor = check.link.partition("#")
        assert page == "docs/doctor.md"
        assert anchor in anchors
