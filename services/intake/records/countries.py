"""Countries: ISO 3166-1 codes, as officially assigned, and the names that people write for them. Data.

Names are those of Unicode CLDR in Dutch and English (as in Babel 2.19), and after them what else is common in Dutch
files: endonyms of neighbours, parts of the United Kingdom, abbreviations. A name that may mean two countries (Congo,
Korea) stands nowhere.
"""

import unicodedata

__all__ = ["COUNTRIES", "normal_country"]

# alpha-2, alpha-3, names
_TABLE = """
AD AND Andorra
AE ARE Verenigde Arabische Emiraten|United Arab Emirates
AF AFG Afghanistan
AG ATG Antigua en Barbuda|Antigua & Barbuda
AI AIA Anguilla
AL ALB Albanië|Albania
AM ARM Armenië|Armenia
AO AGO Angola
AQ ATA Antarctica
AR ARG Argentinië|Argentina
AS ASM Amerikaans-Samoa|American Samoa
AT AUT Oostenrijk|Austria|Österreich
AU AUS Australië|Australia
AW ABW Aruba
AX ALA Åland|Åland Islands
AZ AZE Azerbeidzjan|Azerbaijan
BA BIH Bosnië en Herzegovina|Bosnia & Herzegovina
BB BRB Barbados
BD BGD Bangladesh
BE BEL België|Belgium|Belgique|Belgien
BF BFA Burkina Faso
BG BGR Bulgarije|Bulgaria
BH BHR Bahrein|Bahrain
BI BDI Burundi
BJ BEN Benin
BL BLM Saint-Barthélemy|St. Barthélemy
BM BMU Bermuda
BN BRN Brunei
BO BOL Bolivia
BQ BES Caribisch Nederland|Caribbean Netherlands|Bonaire|Saba|Sint Eustatius
BR BRA Brazilië|Brazil
BS BHS Bahama's
BT BTN Bhutan
BV BVT Bouveteiland|Bouvet Island
BW BWA Botswana
BY BLR Belarus|Wit-Rusland
BZ BLZ Belize
CA CAN Canada
CC CCK Cocoseilanden|Cocos (Keeling) Islands
CD COD Congo-Kinshasa
CF CAF Centraal-Afrikaanse Republiek|Central African Republic
CG COG Congo-Brazzaville
CH CHE Zwitserland|Switzerland|Schweiz|Suisse
CI CIV Ivoorkust|Côte d'Ivoire|Ivory Coast
CK COK Cookeilanden|Cook Islands
CL CHL Chili|Chile
CM CMR Kameroen|Cameroon
CN CHN China
CO COL Colombia
CR CRI Costa Rica
CU CUB Cuba
CV CPV Kaapverdië|Cape Verde
CW CUW Curaçao
CX CXR Christmaseiland|Christmas Island
CY CYP Cyprus
CZ CZE Tsjechië|Czechia|Czech Republic|Tsjechische Republiek
DE DEU Duitsland|Germany|Deutschland|Bondsrepubliek Duitsland|BRD
DJ DJI Djibouti
DK DNK Denemarken|Denmark
DM DMA Dominica
DO DOM Dominicaanse Republiek|Dominican Republic
DZ DZA Algerije|Algeria
EC ECU Ecuador
EE EST Estland|Estonia
EG EGY Egypte|Egypt
EH ESH Westelijke Sahara|Western Sahara
ER ERI Eritrea
ES ESP Spanje|Spain|España
ET ETH Ethiopië|Ethiopia
FI FIN Finland
FJ FJI Fiji
FK FLK Falklandeilanden|Falkland Islands
FM FSM Micronesia
FO FRO Faeröer|Faroe Islands
FR FRA Frankrijk|France
GA GAB Gabon
GB GBR Verenigd Koninkrijk|United Kingdom|UK|VK|Groot-Brittannië|Great Britain|Engeland|England|Schotland|Scotland
GB GBR Wales|Noord-Ierland|Northern Ireland
GD GRD Grenada
GE GEO Georgië|Georgia
GF GUF Frans-Guyana|French Guiana
GG GGY Guernsey
GH GHA Ghana
GI GIB Gibraltar
GL GRL Groenland|Greenland
GM GMB Gambia
GN GIN Guinee|Guinea
GP GLP Guadeloupe
GQ GNQ Equatoriaal-Guinea|Equatorial Guinea
GR GRC Griekenland|Greece
GS SGS Zuid-Georgia en Zuidelijke Sandwicheilanden|South Georgia & South Sandwich Islands
GT GTM Guatemala
GU GUM Guam
GW GNB Guinee-Bissau|Guinea-Bissau
GY GUY Guyana
HK HKG Hongkong SAR van China|Hong Kong SAR China|Hongkong
HM HMD Heard en McDonaldeilanden|Heard Island & McDonald Islands
HN HND Honduras
HR HRV Kroatië|Croatia
HT HTI Haïti
HU HUN Hongarije|Hungary
ID IDN Indonesië|Indonesia
IE IRL Ierland|Ireland
IL ISR Israël
IM IMN Isle of Man
IN IND India
IO IOT Brits Indische Oceaanterritorium|British Indian Ocean Territory
IQ IRQ Irak|Iraq
IR IRN Iran
IS ISL IJsland|Iceland
IT ITA Italië|Italy|Italia
JE JEY Jersey
JM JAM Jamaica
JO JOR Jordanië|Jordan
JP JPN Japan
KE KEN Kenia|Kenya
KG KGZ Kirgizië|Kyrgyzstan
KH KHM Cambodja|Cambodia
KI KIR Kiribati
KM COM Comoren|Comoros
KN KNA Saint Kitts en Nevis|St. Kitts & Nevis
KP PRK Noord-Korea|North Korea
KR KOR Zuid-Korea|South Korea
KW KWT Koeweit|Kuwait
KY CYM Kaaimaneilanden|Cayman Islands
KZ KAZ Kazachstan|Kazakhstan
LA LAO Laos
LB LBN Libanon|Lebanon
LC LCA Saint Lucia|St. Lucia
LI LIE Liechtenstein
LK LKA Sri Lanka
LR LBR Liberia
LS LSO Lesotho
LT LTU Litouwen|Lithuania
LU LUX Luxemburg|Luxembourg
LV LVA Letland|Latvia
LY LBY Libië|Libya
MA MAR Marokko|Morocco|Maroc
MC MCO Monaco
MD MDA Moldavië|Moldova
ME MNE Montenegro
MF MAF Saint-Martin|St. Martin
MG MDG Madagaskar|Madagascar
MH MHL Marshalleilanden|Marshall Islands
MK MKD Noord-Macedonië|North Macedonia|Macedonië|Macedonia
ML MLI Mali
MM MMR Myanmar (Birma)|Myanmar (Burma)|Birma|Burma
MN MNG Mongolië|Mongolia
MO MAC Macau SAR van China|Macao SAR China|Macau|Macao
MP MNP Noordelijke Marianen|Northern Mariana Islands
MQ MTQ Martinique
MR MRT Mauritanië|Mauritania
MS MSR Montserrat
MT MLT Malta
MU MUS Mauritius
MV MDV Maldiven|Maldives
MW MWI Malawi
MX MEX Mexico
MY MYS Maleisië|Malaysia
MZ MOZ Mozambique
NA NAM Namibië|Namibia
NC NCL Nieuw-Caledonië|New Caledonia
NE NER Niger
NF NFK Norfolk|Norfolk Island
NG NGA Nigeria
NI NIC Nicaragua
NL NLD Nederland|Netherlands|The Netherlands|Holland|Koninkrijk der Nederlanden
NO NOR Noorwegen|Norway
NP NPL Nepal
NR NRU Nauru
NU NIU Niue
NZ NZL Nieuw-Zeeland|New Zealand
OM OMN Oman
PA PAN Panama
PE PER Peru
PF PYF Frans-Polynesië|French Polynesia
PG PNG Papoea-Nieuw-Guinea|Papua New Guinea
PH PHL Filipijnen|Philippines
PK PAK Pakistan
PL POL Polen|Poland|Polska
PM SPM Saint-Pierre en Miquelon|St. Pierre & Miquelon
PN PCN Pitcairneilanden|Pitcairn Islands
PR PRI Puerto Rico
PS PSE Palestijnse gebieden|Palestinian Territories|Palestina|Palestine
PT PRT Portugal
PW PLW Palau
PY PRY Paraguay
QA QAT Qatar
RE REU Réunion
RO ROU Roemenië|Romania
RS SRB Servië|Serbia
RU RUS Rusland|Russia|Russische Federatie|Russian Federation
RW RWA Rwanda
SA SAU Saoedi-Arabië|Saudi Arabia
SB SLB Salomonseilanden|Solomon Islands
SC SYC Seychellen|Seychelles
SD SDN Soedan|Sudan
SE SWE Zweden|Sweden
SG SGP Singapore
SH SHN Sint-Helena|St. Helena, Ascension & Tristan da Cunha
SI SVN Slovenië|Slovenia
SJ SJM Spitsbergen en Jan Mayen|Svalbard & Jan Mayen
SK SVK Slowakije|Slovakia
SL SLE Sierra Leone
SM SMR San Marino
SN SEN Senegal
SO SOM Somalië|Somalia
SR SUR Suriname
SS SSD Zuid-Soedan|South Sudan
ST STP Sao Tomé en Principe|São Tomé & Príncipe
SV SLV El Salvador
SX SXM Sint-Maarten
SY SYR Syrië|Syria
SZ SWZ Eswatini|Swaziland
TC TCA Turks- en Caicoseilanden|Turks & Caicos Islands
TD TCD Tsjaad|Chad
TF ATF Franse Gebieden in de zuidelijke Indische Oceaan|French Southern and Antarctic Lands
TG TGO Togo
TH THA Thailand
TJ TJK Tadzjikistan|Tajikistan
TK TKL Tokelau
TL TLS Oost-Timor|Timor-Leste|East Timor
TM TKM Turkmenistan
TN TUN Tunesië|Tunisia
TO TON Tonga
TR TUR Turkije|Türkiye|Turkey
TT TTO Trinidad en Tobago|Trinidad & Tobago
TV TUV Tuvalu
TW TWN Taiwan
TZ TZA Tanzania
UA UKR Oekraïne|Ukraine
UG UGA Oeganda|Uganda
UM UMI Kleine afgelegen eilanden van de Verenigde Staten|U.S. Outlying Islands
US USA Verenigde Staten|United States|Verenigde Staten van Amerika|United States of America|VS|Amerika
UY URY Uruguay
UZ UZB Oezbekistan|Uzbekistan
VA VAT Vaticaanstad|Vatican City|Holy See
VC VCT Saint Vincent en de Grenadines|St. Vincent & Grenadines
VE VEN Venezuela
VG VGB Britse Maagdeneilanden|British Virgin Islands
VI VIR Amerikaanse Maagdeneilanden|U.S. Virgin Islands
VN VNM Vietnam
VU VUT Vanuatu
WF WLF Wallis en Futuna|Wallis & Futuna
WS WSM Samoa
YE YEM Jemen|Yemen
YT MYT Mayotte
ZA ZAF Zuid-Afrika|South Africa
ZM ZMB Zambia
ZW ZWE Zimbabwe
"""


def _folded(name: str) -> str:
    """Return a name's letters in lower case and without accents."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in decomposed if letter.isalpha())


_ROWS = [line.split(" ", 2) for line in _TABLE.strip().splitlines()]
COUNTRIES = frozenset(code for code, _, _ in _ROWS)
_BY_NAME = {_folded(name): code for code, longer, names in _ROWS for name in (longer, *names.split("|"))}


def normal_country(text: str) -> str | None:
    """Return the alpha-2 code of a country written as code or name; None where it is none that is known."""
    code = text.upper()
    return code if code in COUNTRIES else _BY_NAME.get(_folded(text))
