"""200 random partial dumps of devices that err in one op: is what is said of them true?"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections import Counter
from itertools import islice
from pathlib import Path

from tests.partial_dumps import Devices, branches, judged
from tflreplay.model import load

COUNT = 200
SEVEN_OPS = Path(__file__).parent.parent / "models" / "seven_ops_int8.tflite"


def main(count: int) -> None:
    suspects: list[int] = []
    ops: list[int] = []
    found: Counter[str] = Counter()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for seed, model in enumerate((load(SEVEN_OPS), branches()), 1):
            for device, kept in islice(Devices(model, seed).dumps(), count // 2):
                judgement = judged(device, kept, Path(folder))
                judgement.check()
                first = judgement.makers[0]
                suspects.append(len(first.suspects.ops))
                ops.append(len(judgement.ops_named))
                named = {None: "not explained", True: "named", False: "something else named"}
                found[named[judgement.named]] += 1
                if judgement.named is False:
                    print(device.wrong.index, device.wrong.name, device.rule, device.slip)
                    print("  ", *judgement.result.stretch_explanations)
    print(f"{len(suspects)} dumps, {time.perf_counter() - start:.0f} s")
    print("the op that errs is among the suspects in all; no other is that the tensors exclude")
    print(f"suspects: mean {statistics.mean(suspects):.2f}, {suspects.count(1)} times one alone")
    print(f"what explains them: {dict(found)}")
    print(f"ops that one change of explains: mean {statistics.mean(ops):.2f}, {ops.count(1)} alone")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT)
