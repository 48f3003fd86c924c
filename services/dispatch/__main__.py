"""`python -m services.dispatch --channel letter|email|portal`."""

import argparse
import sys
from functools import partial

from services.core.channel import CHANNEL_NAMES, channel_named
from services.dispatch.app import run
from services.dispatch.config import CONFIGS
from services.kit.process import main

if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--channel", required=True, choices=sorted(CHANNEL_NAMES.values()))
    chosen, others = parser.parse_known_args()
    channel = channel_named(chosen.channel)
    sys.exit(main("dispatch", CONFIGS[channel], partial(run, channel), others))
