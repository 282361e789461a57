"""`python -m test_merchant`: open the shop until somebody closes it."""

import os
import signal
import sqlite3
import sys

from werkzeug.serving import WSGIRequestHandler, make_server

from test_merchant import settings
from test_merchant.app import create_app


class QuietHandler(WSGIRequestHandler):
    """No line per request, and no thread held for ever by a client that stops talking."""

    timeout = 30

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def main() -> None:
    try:
        configured = settings.read(os.environ)
        app = create_app(configured)
    except ValueError as problem:
        sys.exit(f"test_merchant: {problem}")
    except (OSError, sqlite3.Error) as problem:
        sys.exit(f"test_merchant: SHOP_DB={configured.db} cannot be opened: {problem}")
    # As the first process of a container, SIGTERM would otherwise be ignored.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = make_server(configured.host, configured.port, app, threaded=True, request_handler=QuietHandler)
    print(f"The test shop is open at http://localhost:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
