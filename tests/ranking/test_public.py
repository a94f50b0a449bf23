import subprocess
import sys

import pytest

from ranking import api


@pytest.mark.parametrize("name", api.__all__)
def test_every_public_name_is_there_and_says_what_it_does(name: str) -> None:
    found = getattr(api, name)
    assert found.__name__ == name
    assert found.__doc__


def test_a_node_that_ranks_loads_no_numpy() -> None:
    code = "import sys, ranking.canonical; sys.exit('numpy' in sys.modules or 'networkx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
