"""Machines are not visits: what says that it is one is told apart by its User-Agent, left out and counted."""

from __future__ import annotations

import re

import pytest
from crawleruseragents import CRAWLER_USER_AGENTS_DATA
from flask.testing import FlaskClient

from tests.integration.conftest import ADMIN_TOKEN, MakeApp, signed_in
from tracker.web.callers.machines import LONGEST, is_machine

OWNER = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
CHROME = "(KHTML, like Gecko) Chrome/142.0.0.0"
GOOGLE = f"Mozilla/5.0 AppleWebKit/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html) {CHROME}"
HEADLESS = (
    f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 {CHROME.replace('Chrome', 'HeadlessChrome')} Safari/537.36"
)
LIGHTHOUSE = (
    f"Mozilla/5.0 (Linux; Android 11; moto g power) AppleWebKit/537.36 {CHROME} Mobile Safari/537.36 Chrome-Lighthouse"
)
SHOPPERS = [
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 {CHROME} Safari/537.36 Edg/142.0.0.0",
    f"Mozilla/5.0 (Linux; Android 15; CUBOT_X19) AppleWebKit/537.36 {CHROME} Mobile Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/22B83 Instagram 360.0.0.30.109",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/22B83 [FBAN/FBIOS;FBAV/490.0;]",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/22B83 [Pinterest/iOS]",
    f"Mozilla/5.0 (Linux; Android 14; wv) AppleWebKit/537.36 {CHROME} Mobile Safari/537.36 trill_370 BytedanceWebview",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 GSA/340.0 Mobile/15E148 Safari/604.1",
    # Programs of a developer, who posts on purpose.
    "",
    "curl/8.5.0",
    "python-requests/2.32",
    "node",
]


def machines() -> list[str]:
    return [
        seen for entry in CRAWLER_USER_AGENTS_DATA if "http-library" not in entry["tags"] for seen in entry["instances"]
    ]


def report(client: FlaskClient, user_agent: str, session: str = "visit-0001") -> dict[str, object]:
    answer = client.post("/ingest", json={"session": session}, headers={"User-Agent": user_agent})
    assert answer.status_code == 200
    found: dict[str, object] = answer.get_json()
    return found


@pytest.mark.parametrize("user_agent", SHOPPERS)
def test_the_visit_of_a_shopper_is_stored(client: FlaskClient, user_agent: str) -> None:
    assert report(client, user_agent) == {"ok": True, "saved": True}


@pytest.mark.parametrize("user_agent", [GOOGLE, HEADLESS, LIGHTHOUSE])
def test_the_report_of_a_machine_is_left_out_and_said_to_be(client: FlaskClient, user_agent: str) -> None:
    answer = report(client, user_agent)

    assert (answer["ok"], answer["saved"]) == (True, False)
    assert "STORE_BOTS" in str(answer["reasons"])
    assert client.get("/sessions/visit-0001", headers=OWNER).status_code == 404


def test_every_machine_of_the_list_is_known() -> None:
    assert [seen for seen in machines() if not is_machine(seen[:LONGEST])] == []


def test_a_machine_that_asks_is_shown_nothing_and_nobody_is_asked(client: FlaskClient) -> None:
    report(client, "")
    answer = client.post("/askai", data="visit-0001", headers={"User-Agent": GOOGLE}).get_json()

    assert (answer["source"], answer["show_popup"], answer["trigger"]) == ("gate", False, "machine")
    assert "decisions" not in client.get("/sessions/visit-0001", headers=OWNER).get_json()


@pytest.mark.parametrize("setting", [{"store_bots": True}, {"demo_shop": True}])
def test_where_machines_are_wanted_their_visits_are_stored(make_app: MakeApp, setting: dict[str, bool]) -> None:
    client = make_app(**setting).test_client()

    assert report(client, HEADLESS) == {"ok": True, "saved": True}
    assert client.post("/askai", data="visit-0001", headers={"User-Agent": HEADLESS}).get_json()["trigger"] != "machine"


def test_the_owner_sees_how_many_reports_were_left_out(make_app: MakeApp) -> None:
    app = make_app()
    client = app.test_client()
    for user_agent in [GOOGLE, SHOPPERS[0], HEADLESS, LIGHTHOUSE]:
        headers = {"User-Agent": user_agent, "Origin": "https://shop.example"}
        client.post("/ingest", json={"session": "visit-0001"}, headers=headers)

    page = signed_in(app).get("/setup").get_data(as_text=True)
    assert re.search(r"3 reports of search engines and other machines were left out, the last one", page)


def test_a_machine_alone_does_not_make_a_shop_look_connected(make_app: MakeApp) -> None:
    app = make_app()
    headers = {"User-Agent": GOOGLE, "Origin": "https://shop.example"}
    app.test_client().post("/ingest", json={"session": "visit-0001"}, headers=headers)

    page = signed_in(app).get("/setup").get_data(as_text=True)
    assert "Nothing was heard of your shop yet." in page
    assert "1 report of search engines and other machines was left out" in page


def test_what_is_wrong_with_a_report_is_told_to_machines_too(client: FlaskClient) -> None:
    answer = client.post("/ingest", data="{", headers={"User-Agent": GOOGLE})

    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "not_json")
