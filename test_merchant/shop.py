"""What one open shop holds: its settings, its books, its inbox, and how often it still has to stumble."""

import threading

from flask import current_app

from test_merchant.books import Books
from test_merchant.inbox import Inbox
from test_merchant.settings import Settings


class Shop:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.books = Books(settings.db)
        self.inbox = Inbox()
        self._stumbles_left = settings.fail_first_n
        self._lock = threading.Lock()

    def stumbles(self) -> bool:
        """Whether this webhook is one of the first FAIL_FIRST_N, which get a 500."""
        with self._lock:
            self._stumbles_left -= 1
            return self._stumbles_left >= 0


def current_shop() -> Shop:
    shop: Shop = current_app.extensions["shop"]
    return shop
