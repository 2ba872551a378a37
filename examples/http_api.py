"""Warn through the HTTP interface of a running `fzalert run`, with a bearer token."""

import os
import sys

import httpx

client = httpx.Client(
    base_url=os.environ.get("FZALERT_URL", "http://127.0.0.1:8800"),
    headers={"Authorization": f"Bearer {os.environ['FZALERT_TOKEN']}"},
    timeout=15,
)
warning = {
    "script": "impersonating-police",
    "audience": "elderly",
    "to": ["phone:13800138000", "display:lobby"],
}
key = {"Idempotency-Key": "branch-7-20261124-0009"}  # send it again after a failure: no second one
answer = client.post("/api/v1/warnings", json=warning, headers=key)
if answer.status_code != 202:  # 202: it is on disk
    problem = answer.json()
    sys.exit(f"{problem['code']}: {problem['detail']}")
fate = client.get(answer.headers["location"], params={"wait": 5}).json()
for target in fate["targets"]:
    print(target["target"], target["state"], target["word"], target["detail"])
