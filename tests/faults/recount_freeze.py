"""Recount what banks did and what the police know: `python -I recount_freeze.py FOLDER`.

Nothing of fzalert is read or imported: the core systems' own lines, the raw requests that the glass
saw, and two tables by SQL. Prints one line of JSON.
"""

import json
import re
import sqlite3
import sys
from collections import Counter
from pathlib import Path

root = Path(sys.argv[1])
asked: Counter[str] = Counter()
acted: Counter[str] = Counter()
accounts: Counter[str] = Counter()
for log in root.glob("*/core.log"):
    for word, application, *account in map(str.split, log.read_text("utf-8").splitlines()):
        (asked if word == "asked" else acted)[application] += 1
        accounts[" ".join(account)] += word == "did"
posted: Counter[str] = Counter()
for log in root.glob("wire/*.asked"):
    posted.update(re.findall(r'"application_id":"([^"]+)"', log.read_text("utf-8", "replace")))


def rows(file: Path, what: str) -> list[tuple[str, dict[str, object]]]:
    """The records of one act, each with the chain that it stands in."""
    db = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
    found = [
        (chain, json.loads(body)) for chain, body in db.execute("SELECT chain, body FROM evidence")
    ]
    db.close()
    return [one for one in found if one[1]["what"] == what]


desks = [*root.glob("*/data/desk.db")]
told = {
    "asked": asked,
    "acted": acted,
    "accounts": accounts,
    "posted": posted,
    "received": Counter(r["application_id"] for d in desks for _, r in rows(d, "desk.receive")),
    "answered": Counter(r["application_id"] for d in desks for _, r in rows(d, "desk.answer")),
    "receipts": Counter(
        f"{chain.removeprefix('case/')}-{r['measure']}"
        for chain, r in rows(root / "police" / "data" / "fz.db", "instruction.answered")
    ),
}
sys.stdout.write(json.dumps(told) + "\n")
