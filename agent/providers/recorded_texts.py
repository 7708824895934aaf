"""The fixed sentences in the languages that are shipped with recordings of them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Sentence(StrEnum):
    """The fixed sentences; the value is the clip's file name without `.wav`."""

    APOLOGY = "apology"  # what was said was not understood
    CANNOT_ANSWER = "cannot_answer"  # no model answers
    CANNOT_SPEAK = "cannot_speak"  # no voice speaks: the reply is there to be read
    DECLINED = "declined"  # the models will not answer this
    STILL_NOT = "still_not"  # the same again: the long sentence was heard before
    ONE_MOMENT = "one_moment"  # a reply takes longer than is polite
    GOODBYE = "goodbye"  # the service ends the call
    COST_CAP = "cost_cap"  # the call's budget is used up


TEXTS: Final[Mapping[Sentence, str]] = {
    Sentence.APOLOGY: "Sorry, could you say that again?",
    Sentence.CANNOT_ANSWER: "I am sorry, I cannot answer right now. Please try again in a moment.",
    Sentence.CANNOT_SPEAK: "I am sorry, I cannot speak right now. You can read my answer.",
    Sentence.DECLINED: "I am sorry, I cannot help with that. Is there anything else?",
    Sentence.STILL_NOT: "Still not, I am sorry.",
    Sentence.ONE_MOMENT: "One moment, please.",
    Sentence.GOODBYE: "Thank you for calling. Goodbye.",
    Sentence.COST_CAP: "I am sorry, this call has reached its limit. Goodbye.",
}
"""In English: what is said where a language has none."""
TEXTS_OF: Final[Mapping[str, Mapping[Sentence, str]]] = {
    "en": TEXTS,
    "de": {
        Sentence.APOLOGY: "Entschuldigung, können Sie das bitte wiederholen?",
        Sentence.CANNOT_ANSWER: "Es tut mir leid, ich kann gerade nicht antworten. Bitte versuchen Sie es gleich noch"
        " einmal.",
        Sentence.CANNOT_SPEAK: "Es tut mir leid, ich kann gerade nicht sprechen. Sie können meine Antwort lesen.",
        Sentence.DECLINED: "Es tut mir leid, dabei kann ich nicht helfen. Kann ich sonst etwas für Sie tun?",
        Sentence.STILL_NOT: "Leider immer noch nicht.",
        Sentence.ONE_MOMENT: "Einen Moment, bitte.",
        Sentence.GOODBYE: "Vielen Dank für Ihren Anruf. Auf Wiederhören.",
        Sentence.COST_CAP: "Es tut mir leid, dieses Gespräch hat seine Grenze erreicht. Auf Wiederhören.",
    },
    "fr": {
        Sentence.APOLOGY: "Pardon, pouvez-vous répéter, s'il vous plaît ?",
        Sentence.CANNOT_ANSWER: "Je suis désolé, je ne peux pas répondre pour le moment. Veuillez réessayer dans un"
        " instant.",
        Sentence.CANNOT_SPEAK: "Je suis désolé, je ne peux pas parler pour le moment. Vous pouvez lire ma réponse.",
        Sentence.DECLINED: "Je suis désolé, je ne peux pas vous aider pour cela. Y a-t-il autre chose ?",
        Sentence.STILL_NOT: "Toujours pas, je suis désolé.",
        Sentence.ONE_MOMENT: "Un instant, s'il vous plaît.",
        Sentence.GOODBYE: "Merci de votre appel. Au revoir.",
        Sentence.COST_CAP: "Je suis désolé, cet appel a atteint sa limite. Au revoir.",
    },
    "es": {
        Sentence.APOLOGY: "Perdone, ¿puede repetirlo, por favor?",
        Sentence.CANNOT_ANSWER: "Lo siento, ahora mismo no puedo responder. Inténtelo de nuevo en un momento.",
        Sentence.CANNOT_SPEAK: "Lo siento, ahora mismo no puedo hablar. Puede leer mi respuesta.",
        Sentence.DECLINED: "Lo siento, no puedo ayudarle con eso. ¿Desea algo más?",
        Sentence.STILL_NOT: "Todavía no, lo siento.",
        Sentence.ONE_MOMENT: "Un momento, por favor.",
        Sentence.GOODBYE: "Gracias por su llamada. Adiós.",
        Sentence.COST_CAP: "Lo siento, esta llamada ha llegado a su límite. Adiós.",
    },
    "it": {
        Sentence.APOLOGY: "Scusi, può ripetere, per favore?",
        Sentence.CANNOT_ANSWER: "Mi dispiace, in questo momento non posso rispondere. Riprovi tra un attimo.",
        Sentence.CANNOT_SPEAK: "Mi dispiace, in questo momento non posso parlare. Può leggere la mia risposta.",
        Sentence.DECLINED: "Mi dispiace, non posso aiutarla in questo. Desidera altro?",
        Sentence.STILL_NOT: "Ancora no, mi dispiace.",
        Sentence.ONE_MOMENT: "Un momento, per favore.",
        Sentence.GOODBYE: "Grazie per la chiamata. Arrivederci.",
        Sentence.COST_CAP: "Mi dispiace, questa chiamata ha raggiunto il suo limite. Arrivederci.",
    },
    "nl": {
        Sentence.APOLOGY: "Sorry, kunt u dat nog eens zeggen?",
        Sentence.CANNOT_ANSWER: "Het spijt me, ik kan nu niet antwoorden. Probeer het zo nog eens.",
        Sentence.CANNOT_SPEAK: "Het spijt me, ik kan nu niet spreken. U kunt mijn antwoord lezen.",
        Sentence.DECLINED: "Het spijt me, daar kan ik niet bij helpen. Kan ik nog iets anders doen?",
        Sentence.STILL_NOT: "Helaas nog steeds niet.",
        Sentence.ONE_MOMENT: "Een ogenblik, alstublieft.",
        Sentence.GOODBYE: "Bedankt voor uw telefoontje. Tot ziens.",
        Sentence.COST_CAP: "Het spijt me, dit gesprek heeft zijn limiet bereikt. Tot ziens.",
    },
    "pt": {
        Sentence.APOLOGY: "Desculpe, pode repetir, por favor?",
        Sentence.CANNOT_ANSWER: "Desculpe, não posso responder neste momento. Tente de novo daqui a pouco.",
        Sentence.CANNOT_SPEAK: "Desculpe, não posso falar neste momento. Pode ler a minha resposta.",
        Sentence.DECLINED: "Desculpe, não posso ajudar com isso. Deseja mais alguma coisa?",
        Sentence.STILL_NOT: "Ainda não, desculpe.",
        Sentence.ONE_MOMENT: "Um momento, por favor.",
        Sentence.GOODBYE: "Obrigado pela sua chamada. Adeus.",
        Sentence.COST_CAP: "Desculpe, esta chamada atingiu o seu limite. Adeus.",
    },
}
"""By language (ISO 639-1)."""


def texts_in(language: str, own: Mapping[Sentence, str] | None = None) -> dict[Sentence, str]:
    """The sentences of a language, or English ones, with somebody's `own` in their place."""
    return {**TEXTS_OF.get(language, TEXTS), **(own or {})}
