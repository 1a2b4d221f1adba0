"""`GET /v1/streamsrv/capabilities`: the stages of this server, for clients that can replace a missing stage."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamsrv.engines.absent import ABSENT
from streamsrv.engines.elsewhere import models_elsewhere
from streamsrv.http.models import recognizer_facts
from streamsrv.service import Service
from streamsrv.transports.webrtc.calls import webrtc_is_installed

RECOGNIZER_FACTS = (
    "name",
    "description",
    "languages",
    "detects_language",
    "translates",
    "prompt",
    "keywords",
    "best_for",
    "not_for",
    "lacks",
)
"""What a page tells a user who chooses a recogniser."""


async def capabilities(request: Request) -> Response:
    """Return what each stage has; null for a stage that this server does not have.

    `{recognizer: name, recognizers: [{name, languages, ...}], translator: name,
    synthesizer: {name, voices, min_speed, max_speed}, synthesizers: [{name, voices, languages}],
    chat: {default, models}, elsewhere: names, transports}`. `elsewhere` names the models that this machine does not
    run, or whose stand-ins it does not run: what users say and write goes there. A recogniser is as in
    `GET /v1/models`; `lacks` tells why one cannot be chosen yet. `translator` translates captions of sessions that name
    no recogniser.
    """
    service: Service = request.app.state.service
    engines = service.engines
    has_webrtc = webrtc_is_installed()
    if has_webrtc:
        request.app.state.calls.prepare()  # start it now: a client that asks for capabilities is about to call
    speaker = engines.synthesizer
    synthesizer = {
        "name": speaker.name,
        "voices": [voice.name for voice in speaker.voices],
        "min_speed": speaker.min_speed,
        "max_speed": speaker.max_speed,
    }
    return JSONResponse(
        {
            "recognizer": None if engines.recognizer.name == ABSENT else engines.recognizer.name,
            "recognizers": [{key: facts.get(key) for key in RECOGNIZER_FACTS} for facts in recognizer_facts(engines)],
            "translator": service.capabilities.translator,
            "synthesizer": None if speaker.name == ABSENT else synthesizer,
            "synthesizers": [
                {
                    "name": each.name,
                    "voices": [voice.name for voice in each.voices],
                    "languages": sorted(frozenset[str]().union(*(voice.languages for voice in each.voices))),
                }
                for each in engines.synthesizers
                if each.name != ABSENT
            ],
            "chat": {
                "default": engines.chat.name,
                "models": list(dict.fromkeys([engines.chat.name, *engines.chat_by_name])),
            },
            "elsewhere": models_elsewhere(engines),
            "transports": ["webrtc", "websocket"] if has_webrtc else ["websocket"],
        }
    )
