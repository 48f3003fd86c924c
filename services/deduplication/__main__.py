"""`python -m services.deduplication`."""

from services.deduplication.app import run
from services.deduplication.config import Config
from services.kit.process import main

if __name__ == "__main__":
    raise SystemExit(main("deduplication", Config, run))
