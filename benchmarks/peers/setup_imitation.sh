#!/usr/bin/env bash
# Makes .venv-imitation, where `imitation` 1.0.1 is run beside us; it shares nothing with .venv.
# TORCH_INDEX=https://download.pytorch.org/whl/cpu keeps some gigabytes of CUDA away.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=.venv-imitation
pip="$venv/bin/python -m pip --disable-pip-version-check"
install="$pip install ${TORCH_INDEX:+--extra-index-url $TORCH_INDEX}"
test -x $venv/bin/python || "${PYTHON:-python3}" -m venv $venv
# torch at our version, so that both sides compute with the same kernels. Its own list of needs asks
# for gymnasium < 1 and stable-baselines3 2.2, which knows no numpy 2; what only its scripts and
# downloads import (sacred, ray, huggingface) is left out.
$install torch==2.13.0
$install "numpy<2" gymnasium[mujoco]==0.29.1 "mujoco>=2.3.3,<3" stable-baselines3==2.2.1 \
    datasets rich tqdm scikit-learn "setuptools<81" tensorboard huggingface-sb3 optuna seals==0.2.1
$pip install --no-deps imitation==1.0.1
$venv/bin/python -c "from imitation.algorithms.adversarial import airl, gail"
