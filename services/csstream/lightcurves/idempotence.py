"""An idempotent aiokafka producer that the embedded broker understands too.

aiokafka 0.14 asks for a producer id with version 0 of InitProducerId only; the embedded broker
(Tansu 0.6) answers UNKNOWN to versions without a producer id in the request, which came with
version 3 (KIP-360). This producer asks with version 3 where the broker offers it.
"""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.producer.sender import InitPIDHandler
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.transaction import InitProducerIdRequest_v0
from aiokafka.protocol.types import CompactString, Int16, Int32, Int64, Schema, TaggedFields

NO_PRODUCER_ID = NO_EPOCH = -1


class InitProducerIdResponse_v3(Response):  # noqa: N801 - named as aiokafka's are
    API_KEY = 22
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("tags", TaggedFields),
    )


class InitProducerIdRequest_v3(RequestStruct):  # noqa: N801
    API_KEY = 22
    API_VERSION = 3
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = InitProducerIdResponse_v3
    SCHEMA = Schema(
        ("transactional_id", CompactString("utf-8")),
        ("transaction_timeout_ms", Int32),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("tags", TaggedFields),
    )


class InitProducerId(Request[InitProducerIdRequest_v0 | InitProducerIdRequest_v3]):
    """Asks for a producer id without a transactional id."""

    API_KEY = 22

    def __init__(self, transaction_timeout_ms: int) -> None:
        self._timeout = transaction_timeout_ms

    def build(self, request_struct_class: type[Any]) -> Any:
        if request_struct_class.API_VERSION == 0:
            return request_struct_class(None, self._timeout)
        return request_struct_class(None, self._timeout, NO_PRODUCER_ID, NO_EPOCH, {})


class _Handler(InitPIDHandler):
    def create_request(self) -> InitProducerId:
        return InitProducerId(self._sender._txn_manager.transaction_timeout_ms)


class IdempotentKafkaProducer(AIOKafkaProducer):
    """AIOKafkaProducer with ``enable_idempotence`` on any broker of csstream; no transactions."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings | {"enable_idempotence": True, "acks": "all"})
        sender = self._sender

        async def ask_for_producer_id(node_id: int) -> bool:
            answered: bool = await _Handler(sender).do(node_id)
            return answered

        sender._do_init_pid = ask_for_producer_id

    @property
    def producer_id(self) -> int:
        """The id that the broker gave; -1 before it has."""
        return int(self._txn_manager.producer_id)
