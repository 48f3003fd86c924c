"""Dutch names, streets and towns, from which people are made up."""

from typing import NamedTuple

__all__ = ["DOMAINS", "FAMILY_NAMES", "FOREIGN_PLACES", "GIVEN_NAMES", "PREFIXES", "STREETS", "TOWNS", "ForeignPlace"]

GIVEN_NAMES = (
    "Anna", "Johanna", "Maria", "Sanne", "Lotte", "Emma", "Fleur", "Noor", "Iris", "Femke", "Marijke", "Ingrid",
    "Annemiek", "Willemijn", "Hanneke", "Geertje", "Tjitske", "Wietske", "Ilse", "Esmée", "Chloë", "Zoë", "Renée",
    "Anaïs", "Fatima", "Samira", "Aïcha", "Yasmin", "Esra", "Ayşe", "Meryem", "Hawa", "Siham", "Priya", "Mei",
    "Jan", "Pieter", "Willem", "Hendrik", "Cornelis", "Daan", "Sem", "Bram", "Luuk", "Thijs", "Jelle", "Sjoerd",
    "Wybe", "Gijs", "Teun", "Ruben", "Levi", "Niels", "Joost", "Maarten", "Koen", "Bas", "Rik", "Erik", "Arie",
    "André", "René", "José", "Loïs", "Mohammed", "Youssef", "Hamza", "Mehmet", "Emre", "Amir", "Kwame", "Björn",
    "Jürgen", "Søren", "Łukasz", "Piotr", "Agnieszka", "Małgorzata", "Oğuz", "Þóra",
)  # fmt: skip

FAMILY_NAMES = (
    "Jong", "Jansen", "Vries", "Berg", "Dijk", "Bakker", "Janssen", "Visser", "Smit", "Meijer", "Boer", "Mulder",
    "Groot", "Bos", "Vos", "Peters", "Hendriks", "Leeuwen", "Dekker", "Brouwer", "Wit", "Dijkstra", "Smits",
    "Graaf", "Meer", "Linden", "Kok", "Jacobs", "Haan", "Vermeulen", "Heuvel", "Veen", "Broek", "Bruijn", "Bruin",
    "Heijden", "Schouten", "Beek", "Willems", "Vliet", "Ven", "Hoekstra", "Maas", "Verhoeven", "Koster", "Dam",
    "Wal", "Prins", "Blom", "Huisman", "Peeters", "Kuiper", "Veenstra", "Kuipers", "Koning", "Gerritsen", "Wolf",
    "Driessen", "Bosch", "Postma", "Kramer", "Martens", "Scholten", "Evers", "Willemsen", "Zanten", "Sanders",
    "Molenaar", "Bosman", "Timmermans", "Schipper", "Ruiter", "Wijk", "Pol", "Vink", "Hoek", "Rooij", "Kroon",
    "Zijlstra", "Wiersma", "Boonstra", "Terpstra", "Hofstra", "Sikkema", "Osinga", "Rienks", "Ypma", "Buwalda",
    "Groen", "Zwart", "Ploeg", "Velde", "Horst", "Brink", "Berkel", "Laan", "Hout", "Kamp", "Wiel", "Zande",
    "Özdemir", "Yıldız",  # noqa: RUF001 - it is written so
    "Şahin", "El Amrani", "Benali", "Aït Hammou", "Bouzid", "Nguyễn", "Tran", "Singh",
    "Müller", "Schröder", "Kováč", "Nowak", "Wójcik", "Łuczak", "Ferreira", "Gonçalves", "Muñoz", "O'Brien",
    "D'Agostino", "Ångström", "Fährmann", "Reünis", "Poës", "Israël", "Noë", "Kruÿs", "Bömers", "Colijn",
)  # fmt: skip

# Repeated as often as they are frequent: more than half of Dutch family names have no prefix.
PREFIXES = ("",) * 12 + ("van", "van", "de", "de", "van der", "van den", "van de", "den", "ter", "in 't", "'t")

STREETS = (
    "Dorpsstraat", "Kerkstraat", "Molenweg", "Schoolstraat", "Julianastraat", "Wilhelminalaan", "Prins Hendrikkade",
    "Stationsweg", "Nieuwstraat", "Hoofdstraat", "Beatrixstraat", "Oranjelaan", "Eikenlaan", "Beukenhof", "Lindelaan",
    "Kastanjestraat", "Meidoornplein", "Vondelstraat", "Rembrandtlaan", "Frans Halsstraat", "Van Goghplein",
    "Burgemeester de Vlugtlaan", "Dr. Kuyperstraat", "Thorbeckelaan", "Troelstraweg", "Lange Voorhout", "Oude Gracht",
    "Nieuwe Rijn", "Zuiderzeestraat", "Waddenweg", "Zeedijk", "Noordervaart", "Westersingel", "Oostwal", "Havenkade",
    "Sluisweg", "Brugstraat", "Veerdam", "Polderweg", "Boerhaavelaan", "Leeuwenhoekstraat", "Christiaan Huygensweg",
    "Marconistraat", "Edisonlaan", "Nachtegaalstraat", "Merelhof", "Zwaluwlaan", "Reigerstraat", "Kievitweg",
    "1e Jan Steenstraat", "2e Oosterparkstraat", "Groot Hertoginnelaan", "'s-Gravenweg", "Plein 1944",
    "Laan van Meerdervoort",
)  # fmt: skip

TOWNS = (
    "Amsterdam", "Rotterdam", "'s-Gravenhage", "Utrecht", "Eindhoven", "Groningen", "Tilburg", "Almere", "Breda",
    "Nijmegen", "Enschede", "Haarlem", "Arnhem", "Zaandam", "Amersfoort", "Apeldoorn", "'s-Hertogenbosch", "Hoofddorp",
    "Maastricht", "Leiden", "Dordrecht", "Zoetermeer", "Zwolle", "Deventer", "Delft", "Alkmaar", "Heerlen", "Venlo",
    "Leeuwarden", "Hilversum", "Amstelveen", "Roosendaal", "Purmerend", "Schiedam", "Lelystad", "Alphen aan den Rijn",
    "Hoorn", "Vlaardingen", "Gouda", "Helmond", "Assen", "Bergen op Zoom", "Capelle aan den IJssel", "Veenendaal",
    "Katwijk", "Zeist", "Nieuwegein", "Hardenberg", "Heerenveen", "Sneek", "Middelburg", "Vlissingen", "Goes",
    "Terneuzen", "Oud-Beijerland", "Fijnaart", "Sint-Oedenrode", "Ouderkerk aan de Amstel", "Nes", "Ee",
)  # fmt: skip

# Reserved for documentation (RFC 2606): mail to them reaches nobody.
DOMAINS = ("example.org", "example.net", "mail.example.org", "post.example.net", "example.com")


class ForeignPlace(NamedTuple):
    """A place abroad: `postcode` has a # for each digit."""

    country: str
    postcode: str
    city: str
    street: str


FOREIGN_PLACES = (
    ForeignPlace("BE", "####", "Antwerpen", "Meir"),
    ForeignPlace("BE", "####", "Gent", "Veldstraat"),
    ForeignPlace("DE", "#####", "Münster", "Königsstraße"),
    ForeignPlace("DE", "#####", "Köln", "Hohe Straße"),
    ForeignPlace("FR", "#####", "Orléans", "Rue de la République"),
    ForeignPlace("ES", "#####", "Málaga", "Calle Larios"),
)
