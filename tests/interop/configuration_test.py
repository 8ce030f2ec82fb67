"""Bad configuration, and a machine that does not give what the configuration asks for."""

import os
import socket
import subprocess

from harness import HOLDFAST, Scenario, main, wait_for

LISTEN = '[listen]\naddress = "127.0.0.1:0"\n'


class Configuration(Scenario):
    def complaint(self, text, *expected):
        """`run` and `check` both end with 2 and name file, line, key and what would be right."""
        file = self.write("node.toml", text)
        for command in ("check", "run"):
            said = subprocess.run([HOLDFAST, command, "--config", file], capture_output=True, text=True, timeout=20)
            self.assertEqual(said.returncode, 2, said.stdout + said.stderr)
            for words in expected:
                self.assertIn(words.replace("FILE", file), said.stderr)

    def test_unknown_key(self):
        self.complaint('[node]\nid = "a"\nnmae = "b"\n', "FILE:3: node.nmae", "unknown")

    def test_unknown_section(self):
        self.complaint('[node]\nid = "a"\n[uplnk]\nurl = "ws://h/"\n', "FILE:3: uplnk", "[uplink]")

    def test_wrong_type(self):
        self.complaint('[node]\nid = 7\n', "FILE:2: node.id", "string")
        self.complaint('[node]\nid = "a"\n[[sensor]]\ndriver = "procfs"\non_change = "yes"\n', "FILE:5: sensor.on_change", "true")

    def test_missing_unit(self):
        self.complaint('[node]\nid = "a"\n[journal]\nmax_size = "256"\ncommit_interval = "5"\n', "FILE:4: journal.max_size",
                       "MiB", "FILE:5: journal.commit_interval", "5 s")

    def test_out_of_range(self):
        self.complaint('[node]\nid = "a"\n[journal]\nmax_size = "1 KiB"\n', "FILE:4: journal.max_size", "1 MiB")

    def test_missing_file_named_by_a_key(self):
        self.complaint('[node]\nid = "a"\n[uplink]\nurl = "ws://h/"\ntoken_file = "/nowhere/token"\n', "FILE:5: uplink.token_file",
                       "/nowhere/token")

    def test_missing_id(self):
        self.complaint('[journal]\n', "node.id", "is missing")

    def test_not_toml(self):
        self.complaint('[node\nid = "a"\n', "FILE:1: ")

    def test_missing_configuration_file(self):
        said = subprocess.run([HOLDFAST, "run", "--config", self.path("none.toml")], capture_output=True, text=True, timeout=20)
        self.assertEqual(said.returncode, 2)
        self.assertIn("none.toml", said.stderr)

    def test_all_that_is_wrong_is_told_at_once(self):
        self.complaint('[node]\nid = "a b"\nx = 1\n[log]\nlevel = "loud"\n', "FILE:2: node.id", "FILE:3: node.x", "FILE:5: log.level")


class Start(Scenario):
    def ended(self, node, *expected):
        node.spawn()
        self.assertEqual(node.exit_code(), 1)
        for words in expected:
            self.assertTrue(node.logged(words), f"{words!r} is expected in:\n{node.log_text()}")

    def test_port_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            self.ended(self.node("node", f'[listen]\naddress = "{address}"\n'), address, "in use")

    def test_port_taken_by_another_holdfast(self):
        hub = self.hub().start()
        self.ended(self.node("node", f'[listen]\naddress = "127.0.0.1:{hub.port}"\n'), str(hub.port), "in use")
        self.assertEqual(hub.get("/healthz")[0], 200)

    def test_data_directory_taken_by_another_holdfast(self):
        hub = self.hub().start()
        self.ended(self.node("node", LISTEN, data_dir=hub.data_dir), hub.data_dir)
        self.assertEqual(hub.get("/readyz")[0], 200)
        self.assertIsNotNone(hub.status())

    def test_data_directory_that_cannot_be_made(self):
        self.ended(self.node("node", LISTEN, data_dir=self.write("file", "") + "/below"), "data_dir")

    def test_status_without_a_node(self):
        node = self.node("node", LISTEN)
        said = node.ask("status")
        self.assertEqual(said.returncode, 1)
        self.assertIn("is it running", said.stderr)

    def test_sigterm_ends_in_order(self):
        """Goodbye to devices, everything flushed, exit 0; and so on the side of the gateway."""
        feed = self.write("feed.jsonl", "")
        hub, gateway = self.pair(f'[journal]\ncommit_interval = "1 h"\n[[sensor]]\ndriver = "lines"\npath = "{feed}"\n'
                                 '[[sensor]]\ndriver = "procfs"\ninterval = "100 ms"\n')
        self.wait_live(gateway)
        with open(feed, "a", encoding="utf-8") as out:
            out.writelines(f'{{"channel":"c","value":{n}}}\n' for n in range(5000))
        wait_for("readings are there", lambda: len(hub.readings("gateway")) > 5000)
        hub.terminate()
        self.assertEqual(hub.exit_code(), 0, hub.log_text())
        wait_for("the gateway is told why", lambda: gateway.logged("this hub stops"))
        # A promise by a deadline of an hour: what is in memory must be written at the end.
        taken = wait_for("readings wait", lambda: (gateway.backlog() or 0) > 20 and gateway.backlog())
        gateway.terminate()
        self.assertEqual(gateway.exit_code(), 0, gateway.log_text())
        self.assertFalse(os.path.exists(os.path.join(gateway.data_dir, "status.sock")))
        gateway.spawn()
        self.assertGreaterEqual(wait_for("it is back", gateway.backlog), taken)
        hub.start()
        self.wait_live(gateway)
        wait_for("all is there", lambda: len(hub.readings("gateway")) > 5000 + taken)
        numbers = [row["value"] for row in hub.readings("gateway") if row["channel"] == "c"]
        self.assertEqual(numbers, list(range(5000)))
        self.assertEqual(hub.get_json("/api/devices/gateway")["gap_records"], [])


if __name__ == "__main__":
    main()
