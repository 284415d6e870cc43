"""What `graphagg.serve.http.protocol` relies on in uvicorn, beyond its documentation."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class Transport(asyncio.Transport):
    """A connection that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.written = b""

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return False

    def set_protocol(self, protocol: Any) -> None:
        pass

    def close(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_the_methods_that_are_overridden_exist() -> None:
    wanted = {
        "connection_made": ["transport"],
        "data_received": ["data"],
        "handle_events": [],
        "pause_writing": [],
        "resume_writing": [],
        "connection_lost": ["exc"],
    }
    for name, parameters in wanted.items():
        signature = inspect.signature(getattr(H11Protocol, name))
        assert list(signature.parameters) == ["self", *parameters]


def test_a_cycle_begins_with_a_whole_header_and_says_when_it_is_answered() -> None:
    async def run() -> None:
        config = uvicorn.Config(answer, lifespan="off", log_config=None)
        config.load()
        protocol = H11Protocol(config, ServerState(), app_state={})
        transport = Transport()
        protocol.connection_made(transport)
        assert protocol.loop is asyncio.get_running_loop()
        assert protocol.transport is transport and protocol.cycle is None
        cycles = []
        for _ in range(2):
            before = protocol.cycle
            protocol.data_received(REQUEST[:10])
            assert protocol.cycle is before, "half a header is no request"
            protocol.data_received(REQUEST[10:])
            assert protocol.cycle is not before
            assert not protocol.cycle.response_complete
            await asyncio.wait_for(asyncio.gather(*protocol.tasks), 30)
            assert protocol.cycle.response_complete
            cycles.append(protocol.cycle)
        assert cycles[0] is not cycles[1]
        protocol.connection_lost(None)

    asyncio.run(run())
