"""The voice in the settings: heard before it is chosen, at its pace, from the loudspeaker of the user's choice."""

import re

from playwright.sync_api import expect

from assistant import Assistant
from pages import Pages
from server_process import ServerProcess
from sound_card import Recording, SoundCard


def test_a_voice_is_heard_before_it_is_chosen_and_where_the_user_wants(
    server: ServerProcess, pages: Pages, sound_card: SoundCard, speaker: Recording
) -> None:
    assistant = Assistant(pages.open(server.url, script="announced_unplugging.js"))
    page = assistant.page
    assistant.choose_connection("WebSocket")
    page.get_by_role("button", name="Settings").click()
    with page.expect_response(re.compile("/preview")) as preview:
        page.get_by_label("Speaking speed").fill("1.5")
        page.get_by_role("button", name="Listen to the voice").click()
    assert preview.value.url.endswith("/v1/audio/voices/heart/preview?speed=1.5")
    speaker.wait_for_sound(300)
    page.get_by_role("button", name="Stop the voice").click()
    expect(page.get_by_role("button", name="Listen to the voice")).to_be_visible()

    page.get_by_label("Loudspeaker").select_option(label="headset")
    page.keyboard.press("Escape")
    speaker.wait_for_quiet(300)
    heard_ms = speaker.heard_ms()
    with sound_card.recording("headset") as headset:
        assistant.write("Say hello.")
        headset.wait_for_sound(200)
    assert speaker.heard_ms() == heard_ms
    page.evaluate("announceUnpluggedHeadset()")
    expect(assistant.notice("The chosen loudspeaker isn't there.")).to_be_visible()
    assistant.write("Say hello again.")
    speaker.wait_for_sound(heard_ms + 200)

    sessions = [event["session"] for event in pages.events if event["type"] == "session.updated"]
    assert sessions[-1]["audio"]["output"]["speed"] == 1.5
