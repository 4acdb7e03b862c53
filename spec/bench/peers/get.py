"""get.py URL COUNT CONNECTIONS: gets, decoded, with aiohttp on uvloop."""
import asyncio
import os
import sys
import time

import aiohttp
import uvloop


async def main(url, count, connections):
    left = iter(range(count))

    async def work(session):
        for _ in left:
            async with session.get(url) as response:
                mirror = await response.json()
                assert response.status == 200 and mirror["id"]

    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections),
        auth=aiohttp.BasicAuth(*os.environ["BENCH_USER"].split(":")),
    ) as session:
        began = time.perf_counter()
        await asyncio.gather(*(work(session) for _ in range(connections)))
        print(f"seconds {time.perf_counter() - began:.6f}")


uvloop.install()
asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
