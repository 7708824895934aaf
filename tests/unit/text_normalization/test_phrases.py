"""What a voice says of amounts, times, dates and quantities, phrase by phrase; each phrase also cut at every letter.

`HELD_OUT` are phrases of other kinds, which no rule was written for: they show whether the rules hold for neighbours.
"""

from __future__ import annotations

import pytest

from agent.text_normalization.normalizer import Speakable

MONEY = [
    ("It is 25.50 € a month.", "It is 25 euros and 50 cents a month."),
    ("It is 25,50 € a month.", "It is 25 euros and 50 cents a month."),
    ("€25.50 a month", "25 euros and 50 cents a month"),
    ("€ 25.50 a month", "25 euros and 50 cents a month"),
    ("25.50€ a month", "25 euros and 50 cents a month"),
    ("EUR 25.50 a month", "25 euros and 50 cents a month"),
    ("25.50 EUR a month", "25 euros and 50 cents a month"),
    ("25.50 EUR.", "25 euros and 50 cents."),
    ("25.50 €/month", "25 euros and 50 cents per month"),
    ("€25.50/mo, $12/yr", "25 euros and 50 cents per month, 12 dollars per year"),
    ("$9.99/wk and $60/hr", "9 dollars and 99 cents per week and 60 dollars per hour"),
    ("1 €, 1.00 €, 1.01 €", "1 euro, 1 euro, 1 euro and 1 cent"),
    ("0.50 € each", "50 cents each"),
    ("£0.01 off", "1 penny off"),
    ("12.30 £ or £12.30", "12 pounds and 30 pence or 12 pounds and 30 pence"),
    ("1.250,50 € and 1,250.50 €", "1250 euros and 50 cents and 1250 euros and 50 cents"),
    ("1 250,50 € in all", "1250 euros and 50 cents in all"),
    ("1.250 € or €1.250,00", "1250 euros or 1250 euros"),
    ("€1.250 a month", "1250 euros a month"),
    ("€1.459 a litre", "1 point 4 5 9 euros a litre"),
    ("$1.250 a gallon", "1 point 2 5 0 dollars a gallon"),
    ("€ 1 250 a month", "1250 euros a month"),
    ("€1 250 a month", "1250 euros a month"),
    ("It is € 1 250.", "It is 1250 euros."),
    ("€ 1 250,50 in all", "1250 euros and 50 cents in all"),
    ("€ 1 250 000 in all", "1 million 250 thousand euros in all"),
    ("€ 5 for 250 grams", "5 euros for 250 grams"),
    ("EUR 12 2026 prices", "12 euros 2026 prices"),
    ("1'250.50 CHF", "1250 Swiss francs 50"),
    ("CHF 80 or 80 CHF", "80 Swiss francs or 80 Swiss francs"),
    ("¥1,500 or 1500 ¥", "1500 yen or 1500 yen"),
    ("₹500 and 500 INR", "500 rupees and 500 Indian rupees"),
    ("USD 5, 5 USD", "5 U S dollars, 5 U S dollars"),
    ("A$20, CA$20, US$20", "20 Australian dollars, 20 Canadian dollars, 20 U S dollars"),
    ("150 zł a night", "150 Polish zlotys a night"),
    ("20-30 € a night", "20 to 30 euros a night"),
    ("€20–€30 a night", "20 to 30 euros a night"),
    ("€20-30 a night", "20 to 30 euros a night"),
    ("20 € – 30 €", "20 euros to 30 euros"),
    ("20.50–30.75 €", "20 euros and 50 cents to 30 euros and 75 cents"),
    ("from 25.50 to 30 €", "from 25 euros and 50 cents to 30 euros"),
    ("25.50 - 30 €", "25 euros and 50 cents to 30 euros"),
    ("between 25.50 and 30.50 EUR a day", "between 25 euros and 50 cents and 30 euros and 50 cents a day"),
    ("a refund of -25.50 €", "a refund of minus 25 euros and 50 cents"),
    ("−€5 and €-5 and -5 EUR", "minus 5 euros and minus 5 euros and minus 5 euros"),
    ("€5 million, 5 million €", "5 million euros, 5 million euros"),
    ("€1.5M, 2.5k €, $3bn", "1 point 5 million euros, 2 point 5 thousand euros, 3 billion dollars"),
    ("**25.50 €** a month", "25 euros and 50 cents a month"),
    ("It costs 25.50 €", "It costs 25 euros and 50 cents"),
    ("(25.50 €)", "25 euros and 50 cents"),
    ("That is 25.50 €, or 30 €?", "That is 25 euros and 50 cents, or 30 euros?"),
    ("| Room | 25.50 € |\n\nDone.", "Room, 25 euros and 50 cents. Done."),
]  # fmt: skip
TIMES_AND_DATES = [
    ("At 0:15, 12:00, 24:00", "At 12 15 A M, 12 o'clock, 12 A M"),
    ("From 9:00 to 17:00", "From 9 o'clock to 5 P M"),
    ("9:00–17:30 daily", "9 o'clock to 5 30 P M daily"),
    ("7.30 pm or 7.30pm", "7 30 P M or 7 30 P M"),
    ("at 10:30:15 today", "at 10 30 today"),
    ("2:30pm–4pm", "2 30 P M to 4 P M"),
    ("at 18h30", "at 6 30 P M"),
    ("on 24.12.2026", "on December twenty-fourth, 2026"),
    ("2026/12/24", "December twenty-fourth, 2026"),
    ("24 Dec 2026", "24 December 2026"),
    ("the 3rd of March", "the third of March"),
    ("March 3rd–5th", "March third to fifth"),
    ("3–5 March", "3 to 5 March"),
    ("Dec. 24–26, 2026", "December twenty-fourth to twenty-sixth, 2026"),
    ("the 42nd and 100th, 1,000th", "the forty-second and 100th, 1000th"),
    ("in 2026 or the 2020s", "in 2026 or the 2020s"),
]  # fmt: skip
QUANTITIES = [
    ("25.5% or 25,5 %", "25 point 5 percent or 25 point 5 percent"),
    ("+3% and -2 %", "plus 3 percent and minus 2 percent"),
    ("10–20 % off", "10 to 20 percent off"),
    ("10% – 20% off", "10 percent to 20 percent off"),
    ("0.5% and 1 %", "0 point 5 percent and 1 percent"),
    ("1 km, 1.5 km, 5-10 km", "1 kilometer, 1 point 5 kilometers, 5 to 10 kilometers"),
    ("20 °C, 20°, -5 °C", "20 degrees Celsius, 20 degrees, minus 5 degrees Celsius"),
    ("25 m² or 25 m2", "25 square meters or 25 square meters"),
    ("50 km/h, 50 kph", "50 kilometers per hour, 50 kilometers per hour"),
    ("100 Mbps and 16 GB", "100 megabits per second and 16 gigabytes"),
    ("1 lb, 2 lbs, 1 ft", "1 pound, 2 pounds, 1 foot"),
    ("5 in the evening", "5 in the evening"),
    ("Room 12 B or seat 12A", "Room 12 B or seat 12A"),
    ("2 cups, 3 kWh a day", "2 cups, 3 kilowatt hours a day"),
    ("from 2.5 to 3.14", "from 2 point 5 to 3 point 1 4"),
]  # fmt: skip
HELD_OUT = [
    ("Parking: 4.20 € per day, breakfast 14.90 € pp.", "Parking: 4 euros and 20 cents per day, breakfast "
     "14 euros and 90 cents pp."),
    ("A deposit of GBP 1,200.00 is due", "A deposit of 1200 British pounds is due"),
    ("kr 450 is fine", "450 kronor is fine"),
    ("SEK 450.50", "450 Swedish kronor and 50 öre"),
    ("NT$900 or ₩15,000", "900 New Taiwan dollars or 15000 won"),
    ("JPY 1200 per 100 g", "1200 Japanese yen per 100 grams"),
    ("€1,000,000.00 was paid", "1 million euros was paid"),
    ("$0.5 or $.50", "50 cents or 50 cents"),
    ("You save €12 (10%)", "You save 12 euros, 10 percent"),
    ("€ 0", "0 euros"),
    ("Is it 30€?", "Is it 30 euros?"),
    ("EUR is the currency", "EUR is the currency"),
    ("The € rose", "The euro rose"),
    ("on 1.1.2027 at 8:05", "on January first, 2027 at 8 oh 5"),
    ("12.5 kg and 0.75 l", "12 point 5 kilograms and 0 point 7 5 liters"),
    ("a score of 3:2", "a score of 3:2"),
    ("Version 2.10 and 10.0.0.1", "Version 2 point 1 0 and 10 dot 0 dot 0 dot 1"),
    ("Rooms 101 102 103 are 80 €", "Rooms 101 102 103 are 80 euros"),
    ("The total: 80 € (EUR 75 online).", "The total: 80 euros, 75 euros online."),
    ("Call 555-1234, it is 5 €", "Call 5 5 5, 1 2 3 4, it is 5 euros"),
    ("We have 25.50 and more", "We have 25 point 5 0 and more"),
    ("Between $1.5 and $2 million", "Between 1 dollar and 50 cents and 2 million dollars"),
    ("*€25.50*/night", "25 euros and 50 cents per night"),
    ("20 €/night, 30€/Night", "20 euros per night, 30 euros per Night"),
    ("Fees of 2.5%-3.5% apply", "Fees of 2 point 5 percent to 3 point 5 percent apply"),
    ("From 8–10 a.m. or 8-10 am", "From 8 to 10 A M or 8 to 10 A M"),
    ("ALL 5 rooms, TRY 2", "ALL 5 rooms, TRY 2"),
    ("USA 2026, the USD rate", "USA 2026, the USD rate"),
    ("I have 5 US rooms", "I have 5 US rooms"),
    ("1 000 000 €", "1 million euros"),
    ("-$1,234.56", "minus 1234 dollars and 56 cents"),
    ("$100–$200/night", "100 to 200 dollars per night"),
    ("Costs 25.50€-30.00€ or 25.50 €–30.00 €", "Costs 25 euros and 50 cents to 30 euros or "
     "25 euros and 50 cents to 30 euros"),
    ("€99.-, 25,- € or CHF 25.-", "99 euros, 25 euros or 25 Swiss francs"),
    ("Price:25€", "Price:25 euros"),
    ("10 000 people", "10000 people"),
    ("at 19:30h", "at 7 30 P M"),
    ("EUR 5 – EUR 10", "5 euros to 10 euros"),
    ("€5/€10", "5 euros or 10 euros"),
    ("20 €–30", "20 euros to 30"),
    ("25.50 euros, 9.99 dollars, 12.50 pounds", "25 euros and 50 cents, 9 dollars and 99 cents, 12 point 5 0 pounds"),
    ("~25 €, +€5, ~$5 million", "about 25 euros, plus 5 euros, about 5 million dollars"),
    ("I paid 25.50. € is the sign", "I paid 25 point 5 0. euro is the sign"),
]  # fmt: skip
IN_LANGUAGES = [
    ("de", "Das kostet 25,50 € im Monat.", "Das kostet 25 Euro und 50 Cent im Monat."),
    ("de", "1.250,50 € oder EUR 5", "1250 Euro und 50 Cent oder 5 Euro"),
    ("de", "€ 1 250 und € 1.250", "1250 Euro und 1250 Euro"),
    ("de", "25.50 € pro Tag", "25 Euro und 50 Cent pro Tag"),
    ("de", "10–20 € pro Nacht", "10 bis 20 Euro pro Nacht"),
    ("de", "2,5 % und -3 °C", "2 Komma 5 Prozent und minus 3 Grad Celsius"),
    ("de", "5 km, 1.234 Leute", "5 Kilometer, 1234 Leute"),
    ("de", "Um 14:30 Uhr oder 9:00 Uhr", "Um 14 Uhr 30 oder 9 Uhr"),
    ("de", "Am 24.12.2026 bitte", "Am 24. Dezember 2026 bitte"),
    ("de", "Am 3. Mai um acht.", "Am dritten Mai um acht."),
    ("de", "Die Nr. 5, z. B. hier", "Die Nr. 5, z. B. hier"),
    ("de", "In die Stadt am See", "In die Stadt am See"),
    ("de", "No. Ja.", "No. Ja."),
    ("fr", "C'est 25,50 € par mois.", "C'est 25 euros et 50 centimes par mois."),
    ("fr", "1 250,50 € au total", "1250 euros et 50 centimes au total"),
    ("fr", "2,5 % et 5 km", "2 virgule 5 pour cent et 5 kilomètres"),
    ("fr", "À 14h30 ou 9:00", "À 14 heures 30 ou 9 heures"),
    ("fr", "le 24/12/2026", "le 24 décembre 2026"),
    ("fr", "une baisse de -5 €", "une baisse de moins 5 euros"),
    ("es", "Son 25,50 € al mes.", "Son 25 euros y 50 céntimos al mes."),
    ("es", "$ 5 o 5 USD", "5 dólares o 5 dólares estadounidenses"),
    ("es", "2,5 % y 5 kg", "2 coma 5 por ciento y 5 kilogramos"),
    ("es", "el 24/12/2026", "el 24 de diciembre de 2026"),
    ("de", "Kontakt: anna@example.com & Co", "Kontakt: anna at example Punkt com und Co"),
    ("de", "3 % bis 1.000.000 €", "3 Prozent bis 1000000 Euro"),
    ("de", "zwischen 25,50 und 30 €", "zwischen 25 Euro und 50 Cent und 30 Euro"),
    ("de", "CHF 12.50 sind 12,80 Euro", "12 Schweizer Franken 50 sind 12 Euro und 80 Cent"),
    ("de", "5 Millionen €, um 8 Uhr", "5 Millionen Euro, um 8 Uhr"),
    ("fr", "10-20 €, 1 €", "10 à 20 euros, 1 euro"),
    ("fr", "Le 3e étage, n° 5", "Le 3e étage, numéro 5"),
    ("es", "1.º piso, 14:30", "1.º piso, 14:30"),
    ("es", "1.250 € y 0,99 €", "1250 euros y 99 céntimos"),
    ("it", "25,50 € al mese", "25 euro e 50 centesimi al mese"),
    ("nl", "€ 25,50 per maand", "25 euro en 50 cent per maand"),
    ("zz", "25.50 € a month", "25 euros and 50 cents a month"),
    ("de", "um 9.30 Uhr", "um 9 Uhr 30"),
    ("es", "de 10 a 20 €", "de 10 a 20 euros"),
]


def say(text: str, language: str = "en", step: int = 10_000) -> str:
    speakable = Speakable(language)
    pieces = [piece for at in range(0, len(text), step) for piece in speakable.feed(text[at : at + step])]
    return "".join(piece.spoken for piece in [*pieces, *speakable.finish()])


@pytest.mark.parametrize(("written", "spoken"), [*MONEY, *TIMES_AND_DATES, *QUANTITIES, *HELD_OUT])
def test_english(written: str, spoken: str) -> None:
    assert say(written) == spoken
    assert say(written, step=1) == spoken


@pytest.mark.parametrize(("language", "written", "spoken"), IN_LANGUAGES)
def test_other_languages(language: str, written: str, spoken: str) -> None:
    assert say(written, language) == spoken
    assert say(written, language, step=1) == spoken
