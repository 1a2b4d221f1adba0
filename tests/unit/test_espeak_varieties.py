"""Which varieties of languages espeak-ng is asked for, by the list that it prints."""

from streamsrv.engines.tts.espeak_ng.varieties import best_varieties, choices, read_varieties

LISTED = """\
Pty Language       Age/Gender VoiceName          File                 Other Languages
 5  cmn             --/M      Chinese_(Mandarin,_latin_as_English) sit/cmn              (zh-cmn 5)(zh 5)
 5  cmn-latn-pinyin --/M      Chinese_(Mandarin,_latin_as_Pinyin) sit/cmn-Latn-pinyin  (zh-cmn 5)(zh 5)
 5  de              --/M      German             gmw/de
 2  en-gb           --/M      English_(Great_Britain) gmw/en               (en 2)
 2  en-us           --/M      English_(America)  gmw/en-US            (en 3)
 5  fr-be           --/M      French_(Belgium)   roa/fr-BE            (fr 8)
 5  fr-fr           --/M      French_(France)    roa/fr               (fr 5)
 5  ja              --/M      Japanese           jpx/ja
 5  nb              --/M      Norwegian_Bokmål  gmq/nb               (no 5)
 5  piqd            --/M      Klingon            art/piqd
 5  ru              --/M      Russian            zle/ru
 2  ru-lv           --/M      Russian_(Latvia)   zle/ru-LV
 5  yue             --/M      Chinese_(Cantonese) sit/yue              (zh-yue 5)(zh 8)
 5  yue             --/M      Chinese_(Cantonese,_latin_as_Jyutping) sit/yue-Latn-jyutping (zh-yue 5)(zh 8)
not a row
"""


def test_each_language_has_the_variety_that_most_people_expect():
    best = {code: variety.tag for code, variety in best_varieties(read_varieties(LISTED)).items()}
    expected = {"zh": "cmn-latn-pinyin", "de": "de", "en": "en-us", "fr": "fr-fr", "nb": "nb", "no": "nb"}
    assert best == expected | {"ru": "ru", "yue": "yue"}  # Japanese is not spoken so that it is understood


def test_a_user_can_choose_between_the_varieties_of_one_language():
    tags = [variety.tag for variety in choices(read_varieties(LISTED))]
    assert tags == ["en-gb", "en-us", "fr-be", "fr-fr", "ru", "ru-lv"]


def test_a_list_without_rows_has_no_varieties():
    assert read_varieties("") == read_varieties("error: no data\n") == []
