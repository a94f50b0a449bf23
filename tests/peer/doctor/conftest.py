"""A healthy peer for every test, copied from one that is made once."""

from pathlib import Path

import pytest

from tests.peer.doctor.kit import Scene, Template, make_scene


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return Template.make(tmp_path_factory.mktemp("template"))


@pytest.fixture
def scene(tmp_path: Path, template: Template) -> Scene:
    return make_scene(tmp_path / "scene", template)
