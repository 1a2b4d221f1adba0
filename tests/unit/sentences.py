"""Sentences of everyday answers in thirteen languages, and short ones; written for these tests."""

SENTENCES = {
    "en": """The train to the airport leaves every twenty minutes.|You can find the manual on the second page.
I would put the soup on the stove first.|Tomorrow it will rain in the afternoon.|That sounds like a good plan to me.
The museum is closed on Mondays.|Your order should arrive by the end of the week.|Please tell me a little more.""",
    "de": """Der Zug zum Flughafen fährt alle zwanzig Minuten.|Die Anleitung findest du auf der zweiten Seite.
Ich würde zuerst die Suppe auf den Herd stellen.|Morgen wird es am Nachmittag regnen.|Das klingt nach einem guten Plan.
Das Museum ist montags geschlossen.|Ihre Bestellung sollte bis Ende der Woche ankommen.|Erzähl mir bitte etwas mehr.""",
    "fr": """Le train pour l'aéroport part toutes les vingt minutes.|Vous trouverez le mode d'emploi à la deuxième page.
Je mettrais d'abord la soupe sur le feu.|Demain, il pleuvra dans l'après-midi.|Cela me semble être un bon plan.
Le musée est fermé le lundi.|Votre commande devrait arriver avant la fin de la semaine.|Dites-m'en un peu plus.""",
    "es": """El tren al aeropuerto sale cada veinte minutos.|Puedes encontrar el manual en la segunda página.
Yo pondría primero la sopa al fuego.|Mañana va a llover por la tarde.|Me parece un buen plan.
El museo cierra los lunes.|Su pedido debería llegar antes del fin de semana.|Cuéntame un poco más, por favor.""",
    "it": """Il treno per l'aeroporto parte ogni venti minuti.|Trovi il manuale nella seconda pagina.
Io metterei prima la zuppa sul fuoco.|Domani pioverà nel pomeriggio.|Mi sembra un buon piano.
Il museo è chiuso il lunedì.|Il suo ordine dovrebbe arrivare entro la fine della settimana.|Dimmi qualcosa di più.""",
    "pt": """O trem para o aeroporto sai a cada vinte minutos.|Você encontra o manual na segunda página.
Eu colocaria primeiro a sopa no fogo.|Amanhã vai chover à tarde.|Isso me parece um bom plano.
O museu fecha às segundas-feiras.|Seu pedido deve chegar até o fim da semana.|Conte-me um pouco mais, por favor.""",
    "nl": """De trein naar het vliegveld vertrekt elke twintig minuten.|Je vindt de handleiding op de tweede bladzijde.
Ik zou eerst de soep op het vuur zetten.|Morgen gaat het in de middag regenen.|Dat klinkt als een goed plan.
Het museum is op maandag gesloten.|Uw bestelling komt voor het einde van de week aan.
Vertel me wat meer, alsjeblieft.""",
    "pl": """Pociąg na lotnisko odjeżdża co dwadzieścia minut.|Instrukcję znajdziesz na drugiej stronie.
Najpierw postawiłbym zupę na kuchence.|Jutro po południu będzie padać.|To brzmi jak dobry plan.
Muzeum jest zamknięte w poniedziałki.|Zamówienie powinno dotrzeć do końca tygodnia.|Opowiedz mi trochę więcej.""",
    "ru": """Поезд в аэропорт отправляется каждые двадцать минут.|Инструкцию можно найти на второй странице.
Сначала я бы поставил суп на плиту.|Завтра днём будет дождь.|По-моему, это хороший план.
По понедельникам музей закрыт.|Ваш заказ должен прийти до конца недели.|Расскажите немного подробнее.""",
    "tr": """Havaalanına giden tren her yirmi dakikada bir kalkıyor.|Kılavuzu ikinci sayfada bulabilirsin.
Ben önce çorbayı ocağa koyardım.|Yarın öğleden sonra yağmur yağacak.|Bu bana iyi bir plan gibi geliyor.
Müze pazartesi günleri kapalı.|Siparişiniz hafta sonuna kadar gelir.|Bana biraz daha anlatın lütfen.""",
    "ja": """空港行きの電車は二十分おきに出ます。|説明書は二ページ目にあります。|まずスープを火にかけます。
明日の午後は雨が降るでしょう。|いい計画だと思います。|博物館は月曜日が休みです。|今週中に届くはずです。|もう少し詳しく教えてください。""",
    "zh": """去机场的火车每二十分钟一班。|你可以在第二页找到说明书。|我会先把汤放在炉子上。|明天下午会下雨。
我觉得这是个好计划。|博物馆星期一不开门。|您的订单应该在周末之前送到。|请再多说一点。""",
    "ko": """공항으로 가는 기차는 이십 분마다 출발합니다.|설명서는 두 번째 페이지에 있습니다.
먼저 국을 불에 올리겠습니다.
내일 오후에는 비가 올 거예요.|좋은 계획인 것 같아요.|박물관은 월요일에 쉽니다.
주문하신 물건은 이번 주 안에 도착합니다.|조금 더 말해 주세요.""",
}
SHORT = {
    "en": "Yes, of course.|That's right.|Good morning!|I don't know.|Here it is:",
    "de": "Ja, natürlich.|Das stimmt.|Guten Morgen!|Ich weiß nicht.|Hier ist es:",
    "fr": "Oui, bien sûr.|C'est vrai.|Bonjour à tous !|Je ne sais pas.|Le voici :",
    "es": "Sí, claro.|Es verdad.|¡Buenos días!|No lo sé.|Aquí está:",
    "it": "Sì, certo.|È vero.|Buongiorno a tutti!|Non lo so.|Ecco qui:",
    "pt": "Sim, claro.|É verdade.|Bom dia a todos!|Não sei dizer.|Aqui está:",
    "nl": "Ja, natuurlijk.|Dat klopt.|Goedemorgen!|Ik weet het niet.|Hier is het:",
    "pl": "Tak, oczywiście.|To prawda.|Dzień dobry!|Nie wiem.|Oto ona:",
    "ru": "Да, конечно.|Это правда.|Доброе утро!|Я не знаю.|Вот он:",
    "tr": "Evet, tabii.|Bu doğru.|Günaydın!|Bilmiyorum.|İşte burada:",
    "ja": "はい、もちろん。|そうです。|おはよう！|わかりません。|これです：",
    "zh": "当然可以。|是的。|早上好！|我不知道。|在这里：",
    "ko": "네, 물론이죠.|맞아요.|안녕하세요!|잘 모르겠어요.|여기 있어요:",
}


def sentences(texts: str) -> list[str]:
    """Return the sentences of one language."""
    return texts.replace("\n", "|").split("|")
