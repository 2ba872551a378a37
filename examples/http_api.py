"""Warn through the HTTP interface of a running `fzalert run`, with a bearer token."""

import os
import sys

import httpx

url = os.environ.get("FZALERT_URL", "http://127.0.0.1:8800")
token = {"Authorization": f"Bearer {os.environ['FZALERT_TOKEN']}"}
key = {"Idempotency-Key": "branch-7-20261124-0009"}  # send it again after a failure: no second one
warning = {"script": "impersonating-police", "to": ["phone:13800138000", "display:lobby"]}

with httpx.Client(base_url=url, headers=token, timeout=15) as client:
    answer = client.post("/api/v1/warnings", json=warning, headers=key)
    if answer.status_code != 202:  # 202: it is on disk
        sys.exit("{code}: {detail}".format(**answer.json()))
    for target in client.get(answer.headers["location"], params={"wait": 5}).json()["targets"]:
        print(target["target"], target["state"], target["word"], target["detail"])
