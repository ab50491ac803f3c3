"""Answers comparisons until it is killed; a line of stdout for each answer that is kept."""

import os
import sys
from pathlib import Path

from ilrobot.data.comparisons import Compared, Comparison, Comparisons
from ilrobot.data.dataset import Dataset
from ilrobot.learners.finetuning.judges import ScriptedJudge

if __name__ == "__main__":
    dataset = Dataset.open(sys.argv[1])
    judge = ScriptedJudge("return", dataset)
    with Comparisons.writing(Path(sys.argv[2]), Compared.of(dataset, None, 0)) as comparisons:
        while True:
            number = len(comparisons.answers)
            left, right = comparisons.compared.pair(dataset, number)
            answer = judge.judge(left, right, number)
            comparisons.append(Comparison(left, right, answer, "return"))
            os.write(1, f"{number}\n".encode())
