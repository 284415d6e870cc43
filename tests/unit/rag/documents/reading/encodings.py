# ruff: noqa: E501, RUF001
"""Short texts in many languages, each in the encodings in which its files come."""

from __future__ import annotations

WESTERN = ("cp1252", "latin-1", "iso8859-15")
CENTRAL = ("cp1250", "iso8859-2")

TEXTS: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "de": (WESTERN, ["Die Brücke über die Donau.", "Müller wohnt in Köln, schräg gegenüber der Post.", "Größe: 12 m² für Jürgen Weiß"]),
    "fr": (WESTERN, ["Hélène Lefèvre, où êtes-vous née ?", "L'école a été fermée à Noël, d'après le préfet.", "Le garçon français mange des crêpes."]),
    "es": (WESTERN, ["El señor Núñez vive aquí con su niña.", "¿Dónde está el baño? ¡Allí!", "Mañana lloverá en Cádiz y en Logroño."]),
    "it": (WESTERN, ["La città è più bella, perché è libera.", "Così andò la società già nel 1990.", "Può darsi che Niccolò verrà lunedì."]),
    "pt": (WESTERN, ["A informação não está disponível em São Paulo.", "Três cães e um coração pequenino.", "João põe o pão à mesa amanhã."]),
    "da": (WESTERN, ["Bjørk Ødegård bor på Ærø.", "Mette Kjær arbejder i Århus og på Fyn.", "Rødgrød med fløde smager rigtig godt."]),
    "sv": (WESTERN, ["Åsa Öberg åker till Malmö på fredag.", "Räkor och smörgås på ön Gotland.", "Före älgjakten är vädret kallt."]),
    "nl": (WESTERN, ["Café Noord ligt aan het één na laatste plein.", "De coördinator reünie belde België.", "Zij heeft een privé ruïne geërfd."]),
    "pl": (CENTRAL, ["Zażółć gęślą jaźń w Łodzi.", "Wisła płynie przez Kraków i Warszawę.", "Książka leży na półce w bibliotece."]),
    "cs": (CENTRAL, ["Příliš žluťoučký kůň úpěl ďábelské ódy.", "Řeka teče přes město Plzeň na západ.", "Děti čtou knížky ve školní třídě."]),
    "hu": (CENTRAL, ["Az őszi erdőben hűvös volt a levegő.", "Budapest a legnagyobb magyar város, fűtéssel.", "Gyűjtött tűzifát és sült krumplit evett ősszel."]),
    "hr": (CENTRAL, ["Željko i Đurđica žive u Čakovcu.", "Šuma je gušća kraj kuće na brežuljku.", "Čovjek je došao kući kasno navečer, žedan."]),
    "el": (("cp1253", "iso8859-7"), ["Η Αθήνα είναι η πρωτεύουσα της Ελλάδας.", "Καλημέρα, τι κάνετε σήμερα το πρωί;"]),
    "ru": (("cp1251", "koi8-r"), ["Мария Кюри родилась в Варшаве.", "Волга впадает в Каспийское море, как известно."]),
    "ja": (("cp932", "utf-16-le", "utf-16"), ["東京は日本の首都です。多くの人が住んでいます。", "会議は午後 3 時に始まります。"]),
    "zh": (("gb18030", "utf-16-be"), ["北京是中华人民共和国的首都,也是政治中心。", "会议在下午三点开始,请准时参加。"]),
    "tw": (("big5",), ["臺北市是臺灣的政治中心,也是最大的城市。", "會議在下午三點開始,請準時參加。"]),
    "ko": (("cp949",), ["서울은 대한민국의 수도이며 가장 큰 도시이다.", "회의는 오후 세 시에 시작합니다."]),
}  # fmt: skip


def cases() -> list[tuple[str, str, str]]:
    """Language, encoding and text of each file."""
    return [
        (language, encoding, f"{text}\n")
        for language, (encodings, texts) in TEXTS.items()
        for encoding in encodings
        for text in texts
        if text.encode(encoding, "ignore").decode(encoding) == text
    ]


def is_european(language: str) -> bool:
    return TEXTS[language][0] in (WESTERN, CENTRAL)
