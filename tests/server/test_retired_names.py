"""A client that names a retired language model gets the one that serves it, over every interface."""

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from streamsrv.app import build_app
from streamsrv.settings import Settings
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines


@pytest.mark.parametrize(
    ("asked", "answers"),
    [("new", "new"), ("retired", "new"), ("retired-and-not-loaded", "default"), ("gpt-realtime", "default")],
)
def test_a_retired_name_means_its_successor(asked: str, answers: str):
    models = {name: ScriptedChatModel(*[f"I am {name}."] * 3, name=name) for name in ("default", "new")}
    successors = {"retired": "new", "retired-and-not-loaded": "absent"}
    engines = replace(fake_engines(models["default"]), chat_by_name={"new": models["new"]}, successors=successors)
    with TestClient(build_app(Settings(), engines), base_url="http://127.0.0.1") as client:
        body = {"model": asked, "messages": [{"role": "user", "content": "Hello!"}]}
        answer = client.post("/v1/chat/completions", json=body).json()
        assert (answer["model"], answer["choices"][0]["message"]["content"]) == (answers, f"I am {answers}.")
        with client.websocket_connect(f"/v1/realtime?model={asked}", headers={"host": "127.0.0.1"}) as session:
            assert session.receive_json()["session"]["model"] == asked
            session.send_json({"type": "response.create", "response": {"output_modalities": ["text"]}})
            while (event := session.receive_json())["type"] != "response.done":
                pass
            assert event["response"]["output"][0]["content"][0]["text"] == f"I am {answers}."
