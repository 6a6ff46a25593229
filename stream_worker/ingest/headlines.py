"""What the generator's headlines are made of. Every sentence here was written for this project.

Names in braces are filled in once per story, so that its copies agree.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plot:
    """Something that happens to a company: ways to headline it, and what people say about it."""

    headlines: tuple[str, ...]
    comments: tuple[str, ...]


PLOTS = (
    Plot(
        (
            "{company} {quarter} profit beats estimates as {area} sales rise {percent}%",
            "{company} tops profit forecasts on strong {area} demand",
            "{company} earnings beat expectations, {area} revenue up {percent}%",
        ),
        (
            "${symbol} crushed it, {area} up {percent}%. Holding long",
            "Great quarter for ${symbol}, bears are in trouble",
            "${symbol} guidance looks conservative to me, buying more",
        ),
    ),
    Plot(
        (
            "{company} cuts full-year outlook on weak {area} demand",
            "{company} lowers forecast as {area} orders fall {percent}%",
            "{company} warns on profit, blames slump in {area}",
        ),
        (
            "${symbol} guidance cut... who is buying this? Out.",
            "Sold all my ${symbol}. {area} is dead money",
            "${symbol} down {percent}% premarket, ouch",
        ),
    ),
    Plot(
        (
            "{company} to buy {other} unit for ${amount} billion",
            "{company} agrees ${amount} billion deal for {other} business",
            "{other} sells unit to {company} in ${amount} billion transaction",
        ),
        (
            "${symbol} overpaying again? ${amount} billion is a lot",
            "Like the ${symbol} deal, makes sense strategically",
        ),
    ),
    Plot(
        (
            "{company} soars {percent}% as {other} cuts outlook",
            "{company} shares jump while {other} disappoints",
            "{company} gains ground as {other} stumbles in {area}",
        ),
        ("${symbol} winners keep winning", "Rotating out of {other} into ${symbol}"),
    ),
    Plot(
        (
            "Regulators in {place} open probe into {company} over {area} practices",
            "{company} faces {place} investigation into {area} business",
            "{company} shares drop {percent}% on {place} probe",
        ),
        ("${symbol} probe again, this will drag on for years", "Buying the ${symbol} dip, fines are small change"),
    ),
    Plot(
        (
            "{company} names {person} chief executive",
            "{company} picks {person} as next CEO",
            "{person} to lead {company} from next month",
        ),
        ("New CEO at ${symbol}, about time", "{person} at ${symbol}? Never heard of them"),
    ),
    Plot(
        (
            "{company} to cut {thousands},000 jobs in {place} restructuring",
            "{company} plans {thousands},000 layoffs, closes {place} site",
            "{company} restructures {area} unit, {thousands},000 jobs to go",
        ),
        ("${symbol} layoffs, sad for the people, good for margins?", "${symbol} firing {thousands}k, not a good sign"),
    ),
    Plot(
        (
            "{company} raises dividend {percent}%, adds ${amount} billion to buyback",
            "{company} lifts payout and plans ${amount} billion of share repurchases",
            "{company} boosts dividend after record {quarter} cash flow",
        ),
        ("${symbol} dividend up {percent}%, love it", "${symbol} buyback instead of investing. Meh"),
    ),
    Plot(
        (
            "{company} recalls products after {area} defect found in {place}",
            "{company} halts {area} shipments on safety concern",
            "Defect forces {company} to recall {thousands}00,000 units",
        ),
        ("${symbol} recall... puts printing", "Recall is priced in already, ${symbol} still cheap"),
    ),
    Plot(
        (
            "{broker} upgrades {company} to buy, sees {area} recovery",
            "{broker} raises {company} price target by {percent}%",
            "{company} rated buy at {broker} on {area} growth",
        ),
        ("{broker} finally wakes up on ${symbol}", "Upgrade on ${symbol}, gap up coming"),
    ),
    Plot(
        (
            "{company} shares little changed ahead of {quarter} results",
            "{company} to present at {place} investor conference",
            "{company} to report {quarter} results on Thursday",
        ),
        ("${symbol} earnings Thursday, anyone playing it?", "Watching ${symbol} into the print, no position"),
    ),
    Plot(
        (
            "{company} wins ${amount} billion contract in {place}",
            "{place} awards {company} ${amount} billion {area} contract",
            "{company} signs long-term {area} deal with {other}",
        ),
        ("Huge contract for ${symbol}, not priced in", "${symbol} wins {place}, nice backlog"),
    ),
)

MARKET_HEADLINES = (
    "S&P 500 ends up {small}% as investors shrug off inflation data",
    "Wall Street slips, Nasdaq down {small}% before Fed decision",
    "Oil falls {small}% as supply worries ease, Brent near ${oil}",
    "Gold climbs to two-week high as dollar weakens",
    "Euro rises against dollar after ECB comments",
    "Treasury yields jump as traders cut bets on rate cuts",
    "Copper drops {small}% on weak factory data from China",
    "Dow Jones closes at record high, banks lead gains",
)

PRESS_RELEASES = (
    "DIARY - Corporate events in {place}",
    "TABLE - {place} bond auction results",
    "{company} Announces Participation in Upcoming Investor Conferences",
    "Research and Markets: {area} Market Forecast and Analysis",
    "TEST - please ignore",
)

#: By ISO 639-1 code.
FOREIGN_HEADLINES = {
    "de": "{company} senkt die Prognose für das laufende Jahr, die Aktie verliert deutlich",
    "fr": "{company} relève ses objectifs annuels après un trimestre meilleur que prévu",
    "es": "{company} presenta resultados récord y sube con fuerza en la bolsa",
    "it": "{company} taglia le stime per l'anno dopo il calo degli ordini",
    "pt": "{company} anuncia lucro acima do esperado e aumenta os dividendos",
    "nl": "{company} verhoogt de winstverwachting voor dit jaar na een sterk kwartaal",
    "pl": "{company} obniża prognozę zysku na ten rok z powodu słabego popytu",
    "tr": "{company} üçüncü çeyrekte beklentilerin üzerinde kâr açıkladı",
    "ru": "{company} снизила прогноз прибыли на год из-за слабого спроса",
    "ja": "{company}、通期の業績予想を下方修正 需要低迷で減益へ",
    "zh": "{company}第三季度利润超出预期，股价大幅上涨",
    "ko": "{company} 3분기 영업이익 시장 예상치 상회, 주가 급등",
    "ar": "{company} تخفض توقعات الأرباح السنوية بسبب ضعف الطلب",
}

#: Untrusted text as it comes: a screen must show it, not obey it.
MARKUP = (
    "<b>{headline}</b>",
    "{headline} <script>alert('news')</script>",
    "<p>{headline}</p>&nbsp;",
    "{headline} &amp; more &lt;live&gt;",
    '<a href="https://example.com/">{headline}</a>',
    "{headline} **bold** [link](https://example.com/) $x^2$",
)

AREAS = ("cloud", "advertising", "services", "chip", "retail", "European", "online", "hardware", "fleet", "consumer")
PLACES = ("Germany", "India", "Texas", "Brazil", "Ohio", "Japan", "Ireland", "Mexico", "California", "Canada")
PEOPLE = ("Maria Keller", "James Okafor", "Lin Zhao", "Anna Petrova", "David Morales", "Priya Raman", "Tom Whitfield")
BROKERS = ("Harbour Research", "Northgate Securities", "Bluefield Capital", "Old Mill Partners")
QUARTERS = ("first-quarter", "second-quarter", "third-quarter", "fourth-quarter")
