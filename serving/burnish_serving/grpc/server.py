"""The gRPC server on the process's event loop, beside the HTTP servers."""

import grpc.aio

from burnish_serving.errors import InvalidSettings
from burnish_serving.gate import Gate
from burnish_serving.grpc.infer import InferEndpoint
from burnish_serving.grpc.service import handlers
from burnish_serving.metrics import ServingMetrics
from burnish_serving.models import Models
from burnish_serving.observe import Observers
from burnish_serving.settings import ServeSettings
from burnish_serving.swap import Swaps

# Enough for any one client; each costs a few kilobytes until it is let in.
MAX_STREAMS_A_CONNECTION = 1024
# A peer that vanished without a word is noticed, and its connection closed, within the sum of both.
KEEPALIVE_MILLISECONDS, KEEPALIVE_TIMEOUT_MILLISECONDS = 60_000, 20_000
# Requests up to this size come without waiting for leave, whatever the network's measured delay says. Fixed:
# the probes of that measurement are a message more for each request.
WINDOW_BYTES = 1 << 20
LARGEST_FRAME_BYTES = (1 << 24) - 1  # RFC 9113, 4.2
# Clients that look after their connections may ping this often.
MIN_PING_INTERVAL_MILLISECONDS = 5_000


class GrpcServer:
    """The gRPC half of `burnish serve`. Made on the event loop that it runs on."""

    def __init__(
        self,
        settings: ServeSettings,
        models: Models,
        gate: Gate,
        metrics: ServingMetrics,
        observers: Observers,
        *,
        swaps: Swaps | None = None,
    ) -> None:
        """Listen; nobody is answered before `start`.

        Raises: InvalidSettings: the port is taken.
        """
        endpoint = InferEndpoint(settings, models, gate, metrics, observers)
        self._server = grpc.aio.server(handlers=handlers(models, endpoint, swaps), options=_options(settings))
        self.port = _listen(self._server, settings.host, settings.grpc_port)

    async def start(self) -> None:
        """Answer from now on."""
        await self._server.start()

    async def close(self, grace_seconds: float) -> None:
        """Stop listening, let answers that are being sent go out, and end."""
        await self._server.stop(grace_seconds)


def _options(settings: ServeSettings) -> list[tuple[str, int]]:
    # https://github.com/grpc/grpc/blob/master/include/grpc/impl/channel_arg_names.h
    return [
        ("grpc.max_receive_message_length", settings.max_body_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.http2.lookahead_bytes", WINDOW_BYTES),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.max_frame_size", LARGEST_FRAME_BYTES),
        ("grpc.max_concurrent_streams", MAX_STREAMS_A_CONNECTION),
        ("grpc.keepalive_time_ms", KEEPALIVE_MILLISECONDS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MILLISECONDS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_INTERVAL_MILLISECONDS),
        ("grpc.so_reuseport", 0),  # a port that is taken must be an error, not half of the traffic
    ]


def _listen(server: grpc.aio.Server, host: str, port: int) -> int:
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        return server.add_insecure_port(address)
    except RuntimeError as error:
        raise InvalidSettings(address, found=str(error), expected="an address to listen on") from error
