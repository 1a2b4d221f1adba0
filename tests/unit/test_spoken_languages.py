"""Turning written text of other languages than English into what a voice can say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.text.chinese_numerals import chinese_number
from streamsrv.text.reading.phrases import PHRASES
from streamsrv.text.speakable import prepare, speakable
from test_speakable import FRAGMENTS

SPOKEN = {
    "de": [
        ("Am 23. November 2026 um 14:30 Uhr kostet es 3,50 €.",
         "Am dreiundzwanzigsten November zweitausendsechsundzwanzig um vierzehn Uhr dreißig kostet es drei Euro und "
         "fünfzig Cent."),
        ("1 Stunde, 1 km, 21 km, 1 Euro", "eine Stunde, ein Kilometer, einundzwanzig Kilometer, ein Euro"),
        ("1.234,5 kg", "eintausendzweihundertvierunddreißig Komma fünf Kilogramm"),
        ("5 Mio. € und 2,5 Mrd. $", "fünf Millionen Euro und zwei Komma fünf Milliarden Dollar"),
        ("-5 °C, 20 % bis 30%", "minus fünf Grad Celsius, zwanzig Prozent bis dreißig Prozent"),
        ("Seite 3-5, 10–12 Uhr, 9:05 Uhr", "Seite drei bis fünf, zehn bis zwölf Uhr, neun Uhr fünf"),
        ("z. B. Dr. Müller, d. h. usw.", "zum Beispiel Doktor Müller, das heißt und so weiter."),
        ("info@example.de oder www.example.de/pfad", "info ät example Punkt de oder example Punkt de"),
        ("100 km/h, 50 Mbit/s, 3 €/Monat",
         "einhundert Kilometer pro Stunde, fünfzig Megabit pro Sekunde, drei Euro pro Monat"),
        ("im 19. Jahrhundert, der 2. Weltkrieg", "im neunzehnten Jahrhundert, der zweite Weltkrieg"),
        ("Das war 1999. Dann kam es.", "Das war neunzehnhundertneunundneunzig. Dann kam es."),
        ("+49 30 1234567", "plus vier neun, drei null, eins zwei drei vier fünf sechs sieben"),
        ("2026-11-23 oder 23.11.2026",
         "dreiundzwanzigster November zweitausendsechsundzwanzig oder dreiundzwanzigster November "
         "zweitausendsechsundzwanzig"),
        ("½ oder 2½ Tassen", "null Komma fünf oder zwei Komma fünf Tassen"),
        ("A & B, 3 x 4 = 12", "A und B, drei mal vier gleich zwölf"),
        ("Version 3.11.7, MP3, GPT-4", "Version drei Punkt elf Punkt sieben, MP drei, GPT-vier"),
        ("```\nx = 1\n```\nFertig.", "Code ausgelassen. Fertig."),
        ("2.000.000 Menschen, 12.345,67 $",
         "zwei Millionen Menschen, zwölftausenddreihundertfünfundvierzig Dollar und siebenundsechzig Cent"),
        ("vom 1. bis 5. Juni, 1990er Jahre, die 80er",
         "vom ersten bis fünften Juni, neunzehnhundertneunziger Jahre, die achtziger"),
        ("3:1, CO₂, x², 10^6, 3/4, 1/2",
         "drei zu eins, CO zwei, x hoch zwei, zehn hoch sechs, drei Viertel, ein halb"),
        ("**Hallo** 😀, das ist _gut_", "Hallo, das ist gut"),
    ],
    "fr": [
        ("Le 1er mai 2026 à 14h30, cela coûte 3,50 €.",
         "Le premier mai deux mille vingt-six à quatorze heures trente, cela coûte trois euros et cinquante centimes."),
        ("1 heure, 21 minutes, 1 h", "une heure, vingt et une minutes, une heure"),
        ("1 234,5 km", "mille deux cent trente-quatre virgule cinq kilomètres"),
        ("2,5 M€", "deux virgule cinq millions d'euros"),
        ("M. Dupont, p. ex. n° 5, etc.", "monsieur Dupont, par exemple numéro cinq, et cetera."),
        ("1re, 2e, 21ème", "première, deuxième, vingt et unième"),
        ("01 23 45 67 89", "zéro un, deux trois, quatre cinq, six sept, huit neuf"),
        ("1 000 000 d'habitants, 3/4, 12/05, 2nd",
         "un million d'habitants, trois quarts, douze mai, deuxième"),
        ("80 km/h, -5 °C, 20 %", "quatre-vingts kilomètres par heure, moins cinq degrés Celsius, vingt pour cent"),
        ("C'est le 1er janv. 2026, ou le 2 mai.", "C'est le premier janvier deux mille vingt-six, ou le deux mai."),
        ("le 23/11/2026", "le vingt-trois novembre deux mille vingt-six"),
    ],
    "es": [
        ("El 23 de noviembre de 2026 a las 14:30 cuesta 3,50 €.",
         "El veintitrés de noviembre de dos mil veintiséis a las catorce y treinta cuesta tres euros y cincuenta "
         "céntimos."),
        ("21 km, 1 libra, 200 £, 21 años", "veintiún kilómetros, una libra, doscientas libras, veintiún años"),
        ("Sr. López, p. ej. 1.º, 2.ª, 3er", "señor López, por ejemplo primero, segunda, tercer"),
        ("1.000.000 de personas, $1,500.50", "un millón de personas, mil quinientos dólares y cincuenta centavos"),
        ("20 %, 100 km/h, $5, 1:00", "veinte por ciento, cien kilómetros por hora, cinco dólares, una en punto"),
    ],
    "it": [
        ("Il 1º maggio 2026 alle 14:30 costa 3,50 €.",
         "Il primo maggio duemilaventisei alle quattordici e trenta costa tre euro e cinquanta centesimi."),
        ("il 2° piano, 20°C", "il secondo piano, venti gradi Celsius"),
        ("21 km, 1 ora, 1 kg, 80 km/h", "ventuno chilometri, una ora, un chilogrammo, ottanta chilometri orari"),
    ],
    "pt": [
        ("Em 23 de novembro de 2026 às 14:30",
         "Em vinte e três de novembro de dois mil e vinte e seis às catorze e trinta"),
        ("(11) 91234-5678, R$ 0,99", "um um, nove um dois três quatro, cinco seis sete oito, noventa e nove centavos"),
        ("2 horas, 2 h, 200 £, 1º, 2ª, 20%",
         "duas horas, duas horas, duzentas libras, primeiro, segunda, vinte por cento"),
    ],
    "nl": [
        ("Op 23 november 2026 om 14:30 uur kost het € 3,50.",
         "Op drieëntwintig november tweeduizendzesentwintig om veertien uur dertig kost het drie euro en "
         "vijftig cent."),
        ("€ 1.500,-", "duizendvijfhonderd euro"),
        ("80 km/u, 1e, 3ste, in 1999",
         "tachtig kilometer per uur, eerste, derde, in negentien honderd negenennegentig"),
    ],
    "pl": [
        ("23 listopada 2026 r. o 14:30 kosztuje 3,50 zł.",
         "dwudziestego trzeciego listopada dwa tysiące dwudziestego szóstego roku o czternastej trzydzieści kosztuje "
         "trzy złote pięćdziesiąt groszy."),
        ("1 km, 2 km, 5 km, 1 min, 2 min", "jeden kilometr, dwa kilometry, pięć kilometrów, jedna minuta, dwie minuty"),
    ],
    "ru": [
        ("23 ноября 2026 г. в 14:30 это стоит 3,50 €.",
         "двадцать третьего ноября две тысячи двадцать шестого года в четырнадцать часов тридцать минут это стоит три "
         "евро пятьдесят центов."),
        ("1 мин, 2 мин, 21 км/ч, 3,5 кг",
         "одна минута, две минуты, двадцать один километр в час, три целых пять десятых килограмма"),
        ("в 2026 году, 5-й, 1-я", "в две тысячи двадцать шестом году, пятый, первая"),
        ("Это было в 1999 г.", "Это было в тысяча девятьсот девяносто девятом году."),
        ("8 (495) 123-45-67", "восемь, четыре девять пять, один два три, четыре пять, шесть семь"),
        ("2 книги, 21 книга", "две книги, двадцать одна книга"),
    ],
    "tr": [
        ("23 Kasım 2026, %20, 3,50 ₺", "yirmiüç Kasım ikibinyirmialtı, yüzde yirmi, üç lira elli kuruş"),
        ("5'te, 100 km/sa, 3. kat", "beşte, saat başına yüz kilometre, üçüncü kat"),
    ],
    "ja": [
        ("2026年11月23日14時30分、3,500円です。", "二千二十六年十一月二十三日十四時三十分、三千五百円です。"),
        ("14:30に5kmと20%、-5°C、$3.50",
         "十四時三十分に五キロメートルと二十パーセント、摂氏マイナス五度、三ドル五十セント"),
    ],
    "zh": [
        ("2个, 第2次, ¥1,200, 3/4", "两个, 第二次, 一千二百元, 四分之三"),
        ("2026年11月23日14:30，5公里。", "二零二六年十一月二十三日十四点三十分，五公里。"),
        ("20%，-5°C，$3.50，100km/h，3-5米", "百分之二十，负五摄氏度，三美元五十美分，每小时一百公里，三到五米"),
    ],
    "ko": [
        ("3개, 2시, ₩1,200, 3/4", "세개, 두시, 천이백 원, 사분의 삼"),
        ("14:30에 5km, 20%, 3:05", "십사시 삼십분에 오킬로미터, 이십 퍼센트, 세시 오분"),
        ("2026-11-23, 100km/h", "이천이십육년 십일월 이십삼일, 시속 백킬로미터"),
    ],
    "sv": [("20 %, 5 km", "tjugo procent, fem kilometer")],
    "cs": [("20 %, 5 km, 3,5", "dvacet procent, pět kilometrů, tři celá pět")],
    "hu": [("3,5 km, 1,0001", "három egész öt tized kilométer, egy egész nulla nulla nulla egy")],
    "hi": [("5 किमी, 20%", "5 किलोमीटर, 20 प्रतिशत")],
    "fr-CA": [("J'ai 21 ans.", "J'ai vingt et un ans.")],
    "": [("Only 5 *left*", "Only 5 left")],
}  # fmt: skip


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [(language, *texts) for language, cases in SPOKEN.items() for texts in cases],
)
def test_text_is_said_in_its_language(language: str, written: str, spoken: str) -> None:
    assert speakable(written, language) == spoken


@pytest.mark.parametrize("language", ["am", "klingon", "-", "zz"])
def test_a_language_that_nobody_knows_is_said_as_it_is_written(language: str) -> None:
    assert speakable("**5 km**", language) in ("5 km", "5 ኪሎሜትር")


@pytest.mark.parametrize("language", sorted(PHRASES))
def test_plain_sentences_stay_as_they_are(language: str) -> None:
    sentence = "Well, “that” (is) really – all… Yes! No?"
    assert speakable(sentence, language) == sentence


@pytest.mark.parametrize("language", sorted(PHRASES))
def test_no_digit_is_left(language: str) -> None:
    text = "7, 1.5, 1,5, 12:30, 5 km, 20 %, $3, 3 €, +49 30 1234567, 2026-11-23, 1999, 3-5, v1.2.3, 1/2, 100 km/h"
    assert not any(character.isdigit() for character in speakable(text, language))


OWN_FRAGMENTS = st.sampled_from("г. %½ª 1er º Uhr uur h30 14:30 2026年 3.º zł $ Mio. € /h 5'te km".split(" "))


@given(
    st.lists(FRAGMENTS | OWN_FRAGMENTS, max_size=30).map("".join),
    st.sampled_from(sorted({*PHRASES, "cs", "ar", "hi", "sv", "fi"})),
)
def test_every_language_takes_any_text(text: str, language: str) -> None:
    spoken = speakable(text, language)
    assert "\n" not in spoken


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "零"), (10, "十"), (12, "十二"), (20, "二十"), (101, "一百零一"), (110, "一百一十"),
     (1001, "一千零一"), (10005, "一万零五"),
     (10500, "一万零五百"), (105000, "十万五千"), (100001234, "一亿零一千二百三十四"), (10**12, "一万亿")],
)  # fmt: skip
def test_chinese_numbers(value: int, words: str) -> None:
    assert chinese_number(value) == words


def test_what_a_language_needs_is_loaded_once() -> None:
    prepare(["de", "de-AT", "klingon"])
    assert speakable("2 km", "de") == "zwei Kilometer"
