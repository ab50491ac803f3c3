"""openpi's own client, unchanged and in its own environment, talks to our server."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from exports.runtime.session import OnnxPolicy
from tests.exports.handmade import write_policy
from tests.exports.serving import serving

PYTHON = Path(__file__).parents[2] / ".venv-openpi" / "bin" / "python"
CLIENT = """
import json, sys
import numpy as np
from openpi_client.action_chunk_broker import ActionChunkBroker
from openpi_client.websocket_client_policy import WebsocketClientPolicy

policy = WebsocketClientPolicy("127.0.0.1", int(sys.argv[1]))
asked = {name: np.array(value) for name, value in json.loads(sys.argv[2]).items()}
contract = json.loads(policy.get_server_metadata()["contract"])
answer = policy.infer(asked)
try:
    policy.infer({"prompt": "push"})
    words = ""
except RuntimeError as error:
    words = str(error)
broker = ActionChunkBroker(policy, action_horizon=contract["execute"])
steps = [broker.infer(asked)["actions"].tolist() for _ in range(3)]
print(json.dumps({
    "numpy": np.__version__,
    "horizon": contract["horizon"],
    "actions": answer["actions"].tolist(),
    "dtype": str(answer["actions"].dtype),
    "infer_ms": answer["server_timing"]["infer_ms"],
    "words": words,
    "steps": steps,
}))
"""

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(),
    reason="no .venv-openpi with openpi's client; benchmarks/peers/setup_openpi.sh makes it",
)


def test_openpis_client_infers(tmp_path):
    path = write_policy(tmp_path / "policy.onnx")
    golden = OnnxPolicy(path).contract.golden[0]
    asked = {name: array.tolist() for name, array in golden.observations.items()}
    asked["noise"] = golden.noise.tolist()
    with serving(path) as server:
        done = subprocess.run(
            [str(PYTHON), "-c", CLIENT, str(server.port), json.dumps(asked)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["numpy"].startswith("1.")
    assert result["dtype"] == "float32"
    assert result["infer_ms"] > 0
    assert result["words"].startswith("Error in inference server:\nthis policy takes no 'prompt'")
    # Numbers that JSON wrote for doubles are the same as float32 again.
    np.testing.assert_array_equal(np.float32(result["actions"]), golden.action)
    # Its broker executes two of the four actions, then asks again.
    expected = [golden.action[0], golden.action[1], golden.action[0]]
    np.testing.assert_array_equal(np.float32(result["steps"]), np.array(expected))
