"""Blocking calls next to an event loop."""

import asyncio
import concurrent.futures

_calls = concurrent.futures.ThreadPoolExecutor(64, "call")
# The services of a stack die with the thread that started them (PR_SET_PDEATHSIG), so this one lives as long as we do.
_operator = concurrent.futures.ThreadPoolExecutor(1, "operator")


async def run(call, *args):
    return await asyncio.get_running_loop().run_in_executor(_calls, call, *args)


async def operate(call, *args):
    """For what starts and stops services."""
    return await asyncio.get_running_loop().run_in_executor(_operator, call, *args)
