"""The roof: puts the house together."""

import gc
import logging

from flask import Flask

from gateway import api, checkout, dashboard
from gateway.core import config as settings
from gateway.core import crypto, db, migration, queue
from gateway.core.config import Config
from gateway.domain import merchants
from gateway.web import assets, filters
from gateway.web.requests import Gateway
from gateway.web.sessions import PageSessions


def create_app(config: Config) -> Flask:
    """The WSGI application of one process, with its database and queue connected."""
    connect(config)
    app = Gateway("gateway", template_folder="../templates", static_folder=None)
    app.config["GATEWAY"] = config
    app.config["SECRET_KEY"] = config.secret_key
    app.session_interface = PageSessions()
    assets.init_app(app)
    filters.init_app(app)
    api.init_app(app)
    dashboard.init_app(app)
    checkout.init_app(app)
    return app


def connect(config: Config) -> None:
    """Give this process its settings, keys, database and queues."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Huey logs a traceback for each poll that finds Redis away; the ringer says it in one line.
    logging.getLogger("huey").setLevel(logging.CRITICAL)
    settings.use(config)
    crypto.configure(config)
    db.connect(config, pool_size=config.web_threads)
    queue.connect(config)


def settle_in() -> None:
    """What a process has made by now stays for its whole life: the garbage collector need not look at it."""
    gc.collect()
    gc.freeze()


def prepare(config: Config) -> None:
    """Bring the database to the newest schema and, in the sandbox, make the test merchant."""
    migration.upgrade(config)
    connect(config)
    if config.is_sandbox:
        merchants.seed(config)
