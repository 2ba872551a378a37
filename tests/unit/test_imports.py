"""`import fzalert` stays light: a branch's program pays only for what it uses."""

import json
import subprocess
import sys

HEAVY = {
    "cryptography",
    "cyclopts",
    "jinja2",
    "numpy",
    "prometheus_client",
    "python_calamine",
    "rich",
    "soundfile",
    "starlette",
    "textual",
    "uvicorn",
    "xlsxwriter",
}


def test_importing_fzalert_loads_no_web_terminal_table_sound_or_crypto_library() -> None:
    code = "import fzalert, json, sys; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    loaded = {name.partition(".")[0] for name in json.loads(run.stdout)}
    assert "fzalert" in loaded
    assert loaded & HEAVY == set()
