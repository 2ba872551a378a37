"""What `import fzalert` costs: `python bench/import_time.py`.

Fresh processes alternate: Python alone, and with the import. Printed are the milliseconds between
them, the modules that it loads, and which of them are not Python's own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence

from bench.common.printing import Report

ALONE = "import json, sys; before = set(sys.modules)"
WHOLE = f"{ALONE}; import fzalert"
SERVICE = f"{ALONE}; import fzalert.service"
TOLD = f"{WHOLE}; print(json.dumps(sorted(set(sys.modules) - before)))"


def _run(code: str) -> tuple[float, str]:
    """Milliseconds of a process, and what it wrote."""
    began = time.perf_counter()
    done = subprocess.run(  # noqa: S603  ours
        [sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True
    )
    return (time.perf_counter() - began) * 1000, done.stdout


def main(arguments: Sequence[str] | None = None) -> None:
    """Alternate, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    loaded: list[str] = json.loads(_run(TOLD)[1])
    alone: list[float] = []
    whole: list[float] = []
    service: list[float] = []
    for _ in range(1 if given.quick else given.pairs):
        alone.append(_run(ALONE)[0])
        whole.append(_run(WHOLE)[0])
        service.append(_run(SERVICE)[0])
    known = sys.stdlib_module_names
    others = sorted({name.partition(".")[0] for name in loaded} - known - {"fzalert"})
    report = Report("import_time", quick=given.quick)
    report.add("Python alone", alone, "ms")
    report.add("with `import fzalert`", whole, "ms")
    report.add("the import", [w - a for w, a in zip(whole, alone, strict=True)], "ms")
    report.add(
        "what `fzalert.open` needs", [s - a for s, a in zip(service, alone, strict=True)], "ms"
    )
    report.add("modules that `import fzalert` loads", [float(len(loaded))], "")
    ours = [name for name in loaded if name.partition(".")[0] == "fzalert"]
    report.add("of them fzalert's", [float(len(ours))], "")
    sys.stdout.write(f"  not Python's own: {', '.join(others) or 'none'}\n")
    report.close()


if __name__ == "__main__":
    main()
