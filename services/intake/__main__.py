"""`python -m services.intake`."""

import sys

from services.intake.app import run
from services.intake.config import Config
from services.kit.process import main

if __name__ == "__main__":
    sys.exit(main("intake", Config, run))
