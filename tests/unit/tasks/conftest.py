"""What several of these tests stand on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.tasks.endpoints import Lab


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two workstations behind a gateway, for the tests of one module."""
    lab = Lab(tmp_path_factory.mktemp("endpoint"))
    yield lab
    lab.close()
