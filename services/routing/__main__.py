"""`python -m services.routing`."""

from services.kit.process import main
from services.routing.app import run
from services.routing.config import Config

if __name__ == "__main__":
    raise SystemExit(main("routing", Config, run))
