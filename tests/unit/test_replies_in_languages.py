"""Replies in twelve languages, with the real detection of languages: each segment is spoken in its own."""

from itertools import groupby

import pytest

from streamsrv.core.answers.reply_language import ExpectedLanguage, ReplyLanguage
from streamsrv.core.answers.spoken_segments import SpokenSegmenter
from streamsrv.engines.llm.base import Message

REPLIES = {
    "en": "Sure, I can help with that. The train leaves at nine. Would you like a seat? Okay. See you later!",
    "de": "Natürlich, das mache ich gern. Das Wetter in Berlin ist heute sonnig. Noch etwas? Gut. Bis später!",
    "fr": "Bien sûr, je peux vous aider. Il est 15 h 30 et le train part bientôt. D'accord. À bientôt !",
    "es": "Claro que sí, te ayudo con eso. La reunión es el 3 de mayo a las 10. Vale. Hasta luego.",
    "it": "Certo, ti aiuto volentieri. Il treno parte alle 9:15 dal binario 4. Va bene. A presto!",
    "pt": "Claro, posso ajudar com isso. O voo sai às 8 da manhã de Lisboa. Está bem. Até logo!",
    "nl": "Natuurlijk, ik help je graag. De trein vertrekt om kwart over negen. Goed. Tot ziens!",
    "pl": "Oczywiście, chętnie pomogę. Pociąg odjeżdża o dziewiątej z peronu drugiego. Dobrze. Do zobaczenia!",
    "ru": "Конечно, я помогу. Поезд отправляется в девять часов утра. Хорошо. До свидания!",
    "tr": "Elbette, yardımcı olabilirim. Tren saat dokuzda kalkıyor. Tamam. Görüşürüz!",
    "ja": "もちろんです。電車は九時に出発します。予約しますか？わかりました。",
    "zh": "当然可以。火车九点出发。您要预订座位吗？好的。再见！",
    "ko": "물론입니다. 기차는 아홉 시에 출발합니다. 예약할까요? 알겠습니다.",
}
QUESTIONS = {
    "en": "When does the train leave?", "de": "Wie ist das Wetter in Berlin?", "fr": "Quelle heure est-il maintenant ?",
    "es": "¿Cuándo es la reunión?", "it": "A che ora parte il treno?", "pt": "A que horas sai o voo?",
    "nl": "Hoe laat vertrekt de trein?", "pl": "O której odjeżdża pociąg?", "ru": "Когда отправляется поезд?",
    "tr": "Tren ne zaman kalkıyor?", "ja": "電車は何時ですか", "zh": "火车几点出发", "ko": "기차는 몇 시에 출발하나요",
}  # fmt: skip
AMONG = frozenset(REPLIES)


def segments(text: str, expected: ExpectedLanguage) -> list[tuple[str, str]]:
    """The language and the text of each segment."""
    segmenter = SpokenSegmenter(ReplyLanguage(expected))
    return [(each.language, each.text.strip()) for each in [*segmenter.feed(text), *segmenter.finish()]]


@pytest.mark.parametrize("language", REPLIES)
@pytest.mark.parametrize("is_asked", [True, False], ids=["asked", "unasked"])
def test_a_reply_is_spoken_in_its_language_from_its_first_segment(language: str, is_asked: bool):
    expected = ExpectedLanguage("en", AMONG, is_known=False)
    if is_asked:
        expected = expected.after([Message("user", QUESTIONS[language])])
    assert {found for found, _ in segments(REPLIES[language], expected)} == {language}


@pytest.mark.parametrize(
    "text",
    [
        "San Francisco, Los Angeles, San Diego, Sacramento, and San Jose are cities in California.",
        "Angela Merkel was chancellor until 2021. Before her came Gerhard Schröder.",
        "The Champs-Élysées is a street. Notre-Dame de Paris is a cathedral.",
        "Pasta alla carbonara is made with guanciale, pecorino romano, and eggs.",
        "The word is Geschwindigkeitsbegrenzung. It is long.",
        "I spoke to Jean-Claude Van Damme. He said: no problem!",
        "Okay. Done. All right. No problem at all. Hello there!",
    ],
)
def test_names_do_not_change_the_language(text: str):
    assert {found for found, _ in segments(text, ExpectedLanguage("en", AMONG))} == {"en"}


def test_whole_sentences_change_it_and_change_it_back():
    text = (
        "In German you would say it like this. Und jetzt sprechen wir ein bisschen Deutsch miteinander. "
        "Okay, back to English now, as you wanted."
    )
    found = segments(text, ExpectedLanguage("en", AMONG))
    assert [language for language, _ in groupby(found, key=lambda each: each[0])] == ["en", "de", "en"]
