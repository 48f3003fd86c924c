"""Backups of a test's database, by PostgreSQL's own programs."""

import asyncio
import os
import subprocess
from pathlib import Path

import asyncpg

from services.kit.postgres.programs import installed, server_user

__all__ = ["dump", "restore"]


async def dump(url: str, file: Path) -> None:
    """Keep a database as it is now."""
    await _run("pg_dump", "--format=custom", "--file", str(file), url)


async def restore(url: str, name: str, file: Path) -> str:
    """Make another database, beside the one at `url`, of what was kept; return its URL."""
    before = url.partition("?")[0].rpartition("/")[2]
    made = url.replace(f"/{before}?", f"/{name}?")
    owner = await asyncpg.connect(url)
    await owner.execute(f'create database "{name}"')
    await owner.close()
    await _run("pg_restore", "--no-owner", "--exit-on-error", "--dbname", made, str(file))
    return made


async def _run(program: str, *arguments: str) -> None:
    command = [str(installed(server_user(None)) / program), *arguments]
    done = await asyncio.to_thread(subprocess.run, command, env=os.environ, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
