"""The worker: `python huey_worker.py` serves all queues, `--queue webhooks` one of them."""

import argparse

from gateway.app import prepare, settle_in
from gateway.core.config import Config
from gateway.core.queue import QUEUES
from gateway.jobs.worker import Worker


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--queue", choices=QUEUES, action="append", help="serve only this queue; may be repeated"
    )
    queues = parser.parse_args().queue or QUEUES
    config = Config.from_env()
    prepare(config)
    worker = Worker(config, queues)
    settle_in()
    worker.run()


if __name__ == "__main__":
    main()
