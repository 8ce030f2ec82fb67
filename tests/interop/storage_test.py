"""Bad days of the disk: full, damaged, and a journal that has reached its limit."""

import asyncio
import json
import os
import random

import websockets
from harness import Scenario, main, wait_for

MIB = 1 << 20


def noise(number):
    """A value that does not compress, and is known again by its number."""
    return random.Random(number).random()


class Pusher:
    """Gives numbered readings through `source=`, as far as the node takes them."""

    def __init__(self, node):
        self.node = node
        self.errors = []

    def give(self, through, seconds=60):
        """Until `through` is durable or the node refuses; what is durable."""
        return asyncio.run(asyncio.wait_for(self._give(through), seconds))

    async def _give(self, through):
        while True:
            try:
                return await self._give_on_one_line(through)
            except (websockets.ConnectionClosed, websockets.InvalidStatusCode, OSError):
                await asyncio.sleep(0.1)  # the node begins a new journal

    async def _give_on_one_line(self, through):
        async with websockets.connect(f"ws://127.0.0.1:{self.node.port}/v1/push?source=disk", ping_interval=None) as socket:
            durable = given = json.loads(await socket.recv())["through"]
            while durable < through:
                if given < through and given - durable < 5_000:
                    end = min(given + 1_000, through)
                    await socket.send(json.dumps([{"channel": "c", "value": noise(n), "n": n} for n in range(given + 1, end + 1)]))
                    given = end
                    continue
                try:
                    answer = json.loads(await asyncio.wait_for(socket.recv(), 20))
                except asyncio.TimeoutError:
                    self.errors.append("no answer")
                    break
                if "error" in answer:
                    self.errors.append(answer["error"])
                    break
                durable = answer["through"]
            return durable


class Disk(Scenario):
    def small_disk(self, name):
        """24 MiB, of which a ballast file leaves little."""
        directory = self.tmpfs(name, "24m")
        self.ballast = os.path.join(directory, "ballast")
        with open(self.ballast, "wb") as out:
            out.write(b"\0" * (21 * MIB))
        return os.path.join(directory, "data")

    def assert_all(self, hub, device, count):
        rows = hub.readings(device)
        values = [row["value"] for row in rows]
        self.assertEqual(len(values), count)
        self.assertTrue(all(value == noise(n) for n, value in enumerate(values, 1)))
        self.assertEqual(hub.get_json(f"/api/devices/{device}")["gap_records"], [])

    def assert_not_ready(self, node):
        wait_for(f"{node.name} says that it is not ready", lambda: node.get("/readyz")[0] == 503)
        self.assertIn("journal", node.get("/readyz")[1])
        self.assertEqual(node.get("/healthz")[0], 200)
        self.assertTrue(node.logged("journal: writing failed"), node.log_text())
        self.assertRegex(node.status()["journal"]["last_error"], "space|full")

    def test_gateways_disk_full(self):
        hub = self.hub()
        gateway = self.gateway(f"ws://127.0.0.1:{hub.port}/v1/uplink", hub.token("gateway"), listen="",
                               data_dir=self.small_disk("disk")).start()
        pusher = Pusher(gateway)
        taken = pusher.give(1_000_000)
        self.assertGreater(taken, 0)
        self.assertLess(taken, 1_000_000)
        self.assert_not_ready(gateway)
        # What it has is forwarded all the same.
        hub.start()
        self.wait_live(gateway)
        wait_for("what it has is forwarded", lambda: len(hub.readings("gateway")) >= taken, 30, 0.3)
        os.unlink(self.ballast)
        wait_for("it recovers by itself", lambda: gateway.get("/readyz")[0] == 200, 20)
        wait_for("and says so", lambda: gateway.logged("writing works again"))
        total = taken + 50_000
        self.assertEqual(pusher.give(total), total)
        self.wait_delivered(gateway)
        self.assert_all(hub, "gateway", total)

    def test_hubs_disk_full(self):
        hub = self.hub(data_dir=self.small_disk("disk")).start()
        gateway = self.gateway(f"ws://127.0.0.1:{hub.port}/v1/uplink", hub.token("gateway"), listen="").start()
        pusher = Pusher(gateway)
        total = 500_000
        self.assertEqual(pusher.give(total), total)  # the gateway takes them whatever the hub does
        self.assert_not_ready(hub)
        wait_for("the gateway is told why", lambda: gateway.logged("this hub cannot store"), 30)
        self.assertGreater(gateway.backlog(), 0)
        os.unlink(self.ballast)
        wait_for("it recovers by itself", lambda: hub.get("/readyz")[0] == 200, 20)
        self.wait_delivered(gateway)
        self.assert_all(hub, "gateway", total)

    def test_disk_full_at_the_start(self):
        directory = self.tmpfs("disk", "1m")
        with open(os.path.join(directory, "ballast"), "wb") as out:
            try:
                out.write(b"\0" * MIB)
                out.flush()
            except OSError:
                pass
        hub = self.hub(data_dir=os.path.join(directory, "data"))
        hub.spawn()
        self.assertEqual(hub.exit_code(), 1)
        self.assertTrue(hub.logged("full") or hub.logged("No space"), hub.log_text())


