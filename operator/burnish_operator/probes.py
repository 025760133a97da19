"""`/healthz` and `/readyz`, answered in the loop whose health they tell.

A standby is alive and ready: its watches run, and it leads a moment after the leader is gone.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from burnish_operator.pulse import Pulse

Handler = Callable[[web.Request], Awaitable[web.Response]]


class Probes:
    """Serves while it is entered. `api_answers`: whether the API server answers anything at all."""

    def __init__(self, pulse: Pulse, api_answers: Callable[[], Awaitable[bool]], port: int) -> None:
        self._pulse, self._api_answers, self._port = pulse, api_answers, port
        app = web.Application()
        app.add_routes([web.get("/healthz", self.healthz), web.get("/readyz", self.readyz)])
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)

    async def __aenter__(self) -> "Probes":
        await self._runner.setup()
        await web.TCPSite(self._runner, None, self._port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def healthz(self, _: web.Request) -> web.Response:
        """503 where a watch is stale although the API server answers: a new process may hear more."""
        stale = self._pulse.stale()
        if stale and await self._api_answers():
            return web.Response(status=503, text="\n".join(stale))
        return web.Response(text="ok")

    async def readyz(self, _: web.Request) -> web.Response:
        """503 until everything that is watched was listed once."""
        missing = self._pulse.waited_for()
        if missing:
            return web.Response(status=503, text=f"not watched yet: {', '.join(missing)}")
        return web.Response(text="ok")
