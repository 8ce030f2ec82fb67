"""A line of a few KB/s: what takes long is waited for, what does not move any more is found dead."""

import socket
import threading
import time

from harness import Scenario, main, wait_for

BYTES_PER_SECOND = 4000
PIECE = 400


class Trickle:
    """Between a gateway and its hub: takes so much a second and no more, so that the gateway's kernel holds the rest."""

    def __init__(self, scenario, port):
        self.target = ("127.0.0.1", port)
        self.stopped = threading.Event()
        self.stuck = False
        self.accepted = 0
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.port = self.listener.getsockname()[1]
        self.sockets = [self.listener]
        self.threads = []
        self.begin(self.accept)
        scenario.addCleanup(self.close)

    def begin(self, work, *arguments):
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self.threads.append(thread)
        thread.start()

    def accept(self):
        while True:
            try:
                device, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            hub = socket.create_connection(self.target)
            self.sockets += [device, hub]
            self.begin(self.carry, device, hub, PIECE)
            self.begin(self.carry, hub, device, 65536)

    def carry(self, source, sink, piece):
        """Up in small pieces with a pause after each; down at once."""
        try:
            while not self.stopped.is_set():
                if self.stuck:
                    time.sleep(0.05)
                    continue
                data = source.recv(piece)
                sink.sendall(data)
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                if piece == PIECE:
                    self.stopped.wait(len(data) / BYTES_PER_SECOND)
        except OSError:
            pass

    def close(self):
        self.stopped.set()
        for each in self.sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()
        for thread in self.threads:
            thread.join()


class SlowLine(Scenario):
    def test_a_record_that_takes_long(self):
        words = ["".join(self.random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=50_000)) for _ in range(2)]
        lines = self.write("feed.jsonl", "")
        hub = self.hub().start()
        trickle = Trickle(self, hub.port)
        gateway = self.gateway(f"ws://127.0.0.1:{trickle.port}/v1/uplink", hub.token("gateway"),
                               f'[[sensor]]\ndriver = "lines"\npath = "{lines}"\n', 'pong_timeout = "3 s"').start()
        self.wait_live(gateway)

        def feed(word):
            with open(lines, "a", encoding="utf-8") as out:
                out.write(f'{{"channel":"c","value":"{word}"}}\n')

        # It takes twelve seconds. Loopback lets it move each second and a half, for its segments are large.
        feed(words[0])
        began = time.monotonic()
        wait_for("the record is there", lambda: len(hub.readings("gateway")) == 1, 60, 0.2)
        self.assertGreater(time.monotonic() - began, 5)
        self.assertEqual(gateway.status()["uplink"]["reconnects"], 0)
        self.assertFalse(gateway.logged("the line is dead"))

        feed(words[1])
        time.sleep(4)
        self.assertEqual(len(hub.readings("gateway")), 1)
        trickle.stuck = True
        wait_for("the gateway finds the line dead", lambda: gateway.logged("the line is dead"), 15, 0.05)
        trickle.stuck = False
        wait_for("the second record is there", lambda: len(hub.readings("gateway")) == 2, 90, 0.2)
        self.assertEqual([row["value"] for row in hub.readings("gateway")], words)


if __name__ == "__main__":
    main()
