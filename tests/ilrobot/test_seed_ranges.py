"""No verb's fresh episodes are those of another."""

from itertools import pairwise

from ilrobot.cli import deploy, int8, prefer
from ilrobot.cli.learners import online


def test_verbs_that_choose_their_own_seeds_choose_others():
    begins = sorted(
        [
            int8.FIRST_SEED,
            prefer._ATTEMPTS_SEED,
            online._ATTEMPTS_SEED,
            deploy.Deploy.seed,
        ]
    )
    assert begins[0] > 100_000  # from there on policies are evaluated
    assert min(b - a for a, b in pairwise(begins)) >= 100_000
