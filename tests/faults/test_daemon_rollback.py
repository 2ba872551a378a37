"""An old copy of the database in the place of the new one: nothing is sent from it."""

import sqlite3
from pathlib import Path

from fzalert.access import Directory
from fzalert.service.models import SettleRequest, UnknownRequest
from fzalert.testing.processes import ask_until, poll
from fzalert.testing.textsite import TextSite

PEOPLE = [f"138{n:08d}" for n in range(700)]


def copy_of(store: Path) -> bytes:
    """What an online backup of a running database brings."""
    target = store.with_name("copy.db")
    source = sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)
    copy = sqlite3.connect(target)
    source.backup(copy)
    copy.close()
    source.close()
    return target.read_bytes()


def put_back(store: Path, octets: bytes) -> None:
    for name in (f"{store.name}-wal", f"{store.name}-shm"):
        store.with_name(name).unlink(missing_ok=True)
    store.write_bytes(octets)


async def test_nothing_is_sent_from_an_old_copy_until_a_person_settles_it(site: TextSite) -> None:
    store = site.folder / "data" / "fz.db"
    async with site.gateway() as tap:
        await site.approve()

        def are_out(number: int) -> bool:
            tap.look()
            return tap.submits >= number

        async with site.daemon() as daemon:
            await site.start_campaign(PEOPLE)
            await poll(lambda: are_out(100), "a hundred submissions")
            old = copy_of(store)
            await poll(lambda: are_out(len(PEOPLE)), "the whole campaign")
            assert (await daemon.stop()).code == 0
        put_back(store, old)
        tap.look()
        sent, logins = tap.submits, len(tap.logins)
        assert sent == len(PEOPLE)

        for words in (["run"], ["status"]):
            refused = await site.fzalert(*words)
            assert refused.code == 9, refused.err
            assert "[store-rolled-back]" in refused.err
            assert "--resume-as-unknown" in refused.err
        tap.look()
        assert (tap.submits, len(tap.logins)) == (sent, logins)

        words = ["run", "--ready-json", "--resume-as-unknown"]
        async with site.program("fzalert.cli", words) as daemon:
            await daemon.ready()
            async with site.client() as client:
                page = await client.unknown(UnknownRequest(limit=200))
                assert page.total >= 30, "what waited or was out in the copy"
                (campaign,) = await client.campaigns()
                assert campaign.state == "paused"
                assert "older copy" in campaign.reason
                totals = (await client.status()).totals
                assert (totals.queued, totals.open - totals.sent) == (0, 0)
                # The line is up, and still nothing goes out: what a person orders is the first.
                one = page.items[0].message
                await client.settle_unknown(
                    SettleRequest(
                        messages=[one], decision="send_again", reason="核实过没有收到", count=1
                    ),
                    Directory().local_actor(),
                )

                async def again() -> bool:
                    tap.look()
                    return tap.submits > sent

                await ask_until(again, "the one that a person had sent again")
            assert (await daemon.stop()).code == 0
        tap.look()
        assert tap.submits == sent + 1
        async with site.daemon() as daemon:  # from here on as ever
            assert (await daemon.stop()).code == 0
        tap.look()
        assert tap.submits == sent + 1
