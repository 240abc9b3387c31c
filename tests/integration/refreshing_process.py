"""A process of its own that refreshes a grant: ``python -m tests.integration.refreshing_process URL BASE AHEAD``.

Says ``ready``, waits for a line, asks for a token, prints its fingerprint. The key of the store comes by environment.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

from connector.http import HttpClient
from connector.store.tokens import TokenStore
from connector.xero.refresh import GrantTokens
from connector.xero.sign_in import App, fingerprint

KEY = "REFRESHING_PROCESS_KEY"
NAME = "main/xero"


async def main(url: str, base: str, ahead_ms: int) -> None:
    store = TokenStore(url, os.environ[KEY])
    await store.read(NAME)  # connected
    async with HttpClient() as http:
        app = App("xero-demo-pkce", token_url=f"{base}/connect/token")
        tokens = GrantTokens(http, app, store, NAME, lambda: time.time_ns() // 1_000_000 + ahead_ms)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        sys.stdout.write(fingerprint(await tokens.token()) + "\n")
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
