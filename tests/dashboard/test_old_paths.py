"""CONTRACT: "Old paths redirect"."""

import pytest
from flask.testing import FlaskClient


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/dashboard/webhooks.html", "/dashboard/webhooks"),
        ("/dashboard-webhooks.html", "/dashboard/webhooks"),
        ("/dashboard/docs.html", "/dashboard/docs"),
    ],
)
def test_an_old_address_leads_to_the_new_page(visitor: FlaskClient, old: str, new: str) -> None:
    answer = visitor.get(old)
    assert (answer.status_code, answer.headers["Location"]) == (301, new)
