"""The lexicon: words that claim, offer or press, and the plain words that a model's opening may consist of.

The claims are beginnings of words, so that inflected forms are found too; a beginning of up to four letters matches
only as a whole word, because it would match half the dictionary otherwise. Accents are removed first. The lists are
wide on purpose: refusing a harmless opening costs one popup, letting a promise through costs the shop its word. The
claims only name the fault in an opening; unknown claims are kept out because every word must be a plain one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from tracker.decisions.language.tags import primary

_CLAIMS: Final = {
    "en": """
        free gratis compliment discount off save saving sale deal bargain offer promo coupon voucher code gift
        bonus reward cashback credit refund money price cheap cost half double triple twice two three four five
        six seven eight nine ten dozen hundred percent per-cent pct guarantee warrant promise assur certif best
        lowest exclusive special limited only last final hurry rush quick fast now today tonight tomorrow soon
        ending ends expire deadline left stock remain countdown minute hour shipping delivery deliver return
        exchange buy bogo win won prize lifetime risk proven clinical heal cure doctor original authentic award
        official everyone sold call phone whatsapp telegram text email mail contact visit click link website
        http www freebie deals saves gifts wins codes saving on-us charge pay paid""",
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
"""The languages of the lexicon: a model may word an opening in no other."""

_PLAIN: Final = {
    "en": """
        a about again an and any anything are at be but by can cart choose choosing could deciding did do does find
        fit for from glad happy hand have hello help here hey hi how i if in is it item items just know let like
        liked little look looking may maybe me mind my need not of okay on or order our perhaps pick please question
        questions right see shall should show size sizes so some someone something still style sure than thank thanks
        that the there thing things think thinking this to us want we welcome what when which with wondering would
        you your""",
    "de": """
        als am ansehen auch auf bei beim bestellung bin bist bitte brauchen brauchst braucht da dabei danke darf das
        dazu dein deine deinem deinen deiner dem den der des dich die dir du ein eine einem einmal einen einer etwas
        euch finden frage fragen fur gern gerne grosse grossen guten habe haben hallo hast helfen hier hilfe ich
        ihnen ihr ihre ihrem ihren ihrer im in ist jemand kann kannst konnen magst mein mit mochten mochtest moin
        noch oder passen passende passt rat schauen schon sehen sich sie sind so suchen suchst tag und uns unser
        unsicher unterstutzen vielleicht von wahl warenkorb was welche welcher welches wer wie willkommen wir wissen
        wollen wunschen zogern zu zum zur""",
    "fr": """
        a ai aide aider aidons as au aux avec avez avoir besoin bien bienvenue bonjour bonsoir c ce cela ces cette
        chercher cherchez choisir choix commande comment conseil conseils d dans de des doute du elle en encore es
        est et etes eu faire hesitez ici idee il j je l la le les leur ma me merci mes moi mon n ne nos notre nous on
        ou panier par parmi pas peu peut pour pourrions pouvons puis qu quel quelle quelqu quelque quelques question
        questions qui quoi renseigner revoir s salut si sommes son souhaitez suis sur t taille te toi ton tous
        trouver tu un une vos votre voulez vous y""",
    "es": """
        a al algo alguien algun alguna algunas ante aqui ayuda ayudamos ayudar ayudarle ayudarte bienvenida
        bienvenido buenas buenos buscando buscas carrito como con consejo cosa cual cuales cuando de del dia dias
        donde duda dudas e el eleccion elegir ella en encontrar entre es esa ese esta estamos estas este esto gracias
        gusta gustaria hay hola la las le les lo los mas me mi mirando mis muy necesita necesitas no nos nosotros
        nuestra nuestro o os otra otro para pedido pensando podemos podriamos por pregunta preguntas puedes puedo que
        quieres saber se ser si sobre son su sus talla te ti tienes todavia tu tus un una unas unos usted ver vez y
        ya yo""",
    "it": """
        a abbiamo ai aiutare aiutarla aiutarti aiutiamo aiuto al alla alle allo anche ancora avere avete bene
        benvenuta benvenuto bisogno buongiorno c carrello cerca cercando cerchi che chi ci ciao come con consigli
        consiglio cosa cui da dal dalla dei del della delle di domanda domande dubbi dubbio e ed fare forse gli
        grazie ha hai ho i il in indecisa indeciso io l la le lei lo loro ma me mi mio ne nei nel nella noi non
        nostra nostro o ordine pensando per possa possiamo posso puo puoi qualche qualcosa quale quali quella quello
        questa questo qui rivedere salve sapere scegliere scelta se sei si sia siamo sono stai su sul sulla suo
        taglia te ti trovare tu tua tuo tutti un una uno va vedere voi vostro vuoi""",
    "pt": """
        a ainda ajuda ajudamos ajudar ajudo algo alguem algum alguma alguns ao aos aqui as assim bem boa bom carrinho
        coisa com como da das de decidir dia do duvida duvidas e ela ele em encontrar entre escolha escolher essa
        esse esta estamos este eu gostaria ha isso isto ja lhe me mesmo meu minha muito na nao nas nem no nos nossa
        nosso o obrigada obrigado oi ola olhando os ou outra outro para pedido pensando pergunta perguntas pode
        podemos poderia por posso precisa procura procurando quais qual que quem quer saber sao se ser seu seus sim
        so sobre sua suas tamanho te tem ter teu ti tu tua tudo um uma umas uns ver vez vinda vindo voce""",
    "nl": """
        aan al als andere bekijken ben bent bestelling bij daar dag dank dat de deze die dit doen dus een eens en er
        ergens even fijn goed goede goedemiddag graag groot had heb hebben hebt heeft helpen helpt het hier hoe hoi
        hulp iemand iets ik in is ja je jij jou jouw kan keuze kies kiezen kijken kun kunnen kunt laat maar maat
        maten me met mijn misschien moet mogen naar niet nodig nog of om ons onze ook op over passen past raad samen
        staan te tegen tussen twijfel twijfelt u uit uw van vinden voor vraag vragen waar wat we weet welke welkom
        weten wie wij wil willen wilt winkelmand winkelwagen zie zien zijn zo zoek zoekt""",
}

PLAIN_WORDS: Final[Mapping[str, frozenset[str]]] = {
    language: frozenset(words.split()) for language, words in _PLAIN.items()
}
"""The only words that an opening may consist of, folded: those of greetings, questions and offers of help."""


def fold(text: str) -> str:
    """Return the text in small letters, without accents and look-alike forms, for comparing words."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _pattern() -> re.Pattern[str]:
    stems = sorted({stem for words in _CLAIMS.values() for stem in words.split()})
    spelled = [stem.replace("-", r"\W+") + (r"(?!\w)" if len(stem) <= 4 else "") for stem in stems]
    return re.compile(rf"(?<!\w)(?:{'|'.join(spelled)})")


_CLAIM: Final = _pattern()
_WORD = re.compile(r"[^\W\d_]+")
_MOST_WORDS = 12


def fault_in_opening(opening: str, language: str) -> str | None:
    """Return why a model's opening in a language (`pt-BR` is checked as `pt`) must not be shown; None if it may be.

    It may be shown if it consists of a few plain words of the shopper's language and holds nothing that claims, offers
    or presses in any language of the lexicon. Every word has to be a known one: if a single other word were allowed,
    "We pay for your order", or "za darmo" ("for free" in a language without a list), would pass as a greeting.
    """
    folded = fold(opening)
    if any(unicodedata.category(character)[0] in "NSC" for character in folded if character != " "):
        return "a number, sign or symbol"
    if claim := _CLAIM.search(folded):
        return f"the word {claim.group()!r}, which claims, offers or presses"
    words = _WORD.findall(folded)
    if not 0 < len(words) <= _MOST_WORDS:
        return f"not 1 to {_MOST_WORDS} words"
    if not PLAIN_WORDS[primary(language)].issuperset(words):
        return f"words that are not plain {language}"
    return None
