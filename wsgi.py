"""What a WSGI server loads: `granian --interface wsgi wsgi:app`."""

from gateway.app import create_app, settle_in
from gateway.core import priority
from gateway.core.config import Config

app = create_app(Config.from_env())
settle_in()
priority.give_way()
