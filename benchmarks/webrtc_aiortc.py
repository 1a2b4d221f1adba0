"""The aiortc server of `webrtc.py`: an unmodified aiortc that sends every caller its own audio back.

    python benchmarks/webrtc_aiortc.py [--listen]

It returns the received track itself, the shortest path in aiortc. With `--listen` it detects tones instead, where an
application reads the track. Calls start as in streamsrv: `POST /v1/realtime/calls` with the offer as body.
"""

import argparse
import asyncio
import contextlib
import time

import aioice.ice
import numpy as np
import uvicorn
import uvloop
from aiortc import MediaStreamTrack, RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from streamsrv.server import address, bind
from webrtc_tones import ToneDetector, tone_event


class Calls:
    """All calls of the server."""

    def __init__(self, *, listen: bool) -> None:
        self._listen = listen
        self._connections: set[RTCPeerConnection] = set()
        self._listening: set[asyncio.Task[None]] = set()

    async def answer(self, request: Request) -> Response:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connections.add(connection)
        channel: asyncio.Future[RTCDataChannel] = asyncio.get_running_loop().create_future()
        connection.on("datachannel", channel.set_result)

        @connection.on("track")
        def take(track: MediaStreamTrack) -> None:
            if self._listen:
                self._listening.add(asyncio.create_task(hear(track, channel)))
            else:
                connection.addTrack(track)

        @connection.on("connectionstatechange")
        async def end() -> None:
            if connection.connectionState in ("failed", "closed"):
                self._connections.discard(connection)
                await connection.close()

        await connection.setRemoteDescription(RTCSessionDescription((await request.body()).decode(), "offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        return Response(connection.localDescription.sdp, 201, media_type="application/sdp")


async def hear(track: MediaStreamTrack, channel: "asyncio.Future[RTCDataChannel]") -> None:
    detector = ToneDetector()
    with contextlib.suppress(MediaStreamError):
        while True:
            frame = await track.recv()
            left = np.ascontiguousarray(frame.to_ndarray()[0, ::2])
            tone = detector.hear(left, time.monotonic())
            if tone is not None and channel.done():
                channel.result().send(tone_event(tone))


async def serve(*, listen: bool) -> None:
    listener = bind("127.0.0.1", 0)
    app = Starlette(routes=[Route("/v1/realtime/calls", Calls(listen=listen).answer, methods=["POST"])])
    listener.listen()
    print(f"Listening on {address(listener)}", flush=True)
    await uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).serve(sockets=[listener])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", action="store_true")
    # aioice leaves loopback out, but the benchmark runs on loopback only.
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    uvloop.run(serve(listen=parser.parse_args().listen))


if __name__ == "__main__":
    main()
