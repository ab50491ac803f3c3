"""What tests of editing share."""

import os

import pytest

from tests.ilrobot.data.editing.edited import MAKERS


@pytest.fixture(autouse=True)
def unflushed(monkeypatch):
    """Waiting for the disk takes most of the time; `test_all_is_flushed_...` looks at it."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(params=MAKERS)
def path(request, tmp_path):
    return MAKERS[request.param](tmp_path / "toy")
