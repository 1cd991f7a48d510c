"""Write docs/ops.md anew: what ``tflreplay ops`` prints.

python docs/build_ops.py
"""

from __future__ import annotations

from pathlib import Path

from tflreplay.ground.engine import Engine
from tflreplay.model import load
from tflreplay.reports.ops import render, render_model
from tflreplay.runtimes import resolve
from tflreplay.tools.ops import citizens, of_model

PAGE = Path(__file__).parent / "ops.md"
MODEL = Path("models", "seven_ops_int8.tflite")
_TEXT = """\
# Which ops are replayed

`tflreplay ops` prints this from the tables that the replay uses; with a model, it lists the model's
ops instead. `tflreplay rules` says how each is computed. What stands in no table, or on a type that
is not named, is reported as not replayed, with the reason, and the replay goes on from the captured
tensor. So is a request that a kernel cannot follow exactly: of a model, each op is tried, and
`tflreplay ops` says what a run will say.

```
{ops}
```

Of one model, `tflreplay ops {path}`:

```
{model}
```
"""


def page(engine: Engine) -> str:
    model = load(Path(__file__).parent.parent / MODEL)
    return _TEXT.format(
        ops=render(citizens(engine), engine),
        path=MODEL.as_posix(),
        model=render_model(of_model(model, engine), engine),
    )


if __name__ == "__main__":
    PAGE.write_text(page(resolve("litert")), encoding="utf-8")