class Damage(Scenario):
    def damaged_start(self, damage):
        """A hub that held readings finds its database damaged: it is moved aside, and the node goes on."""
        hub, gateway = self.pair(listen="")
        pusher = Pusher(gateway)
        pusher.give(20_000)
        self.wait_delivered(gateway)
        hub.terminate()
        self.assertEqual(hub.exit_code(), 0)
        database = os.path.join(hub.data_dir, "journal.db")
        size = os.path.getsize(database)
        damage(database, size)
        with open(database, "rb") as content:
            damaged = content.read()
        hub.start()
        return hub, gateway, pusher, damaged

    def assert_moved_aside(self, hub, gateway, pusher, damaged):
        self.assertTrue(hub.logged("moved to"), hub.log_text())
        aside = [name for name in os.listdir(hub.data_dir) if name.startswith("journal.db.unreadable")]
        self.assertTrue(aside)
        with open(os.path.join(hub.data_dir, sorted(aside)[0]), "rb") as kept:
            self.assertEqual(kept.read(), damaged)
        pusher.give(21_000)
        self.wait_delivered(gateway)
        self.assertEqual([row["value"] for row in hub.readings("gateway")], [noise(n) for n in range(20_001, 21_001)])

    def test_truncated_database(self):
        def damage(database, size):
            os.truncate(database, size // 3 + 100)

        self.assert_moved_aside(*self.damaged_start(damage))

    def test_emptied_header(self):
        def damage(database, _):
            with open(database, "r+b") as out:
                out.write(b"not a database, whatever its name says")

        self.assert_moved_aside(*self.damaged_start(damage))

    def test_damage_while_it_runs(self):
        """Found where the oldest readings make room: moved aside, and the node goes on without a restart."""
        hub, gateway = self.pair(hub_sections='[journal]\nmax_size = "1 MiB"', listen="")
        pusher = Pusher(gateway)
        given = 20_000
        pusher.give(given)
        self.wait_delivered(gateway)
        database = os.path.join(hub.data_dir, "journal.db")
        with open(database, "r+b") as out:
            out.seek(4096)
            out.write(self.random.randbytes(os.path.getsize(database) - 4096))
        while not hub.logged("a new one begins"):
            self.assertLess(given, 1_000_000, "the damage was not found")
            given += 20_000
            pusher.give(given)
            self.wait_delivered(gateway)
        self.assertTrue(os.path.exists(database + ".unreadable-1"))
        pusher.give(given + 1000)
        self.wait_delivered(gateway)
        self.assertEqual([row["value"] for row in hub.readings("gateway")][-1000:],
                         [noise(n) for n in range(given + 1, given + 1001)])

    def flip_bits(self, database, size, first=100):
        with open(database, "r+b") as out:
            for _ in range(30):
                at = self.random.randrange(first, size)
                out.seek(at)
                byte = out.read(1)[0]
                out.seek(at)
                out.write(bytes([byte ^ 1 << self.random.randrange(8)]))

    def readings_or_damage(self, hub):
        """None where the hub says that the place is damaged: a page whose structure is hit cannot be read past."""
        try:
            return hub.readings("gateway")
        except AssertionError as error:
            self.assertIn("malformed", str(error))
            self.assertEqual(hub.get("/healthz")[0], 200)
            return None

    def test_flipped_bits(self):
        """Anywhere: moved aside, or what cannot be read back is named; never a wrong value, never a crash."""
        hub, gateway, pusher, _ = self.damaged_start(self.flip_bits)
        pusher.give(21_000)
        self.wait_delivered(gateway)
        good = {noise(n) for n in range(1, 21_001)}
        rows = self.readings_or_damage(hub)
        if rows is not None:
            values = [row["value"] for row in rows]
            self.assertEqual([value for value in values if value not in good], [], "values that nobody gave")
            self.assertEqual(values[-1000:], [noise(n) for n in range(20_001, 21_001)])

    def test_flipped_bits_in_a_backlog(self):
        """What can be read back is delivered, the rest is a Gap that says why; where the order is lost, a new journal begins."""
        hub = self.hub()
        gateway = self.gateway(f"ws://127.0.0.1:{hub.port}/v1/uplink", hub.token("gateway"), listen="").start()
        Pusher(gateway).give(20_000)
        gateway.terminate()
        self.assertEqual(gateway.exit_code(), 0)
        database = os.path.join(gateway.data_dir, "journal.db")
        self.flip_bits(database, os.path.getsize(database), 64 << 10)  # behind the small tables: in the records
        gateway.start()
        Pusher(gateway).give(20_100)
        hub.start()
        self.wait_live(gateway)
        wait_for("all is delivered, or a new journal begins", lambda: gateway.backlog() == 0 or gateway.logged("moved to"), 30, 0.1)
        if gateway.logged("moved to"):
            Pusher(gateway).give(20_100)
            self.wait_delivered(gateway)
            values = [row["value"] for row in hub.readings("gateway")]
            self.assertEqual(values[-100:], [noise(n) for n in range(20_001, 20_101)])
            return
        rows = hub.readings("gateway")
        gaps = hub.get_json("/api/devices/gateway")["gap_records"]
        # What is missing before the first record of the line may be told as "the hub once had it".
        self.assertLessEqual({gap["reason"] for gap in gaps if gap["first_seq"] > 1}, {"corrupt"})
        new = {noise(n) for n in range(20_001, 20_101)}
        old = [row for row in rows if row["value"] not in new]
        self.assertEqual([row for row in old if row["value"] != noise(row["seq"])], [])
        missing = [n for gap in gaps for n in range(gap["first_seq"], gap["last_seq"] + 1)]
        told = sorted(missing + [row["seq"] for row in old])
        # The end of a run is not told where even the numbers of its last row are damaged.
        self.assertEqual(told, list(range(1, len(told) + 1)))
        self.assertIn(len(told), range(18_000, 20_001))
        self.assertEqual(len(rows) - len(old), 100)

    def test_gateways_journal_damaged_with_a_backlog(self):
        """The numbers of the lost run never come back under other readings: the new journal is a new epoch."""
        hub = self.hub()
        gateway = self.gateway(f"ws://127.0.0.1:{hub.port}/v1/uplink", hub.token("gateway"), listen="").start()
        Pusher(gateway).give(5_000)
        gateway.kill()
        with open(os.path.join(gateway.data_dir, "journal.db"), "r+b") as out:
            out.write(b"\xff" * 4096)
        for more in ("-wal", "-shm"):
            if os.path.exists(os.path.join(gateway.data_dir, "journal.db" + more)):
                os.unlink(os.path.join(gateway.data_dir, "journal.db" + more))
        gateway.start()
        self.assertTrue(gateway.logged("moved to"), gateway.log_text())
        pusher = Pusher(gateway)
        self.assertEqual(pusher.give(100), 100)
        hub.start()
        self.wait_live(gateway)
        self.wait_delivered(gateway)
        self.assertEqual([row["value"] for row in hub.readings("gateway")], [noise(n) for n in range(1, 101)])


class Limit(Scenario):
    def outage(self, policy):
        hub = self.hub()
        gateway = self.gateway(f"ws://127.0.0.1:{hub.port}/v1/uplink", hub.token("gateway"),
                               f'[journal]\nmax_size = "2 MiB"\nwhen_full = "{policy}"\n', listen="").start()
        return hub, gateway, Pusher(gateway)

    def test_drop_oldest_leaves_a_gap_that_arrives(self):
        hub, gateway, pusher = self.outage("drop-oldest")
        total = 400_000
        self.assertEqual(pusher.give(total), total)
        wait_for("the loss is told", lambda: gateway.logged("of the oldest readings were dropped"))
        self.assertGreater(gateway.status()["journal"]["dropped"], 0)
        self.assertLess(os.path.getsize(os.path.join(gateway.data_dir, "journal.db")), 3 * MIB)
        hub.start()
        self.wait_live(gateway)
        self.wait_delivered(gateway)
        gaps = hub.get_json("/api/devices/gateway")["gap_records"]
        self.assertTrue(gaps)
        self.assertEqual({gap["reason"] for gap in gaps}, {"evicted"})
        missing = {n for gap in gaps for n in range(gap["first_seq"], gap["last_seq"] + 1)}
        rows = hub.readings("gateway")
        self.assertEqual(sorted(missing | {row["seq"] for row in rows}), list(range(1, total + 1)))
        self.assertEqual(len(missing) + len(rows), total)
        self.assertTrue(all(row["value"] == noise(row["seq"]) for row in rows))
        self.assertIn(total, [row["seq"] for row in rows[-1:]])

    def test_sampled_readings_that_were_refused_leave_a_gap(self):
        """A sensor cannot be asked to wait: what there was no room for is a Gap with its reason."""
        hub = self.hub()
        gateway = self.gateway(f"ws://127.0.0.1:{hub.port}/v1/uplink", hub.token("gateway"),
                               '[journal]\nmax_size = "2 MiB"\nwhen_full = "refuse-new"\nmemory = "64 KiB"\n'
                               '[[sensor]]\ndriver = "procfs"\ninterval = "20 ms"\n', listen="").start()
        Pusher(gateway).give(400_000)
        wait_for("sampled readings are refused", lambda: gateway.status()["journal"]["dropped"] > 100, 30, 0.1)
        hub.start()
        self.wait_live(gateway)
        wait_for("it takes readings again", lambda: gateway.get("/readyz")[0] == 200, 30)
        gaps = wait_for("the gap arrives", lambda: hub.get_json("/api/devices/gateway")["gap_records"], 30)
        self.assertEqual({gap["reason"] for gap in gaps}, {"refused"})
        newest = max(gap["last_seq"] for gap in gaps)
        rows = wait_for("readings go on", lambda: [rows for rows in [hub.readings("gateway")] if rows[-1]["seq"] > newest][-1:], 30)[0]
        gaps = hub.get_json("/api/devices/gateway")["gap_records"]
        self.assertLess(len(gaps), 100, "more than the interface shows")
        missing = {n for gap in gaps for n in range(gap["first_seq"], gap["last_seq"] + 1)}
        numbers = {row["seq"] for row in rows}
        self.assertFalse(missing & numbers)
        self.assertEqual(missing | numbers, set(range(1, max(numbers) + 1)) | missing)

    def test_refuse_new_keeps_what_is_there_and_takes_more_later(self):
        hub, gateway, pusher = self.outage("refuse-new")
        taken = pusher.give(400_000)
        self.assertLess(taken, 400_000)
        wait_for("it is not ready", lambda: gateway.get("/readyz")[0] == 503)
        hub.start()
        self.wait_live(gateway)
        wait_for("it takes readings again", lambda: gateway.get("/readyz")[0] == 200, 30)
        self.assertEqual(pusher.give(taken + 10_000), taken + 10_000)
        self.wait_delivered(gateway)
        rows = hub.readings("gateway")
        self.assertEqual([row["value"] for row in rows], [noise(n) for n in range(1, taken + 10_001)])
        self.assertEqual(hub.get_json("/api/devices/gateway")["gap_records"], [])


if __name__ == "__main__":
    main()
