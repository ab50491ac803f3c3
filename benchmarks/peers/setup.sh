#!/usr/bin/env bash
# Makes .venv-peers, where LeRobot 0.4.4 is run beside us; it shares nothing with .venv.
# TORCH_INDEX=https://download.pytorch.org/whl/cpu keeps some gigabytes of CUDA away.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=.venv-peers
pip="$venv/bin/python -m pip --disable-pip-version-check"
install="$pip install ${TORCH_INDEX:+--extra-index-url $TORCH_INDEX}"
test -x $venv/bin/python || "${PYTHON:-python3}" -m venv $venv
# torch first and at our version, so that both sides compute with the same kernels; its companion
# without dependencies, so that it cannot exchange it.
$install torch==2.13.0
$install --no-deps torchvision==0.28.0
$install -r benchmarks/peers/requirements.txt
$pip install --no-deps lerobot==0.4.4
PYTHONPATH=benchmarks/peers $venv/bin/python -c \
    "import lerobot_import, lerobot.datasets.lerobot_dataset, lerobot.policies.act.modeling_act"
