"""Words that claim, offer or press, by language: what a model's own words must not hold.

The lists are of word beginnings, so that inflected forms are found as well; those of up to four letters stand for the
whole word, or they would find half the dictionary. Accents are taken off first. The lists are wide on purpose: a
harmless opening that is refused costs one popup, a promise that slips through costs the shop its word.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_CLAIMS: Final = {
    "en": """
        free gratis compliment discount off save saving sale deal bargain offer promo coupon voucher code gift
        bonus reward cashback credit refund money price cheap cost half double triple twice two three four five
        six seven eight nine ten dozen hundred percent per-cent pct guarantee warrant promise assur certif best
        lowest exclusive special limited only last final hurry rush quick fast now today tonight tomorrow soon
        ending ends expire deadline left stock remain countdown minute hour shipping delivery deliver return
        exchange buy bogo win won prize lifetime risk proven clinical heal cure doctor original authentic award
        official everyone sold call phone whatsapp telegram text email mail contact visit click link website
        http www freebie deals saves gifts wins codes saving""",
    "de": """
        gratis kostenlos umsonst frei geschenk rabatt prozent nachlass spar ermassig gunstig billig angebot
        aktion gutschein code preis euro halb doppelt zwei drei vier funf sechs sieben acht neun zehn hundert
        garant versprech versprich sicher best exklusiv limitiert begrenzt nur letzt schnell beeil sofort jetzt
        heute morgen bald endet ablauf verfall frist vorrat lager rest stunde minute versand liefer zustell
        ruckgab umtausch zuruck kauf gewinn erstatt geld bonus pramie anruf telefon klick link besuch kontakt
        mail auf-uns""",
    "fr": """
        gratuit offert offre cadeau remise reduction rabais promo solde pourcent pour-cent economi prix euro
        moins moitie double deux trois quatre cinq six sept huit neuf dix cent code coupon bon garanti promes
        promet assur meilleur exclusi limite seulement uniquement dernier derniere vite depech maintenant
        aujourd demain bientot fin expire delai stock reste heure minute livrais livree livre expedi retour
        echang achet gagn rembours argent bonus prime appel telephone cliqu lien visit contact courriel mail""",
    "es": """
        gratis gratuit regal descuento rebaja oferta promo cupon codigo precio euro peso ahorr porciento por-
        ciento mitad doble dos tres cuatro cinco seis siete ocho nueve diez cien garanti promet asegur mejor
        exclusiv limitad solo ultim rapido prisa ahora hoy manana pronto termin acab expir vence stock quedan
        existencia horas minuto envio envia enviar entreg devol cambi compr gan reembols dinero bono premio llam
        telefono clic enlace visit contact correo""",
    "it": """
        gratis gratuit omaggio regal sconto sconti offert promo saldo saldi coupon codice prezz euro risparm
        percento per-cento meta doppi due tre quattro cinque sette otto nove dieci cento garan promett promess
        assicur miglior esclusiv limitat solo soltanto ultim presto fretta subito adesso ora oggi domani scad
        termin finisc scorte rimast minut spediz spedi conseg reso resi rimbors cambi compr acquist vinc vinci
        denaro soldi premi bonus chiam telefon clicc link visit contatt mail""",
    "pt": """
        gratis gratuit brinde desconto oferta promo saldo liquida cupom cupao codigo preco euro real reais
        economi poup porcento por-cento metade dobro dois duas tres quatro cinco seis sete oito nove dez cem
        garan promet assegur melhor exclusiv limitad apenas somente ultim rapid corr pressa agora hoje amanha
        breve termin acab expir vence estoque restam hora minuto envio envia enviar frete entreg devol troc
        compr ganh reembols dinheiro bonus premio ligue telefon clique link visit contact correio""",
    "nl": """
        gratis kosteloos cadeau geschenk korting procent aanbied actie uitverkoop bespa kortingscode code bon
        prijs goedkoop euro helft dubbel twee drie vier vijf zes zeven acht negen tien honderd garan belo belov
        verzeker allerbest exclusie beperkt alleen slechts laatste snel haast nu vandaag morgen binnenkort
        eindig verloop verstrijk voorraad resteren uur minuut verzend bezorg lever retour terug ruil koop win
        geld bonus prijs bel telefo klik link bezoek contact mail""",
}

LANGUAGES: Final = tuple(_CLAIMS)
"""The languages that the guard knows: a model may word an opening in no other."""

_PLAIN_WORDS: Final = {
    "en": """
        a about an and any are at can could did do for have hello help here hi how i if in is it just let like
        look looking may need of on or order question see some something still take that the there this to us
        want we what when with would you your""",
    "de": """
        auf bei bist brauchst darf das dein deine deiner dem den der dich die dir du ein eine einen etwas fragen
        fur haben hallo hast helfen hier hilfe ich ihnen ihre ihrer im in ist kann konnen mit noch oder sie sind
        so suchen und uns von was wie wir zu zum zur""",
    "fr": """
        a aide aider as au aux avec avez besoin bonjour ce ces commande dans de des du en encore est et ici je
        la le les notre nous ou par pour pouvons puis question quelque que qui salut si sur te toi ton un une
        vos votre vous""",
    "es": """
        a al algo algun alguna ayuda ayudamos ayudar con de del duda el en es esta estas hay hola la las lo los
        mas necesitas nos o para pedido podemos por pregunta puedo que quieres se si su tal te tienes tu tus un
        una y""",
    "it": """
        a ai aiutare aiutarti aiuto al alla bisogno che ci ciao come con cosa cui dei del della di domanda e ed
        ha hai ho i il in la le lo nel o ordine per possiamo posso qualche qui se serve sei su ti tuo un una
        vuoi""",
    "pt": """
        a ajuda ajudar algum alguma ao aqui as com como da de do duvida e em esta ha na nas no nos o ola os ou
        para pedido pergunta podemos por posso precisa que quer se seu sua te tem tu um uma voce""",
    "nl": """
        aan al als bestelling bij dag dat de deze die doen dit een en er hallo heb hebt helpen het hier hoe hulp
        iets ik in is je jij jouw kan kunnen me met nodig nog of om ons op te u uw van voor vraag vragen wat we
        wij wil""",
}


def fold(text: str) -> str:
    """Give the text in small letters, without accents and look-alike forms, for comparing words."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _pattern() -> re.Pattern[str]:
    stems = sorted({stem for words in _CLAIMS.values() for stem in words.split()})
    spelled = [stem.replace("-", r"\W+") + (r"(?!\w)" if len(stem) <= 4 else "") for stem in stems]
    return re.compile(rf"(?<!\w)(?:{'|'.join(spelled)})")


_CLAIM: Final = _pattern()
_WORD = re.compile(r"[^\W\d_]+")
_MOST_WORDS = 12
_KNOWN_SHARE = 0.5


def fault_in_opening(opening: str, language: str) -> str | None:
    """Say why a model's own words must not be shown, None if they may.

    They may when they are a few plain words in the shopper's language and hold nothing that claims, offers or presses
    in any language known here. Half of the words have to be common ones of the language: a claim in a language that no
    list knows cannot pass as a greeting.
    """
    folded = fold(opening)
    if any(unicodedata.category(character)[0] in "NSC" for character in folded if character != " "):
        return "a number, sign or symbol"
    if claim := _CLAIM.search(folded):
        return f"the word {claim.group()!r}, which claims, offers or presses"
    words = _WORD.findall(folded)
    if not 0 < len(words) <= _MOST_WORDS:
        return f"not 1 to {_MOST_WORDS} words"
    if not all(word.isascii() for word in words):
        return "letters that its language does not use"
    known = set(_PLAIN_WORDS[language].split())
    if sum(word in known for word in words) < _KNOWN_SHARE * len(words):
        return f"words that are not plain {language}"
    return None
