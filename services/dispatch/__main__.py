"""`python -m services.dispatch --channel <channel>`."""

import argparse
import sys
from functools import partial

from services.dispatch.app import run
from services.dispatch.channels import ADAPTERS
from services.kit.process import main

if __name__ == "__main__":
    channels = {channel.label: channel for channel in ADAPTERS}
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--channel", required=True, choices=sorted(channels))
    chosen, others = parser.parse_known_args()
    channel = channels[chosen.channel]
    sys.exit(main("dispatch", ADAPTERS[channel].config, partial(run, channel), others))
