#!/usr/bin/python3
"""The check finds what it is for: each of these includes, planted in an otherwise empty tree, is judged as said."""

import pathlib
import tempfile
import unittest

import include_direction


def judged(file, line):
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        (root / file).parent.mkdir(parents=True)
        (root / file).write_text(line + "\n", encoding="utf-8")
        return list(include_direction.objections(root))


class IncludeDirection(unittest.TestCase):
    def test_arrows_that_point_up_are_refused(self):
        for file, line in (
            ("firmware/base/a.h", '#include "firmware/telemetry/reading.h"'),
            ("firmware/http/a.h", '#include "firmware/websocket/frame.h"'),
            ("firmware/telemetry/a.cpp", '#include "firmware/journal/store.h"'),
            ("firmware/websocket/a.cpp", '#include "firmware/telemetry/reading.h"'),
            ("firmware/journal/a.cpp", '#include "firmware/uplink/line.h"'),
            ("firmware/journal/a.cpp", '#include "firmware/http/message.h"'),
            ("firmware/uplink/a.cpp", '#include "firmware/hub/hub.h"'),
            ("firmware/hub/a.cpp", '#include "firmware/app/config.h"'),
            ("firmware/base/a.cpp", '#include <firmware/hub/hub.h>'),
            ("firmware/websocket/a.cpp", "#include <holdfast/v1/line.pb.h>"),
            ("platform/net/a.cpp", '#include "firmware/websocket/frame.h"'),
            ("platform/system/a.cpp", '  #  include "firmware/app/config.h"'),
            ("platform/net/a.cpp", '#include "firmware/http/message.h"'),
            ("platform/system/a.cpp", '#include "firmware/http/proxy.h"'),
            ("firmware/base/a.cpp", '#include "tests/fake.h"'),
            ("firmware/journal/a.cpp", '#include "firmware/line/messages.h"'),
            ("firmware/ports/a.h", '#include "firmware/http/proxy.h"'),
            ("firmware/hub/a.cpp", '#include "firmware/node/node.h"'),
            ("firmware/api/a.cpp", '#include "firmware/node/node.h"'),
            ("firmware/surprise/a.cpp", "#include <vector>"),
        ):
            self.assertEqual(len(judged(file, line)), 1, (file, line))

    def test_firmware_does_not_see_the_world(self):
        for line in (
            "#include <boost/asio.hpp>",
            "#include <boost/asio/ip/tcp.hpp>",
            "#include <sys/socket.h>",
            "#include <netinet/in.h>",
            "#include <fcntl.h>",
            "#include <unistd.h>",
            "#include <thread>",
            "#include <random>",
            '#include "platform/net/stream.h"',
            '#include "platform/storage/statement.h"',
        ):
            self.assertEqual(len(judged("firmware/hub/a.cpp", line)), 1, line)
            self.assertEqual(judged("firmware/app/a.cpp", line), [], line)

    def test_what_the_design_allows_is_allowed(self):
        for file, line in (
            ("firmware/base/a.cpp", "#include <vector>"),
            ("firmware/base/a.cpp", '#include "firmware/base/text.h"'),
            ("firmware/base/a.cpp", "#include <boost/json/src.hpp>"),
            ("firmware/websocket/a.cpp", '#include "firmware/http/message.h"'),
            ("firmware/http/a.cpp", "#include <boost/beast/http/parser.hpp>"),
            ("firmware/journal/a.h", '#include "firmware/ports/database.h"'),
            ("firmware/node/a.h", '#include "firmware/uplink/client.h"'),
            ("firmware/ports/a.h", '#include "firmware/telemetry/reading.h"'),
            ("firmware/journal/a.h", '#include "firmware/telemetry/reading.h"'),
            ("firmware/line/a.cpp", '#include "holdfast/v1/line.pb.h"'),
            ("firmware/hub/a.cpp", '#include "firmware/websocket/connection.h"'),
            ("platform/sensors/a.cpp", '#include "firmware/telemetry/reading.h"'),
            ("platform/sensors/a.cpp", '#include "platform/system/clock.h"'),
            ("platform/net/a.cpp", "#include <sys/socket.h>"),
            ("platform/net/a.h", '#include "firmware/http/proxy.h"'),
        ):
            self.assertEqual(judged(file, line), [], (file, line))

    def test_an_objection_names_file_line_and_header(self):
        (line,) = judged("firmware/base/a.h", '\n\n#include "firmware/hub/hub.h"')
        self.assertTrue(line.startswith("firmware/base/a.h:3: firmware/hub/hub.h: "), line)


if __name__ == "__main__":
    unittest.main()
