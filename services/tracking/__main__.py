"""`python -m services.tracking`."""

from services.kit.process import main
from services.tracking.app import run
from services.tracking.config import Config

if __name__ == "__main__":
    raise SystemExit(main("tracking", Config, run))
