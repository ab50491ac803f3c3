"""Processes that record films and are killed; run as a script it carries out one JSON command."""

import json
import os
import resource
import signal
import sys
import time

import numpy as np
from recording_child import arm, say

from ilrobot.data.dataset import DatasetRecorder
from ilrobot.data.episode import EpisodeInfo, Judge, Outcome, frame_columns
from ilrobot.errors import WorkFailed
from ilrobot.spec import Feature, Spec

HEIGHT, WIDTH = 48, 64
CAMERAS = ("observation.images.front", "observation.images.wrist")
SPEC = Spec(
    observations=(
        Feature("observation.state", (2,)),
        *(Feature(camera, (HEIGHT, WIDTH, 3), "uint8") for camera in CAMERAS),
    ),
    action=Feature("action", (2,)),
    rate=30.0,
)


def picture(seed: int, tick: int, camera: str) -> np.ndarray:
    """A smooth one that says which it is: tick and seed as grey levels of its two halves."""
    found = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    found[:, : WIDTH // 2] = 16 + (tick * 5) % 220
    found[:, WIDTH // 2 :] = 16 + (seed * 40 + 20 * CAMERAS.index(camera)) % 220
    return found


def frame(seed: int, tick: int) -> dict:
    values: dict = {
        column.name: "demo" if column.dtype == "string" else np.zeros(column.shape, column.dtype)
        for column in frame_columns(SPEC)
    }
    values["observation.state"] = np.array([seed, tick], np.float32)
    return values | {camera: picture(seed, tick, camera) for camera in CAMERAS}


def record(
    path: str,
    ticks: int,
    episodes: int = 1,
    pause: float = 0.0,
    armed: dict | None = None,
    film_limit: int | None = None,
    seal_limit: int | None = None,
) -> None:
    """Record, saying what was kept as soon as the call that keeps it has returned."""
    with DatasetRecorder(path, SPEC, resume=True) as recorder:
        encoder = recorder.encoder_pid
        say("encoder", encoder)
        if film_limit is not None:  # stands in for a disk that fills up
            resource.prlimit(encoder, resource.RLIMIT_FSIZE, (film_limit, film_limit))
        for _ in range(episodes):
            seed = recorder.num_episodes
            recorder.begin(EpisodeInfo("toy", SPEC.rate, seed=seed))
            try:
                for tick in range(ticks):
                    recorder.append(frame(seed, tick))
                    say("kept", seed, tick)
                    time.sleep(pause)
                if armed and seed == armed["episode"]:
                    arm(**armed)
                if seal_limit is not None:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (seal_limit, seal_limit))
                recorder.end(Outcome.SUCCESS, Judge.PERSON)
            except WorkFailed as error:
                say("error", error)
                return
            say("sealed", seed)


def record_armed(path: str, armed: dict) -> None:
    """Three ticks, of which the sealing is killed."""
    record(path, ticks=3, armed=armed)


if __name__ == "__main__":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    record(**json.loads(sys.argv[1]))
    os._exit(0)
