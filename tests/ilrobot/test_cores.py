"""How many processes share the episodes of an evaluation."""

import pytest

from ilrobot.cli import cores
from ilrobot.errors import UserError


@pytest.mark.parametrize(
    ("asked", "episodes", "there", "workers"),
    [
        (None, 1, 8, 1),
        (None, 20, 8, 1),
        (None, 50, 8, 3),
        (None, 1_000, 8, 8),
        (None, 50, 1, 1),
        (4, 1, 1, 4),
    ],
)
def test_a_process_is_begun_where_it_is_worth_it_or_asked_for(
    asked, episodes, there, workers, monkeypatch
):
    monkeypatch.setattr(cores, "cores", lambda: there)
    assert cores.sharing(asked, episodes) == workers


@pytest.mark.parametrize("asked", [0, -1, cores.MOST_WORKERS + 1])
def test_numbers_that_nobody_means_are_refused(asked):
    with pytest.raises(UserError, match="--workers must be from 1"):
        cores.sharing(asked, 50)
