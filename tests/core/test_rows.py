"""Rows read by prepared statements look like the mapped ones."""

from typing import Any

import pytest
from sqlalchemy import select

from gateway.core import rows
from gateway.core.config import Config
from gateway.core.db import add, reading, session, transaction
from gateway.core.ids import new_id
from gateway.domain.merchants import SEEDED_MERCHANT_ID
from gateway.models import ApiKey, Merchant, Order
from tests.core.test_db import NOW


def mapped(model: Any, row_id: str) -> dict[str, Any]:
    with reading():
        row = session().scalars(select(model).where(model.id == row_id)).one()
        return {column.name: getattr(row, column.name) for column in model.__table__.columns}


def test_every_column_reads_as_it_does_when_mapped(config: Config) -> None:
    order_id = new_id("order")
    with transaction():
        notes = {"tea": "मीरा", "n": "1"}
        add(
            Order(
                id=order_id,
                merchant_id=SEEDED_MERCHANT_ID,
                amount=100,
                currency="INR",
                notes=notes,
                created_at=NOW,
                updated_at=NOW,
            )
        )
    with reading():
        key_id = session().scalars(select(ApiKey.id)).first()
    for model, row_id in ((Merchant, SEEDED_MERCHANT_ID), (Order, order_id), (ApiKey, key_id)):
        found = rows.find(model, row_id)
        assert found is not None
        assert vars(found) == mapped(model, row_id)


@pytest.mark.parametrize("model", [Order])
def test_what_is_not_there_is_none(config: Config, model: Any) -> None:
    assert rows.find(model, new_id("order")) is None
