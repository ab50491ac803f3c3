"""A slow evaluation by two workers, to be interrupted from outside."""

import os
import time

import numpy as np

from ilrobot.actors import Actor, Decision, Source
from ilrobot.env import make_env
from ilrobot.evaluate import evaluate
from ilrobot.task_env import TaskEnv


class Slow(Actor):
    """Takes a minute for an action."""

    def act(self, observation, now):
        os.write(1, b"acting\n")  # at once, so that two workers do not mix their lines
        time.sleep(60)
        return Decision(np.array(0), Source.POLICY)


def setup() -> tuple[TaskEnv, Actor]:
    return make_env("CartPole-v1"), Slow()


if __name__ == "__main__":
    evaluate(setup, range(50), workers=2)
