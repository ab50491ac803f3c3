#!/usr/bin/env bash
# Makes .venv-openpi with openpi's own client, which needs numpy < 2; it shares nothing with .venv.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=.venv-openpi
test -x $venv/bin/python || "${PYTHON:-python3}" -m venv $venv
# typing_extensions: the client imports it, and its own list forgets it.
$venv/bin/python -m pip --disable-pip-version-check install openpi-client==0.1.2 typing_extensions
$venv/bin/python -c "import openpi_client.websocket_client_policy, openpi_client.action_chunk_broker"
