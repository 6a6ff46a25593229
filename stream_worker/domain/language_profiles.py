"""What tells a language apart at a glance: one row a language that models may know.

A language without a row is still identified, only slower: every text then goes to the statistical identifier.
The English words were counted in financial headlines and comments, and what other languages share was struck out:
"bank", "trading", "in", "die".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """How to recognise one language without statistics.

    `alphabet` matches any one letter that the language is written with. One `telling` word, or two `frequent` ones,
    say that a text is in the language, unless a `foreign` word stands beside them. All words are lower-case.
    """

    alphabet: re.Pattern[str]
    telling: frozenset[str]
    frequent: frozenset[str]
    foreign: frozenset[str]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ENGLISH = Profile(
    alphabet=re.compile("[A-Za-zªµº\u00c0-\u02af\u1e00-\u1eff\ufb00-\ufb06]"),
    telling=_words(
        """
    acquires after against ahead amid and announces any appoints beat beats before between billion business buy
    buys by companies company completes could court cut cuts day down downgrade downgrades drop drops during
    earnings election expands fall falls fell first for from gain gains get gets government growth have higher
    his hits how into its joins jump jumps launches loss losses lower lowers make makes many markets might month
    much my named names new now off offer offers oil only other our out outlook pct police president profits
    quarter quarterly raise raises rating reaches receives reports results rise rises rose said sales say says
    second see seen sees sell sells share shares she should signs slip slips sold some stocks take takes than
    the their them there these they third this those today tops trade u.s up upgrade upgrades ups very were what
    when where which while who why win wins with world would year years you your
        """
    ),
    frequent=_words(
        """
    about above according account acquire across activity actually added adding again agency agree agreed agrees
    aims aircraft airline airport almost along already always amazing among analysts announced another anti
    anyone anything appointed approach approves approximately area areas army around arrested asked asks assets
    attack attacks authorities avoid away awesome back backed backs bailout band bankruptcy based basis battery
    battle bearish bears beautiful because become becomes been begin begins behind being believe below benchmark
    benefit benefits bets better beyond bids bigger biggest bill birthday blast block body bomb book books boost
    boosts border boss both bottom bought bounce break breakout breaks bring build building built bullish bulls
    businesses buyback buyers buying buyout called calling calls came candidate candidates capacity carbon
    career carrier cars cause chain chairman challenge challenges changed charges chart cheap check chief child
    children chip circuit claims clean clear climate close closed closing cloud coffee cold come comes coming
    committee commodities commodity compared concerns confirms consensus consider consumers continue continued
    contract contracts control cool copper core coronavirus corresponding costs countries country course cover
    crore cues currency currently customers cutting daily days dead deadline death deaths debate debt debut
    decided declares decline declines deep delay delays delivery demand denies deputy despite details didn dies
    dips discount discuss disease dividend dividends does doesn doing domestic done downturn driving drug each
    earlier early ease easy economic economy edge effect effort efforts eight electric else emergency employees
    ended ends enough enter entry equities estimates even ever every everyone everything excited exit expand
    expect expected expects exports extend extends eyes faces facing factory facts fail failed fake falling
    family farmers favorite fear fears feel feeling fifth fight files filing finally financials find finds fine
    fire firm firms fixed flat flight flights flow focus follow food football forces forecast forecasts foreign
    forward found founder four fraud free fresh friends front fuel full fund funds funny further game gasoline
    getting giant girl gives giving goes going gone gonna good goods governor govt great green ground groups
    grow grows guess guys haha half halt hands happen happy hard hate haven having head heads hear heard hearing
    heart heat heavy held help here highest highs hike hikes hires hiring historic history hold holding holds
    holiday home homes hope hopes hour hours housing however huge hurt ideas imagine important imports improve
    improved include includes including increase increased increasing interest investing investors iron issue
    issues jets jobs join judge just keep keeps kids kill killed kills know largest last late latest lawmakers
    lawsuit lead leaders leads learn least leave left lenders lending less lets level levels lift lifts light
    like likely limit limits linked liquidity listen listing little living load loans longer look looking looks
    looms lose losing lost love lowest lows luck luxury made major majority maker making margin market match
    maybe mean means measures meet meeting member members metals militants military milk million mind minutes
    miss misses missile missing mixed model momentum monetary money months moon morning move moves movie moving
    mulls music must near nearly need needed needs never news next nice night nine note notes nothing nuclear
    number numbers offered offering offices officials offshore once open opening opens operating operator
    opinion opportunity order orders others outperform output outside owned owner pace paid pain pandemic paper
    parties pass past peace people perfect period phone pick picks pipeline plane planned planning plant play
    player players playing please plunge plunges policy poll poor port posted posts powers preliminary prepare
    pretty prev previously price prices pricing private probably probe problem problems process products
    progress projects property proposed proposes prospects protect protest provider public pull pulls pump
    purchase purchases push puts quick race raised raising rallies range reach reached reading ready really
    reason rebound received record recovery reduce refinery reform reforms region regulator regulatory rejects
    related released relief remain remains remember reported reporting rescue reserves resigns response
    restructuring result resume retail retailers return returns revenue revenues review revs rich ride right
    rights rising risk risks rocket role roll room round rout rules ruling running safe sale same save savings
    saying season seeing seek seeks self selling send serve sets settle seven shareholder shareholders sharp
    sharply shift ship shopping short shorts shot show showing shows shut side sign signed significant since
    single sink size sleep slide slides slightly slow slowdown slowing slump slumps small soar soars someone
    something song soon sorry sound source sources space speech speed spend spending split spot spread spreads
    squeeze stake started starting starts stay steady steel step steps still stimulus stockmarket stores storm
    story straight strategy strength strike strikes strong study style subsidiary success such sues suit summer
    supplier supplies supply support surge surges surprise suspends system taken takeover taking talk talking
    talks tank target targets tell tells tender term terms tests that then thing things think thinking though
    thought thousands threat three through ties time times title together told toll tomorrow tonight took touch
    tough toward towards town track trackers traders trades traffic train transfer travel trillion trip troops
    true trying tumble tumbles turmoil turn turns uncertainty understand unit units until updates upside urges
    used username users using vaccine vehicle victims victory view visit volatile volatility vote voting wait
    waiting wake wants warning warns watch watching wave ways weak weaker wealth weather weekend weekly weigh
    weighs welcome well whether whole wide wild will winning wish within without woes woman women work workers
    working works worries worry worse worst worth wrong yeah yesterday yield yields young zone
        """
    ),
    # Articles, prepositions, conjunctions and market words of languages that share English's alphabet.
    foreign=_words(
        """
    aan aandelen aber acciones agli akan akcji aktie aktien ale alla alle anche ano ante ao aos après após att
    auch auf aus aux avec azioni ações año baisse bei beneficio beneficios beurs bij bir bis bolsa borsa bourse
    bu bénéfice börse cae calo cette che chez como con contre daha dal dalla dans dari das degli dei del delle
    dem dengan der des desde det dla dopo dos durch een efter ein eine einem einen einer eines empresa ett etter
    että foi från fällt för für gaat ganancias gegen gewinn gibi giełda gli governo göre har hasta hausse hebben
    heeft het hisse hoger ihre ihren ikke ile inte ist için jahr jak jest jsou kadar kein keine kuin laba lager
    leur leurs lub lucro marchés meer mehr mercado minder mit mot mutta más naar nach naik nas nel nella nelle
    není nicht nie niet noch nog nur não och od oder og olarak oli omzet ont ook oraz ovat où pada para pela
    pelo pelos pero più podle ponad por przed przez przy på queda rialzo ribasso saham sans segundo según seine
    seit sekä seu seus sich sieht sind się ska sobre som sonra sont spółka steigt sua suas sube sul sulla sulle
    sus são są také tegen tidak titoli tra tras trimestre trotz turun uit uma umsatz una und une uno unos uns
    unter untuk utile vendas vendite ventas ventes verlies vers verso vid vom voor vor wegen werden wie wil
    winst wird wobec worden wordt wurde yang yeni yüzde za ze zijn zu zum zur zysk à às är çok è été über że
        """
    ),
)

PROFILES: Mapping[str, Profile] = {"en": _ENGLISH}
