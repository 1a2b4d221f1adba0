"""`GET /v1/streamsrv/capabilities`: the stages of this server, for clients that can replace a missing stage."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamsrv.engines.absent import ABSENT
from streamsrv.service import Service
from streamsrv.transports.webrtc.calls import webrtc_is_installed


async def capabilities(request: Request) -> Response:
    """Return `{recognizer: name | null, synthesizer: {name, voices} | null, chat: {default, models}, transports}`."""
    service: Service = request.app.state.service
    engines = service.engines
    has_webrtc = webrtc_is_installed()
    if has_webrtc:
        request.app.state.calls.prepare()  # start it now: a client that asks for capabilities is about to call
    synthesizer = {"name": engines.synthesizer.name, "voices": list(engines.synthesizer.voices)}
    return JSONResponse(
        {
            "recognizer": None if engines.recognizer.name == ABSENT else engines.recognizer.name,
            "synthesizer": None if engines.synthesizer.name == ABSENT else synthesizer,
            "chat": {
                "default": engines.chat.name,
                "models": list(dict.fromkeys([engines.chat.name, *engines.chat_by_name])),
            },
            "transports": ["webrtc", "websocket"] if has_webrtc else ["websocket"],
        }
    )
