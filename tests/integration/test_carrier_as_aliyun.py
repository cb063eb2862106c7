"""A worker whose carrier is Alibaba Cloud SMS, as the example describes it, from a job to its final receipt."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from tests.aliyun import KEY, SECRET, Aliyun
from tests.carriers import serving
from tests.examples import FOLDER
from tests.stack import WorkerProcess, worker

FINAL_S = 60.0
SECRETS = {
    "ALIYUN_ACCESS_KEY_ID": KEY,
    "ALIYUN_ACCESS_KEY_SECRET": SECRET,
    "ALIYUN_WEBHOOK_TOKEN": "hunter2",
}


def otp(number: str) -> dict[str, Any]:
    return {"id": str(uuid4()), "to": number, "signature": "Acme", "template": "SMS_1001", "params": {"code": "1234"}}


async def enqueue(http: aiohttp.ClientSession, running: WorkerProcess, job: dict[str, Any]) -> None:
    async with http.post(f"{running.url}/v1/jobs", json=job) as answer:
        assert answer.status == 202


async def until(http: aiohttp.ClientSession, running: WorkerProcess, job: dict[str, Any], state: str) -> dict[str, Any]:
    async with asyncio.timeout(FINAL_S):
        while True:
            async with http.get(f"{running.url}/v1/jobs/{job['id']}") as answer:
                receipt: dict[str, Any] = await answer.json()
                if receipt.get("state") == state:
                    return receipt
            await asyncio.sleep(0.02)


async def test_jobs_reach_their_final_receipt_by_push_and_where_no_answer_came_by_question(tmp_path: Path) -> None:
    aliyun = Aliyun()
    async with serving(aliyun.answer) as url:
        example = (FOLDER / "aliyun.example.toml").read_text(encoding="utf-8")
        path = tmp_path / "sms.toml"
        path.write_text(example.replace("https://dysmsapi.aliyuncs.com", url), encoding="utf-8")
        environment = {"SMS_CONFIG": str(path), **SECRETS}
        async with worker(environment) as running, aiohttp.ClientSession() as http:
            await running.ready()
            pushed, asked = otp("+8613800000000"), otp("+8613900000000")

            await enqueue(http, running, pushed)
            submitted = await until(http, running, pushed, "submitted")
            report = {"biz_id": submitted["carrier_id"], "success": True, "err_code": "DELIVERED"}
            hook = f"{running.url}/v1/receipts/aliyun?token=hunter2"
            async with http.post(hook, json=[report]) as answer:
                assert await answer.json() == {"code": 0, "msg": "OK"}
            delivered = await until(http, running, pushed, "delivered")
            assert (delivered["final"], delivered["channel"]) == (True, "aliyun")

            aliyun.silent = True
            await enqueue(http, running, asked)
            await until(http, running, asked, "unknown")
            aliyun.details = [{"OutId": asked["id"], "SendStatus": 3, "ErrCode": "DELIVERED"}]
            found = await until(http, running, asked, "delivered")
            assert (found["final"], found["code"]) == (True, "DELIVERED")

            assert [taken["OutId"] for taken in aliyun.taken] == [pushed["id"], asked["id"]]
            assert await running.stop() == 0
            told = str(running.log)
            assert SECRET not in told
            assert "hunter2" not in told
            assert "13800000000" not in told
