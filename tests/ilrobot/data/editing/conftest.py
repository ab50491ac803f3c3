"""What tests of editing share."""

import pytest

from tests.ilrobot.data.editing.edited import MAKERS


@pytest.fixture(params=MAKERS)
def path(request, tmp_path):
    return MAKERS[request.param](tmp_path / "toy")
