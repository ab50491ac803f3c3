"""Seconds that openpi's own client waits for each chunk of a policy server.

    .venv-openpi/bin/python benchmarks/peers/openpi_infer.py PORT SHAPES

SHAPES is JSON: the names and shapes of the observations. For every line on stdin that many chunks
are asked for, and their seconds printed.
"""

import json
import sys
import time

import numpy as np
from openpi_client.websocket_client_policy import WebsocketClientPolicy


def main() -> None:
    """Connect, and measure when asked to."""
    policy = WebsocketClientPolicy("127.0.0.1", int(sys.argv[1]))
    seen = {name: np.zeros(shape, np.float32) for name, shape in json.loads(sys.argv[2]).items()}
    for line in sys.stdin:
        policy.infer(seen)
        for _ in range(int(line)):
            began = time.perf_counter()
            policy.infer(seen)
            print(time.perf_counter() - began, end=" ")
        print(flush=True)


if __name__ == "__main__":
    main()
