"""SockJS 0.3.3 over raw HTTP: every rule of the published protocol against tests/conformance/sockjs_test_server, whose
streaming responses end after 4,096 bytes."""

import json
import os
import re
import time
import unittest
import uuid

from harness import Process, Scenario, free_port, wait_for
from sockjs_peer import Closed, Connection, Hixie76, WebSocket, fetch, stream

SERVER = os.environ.get("SOCKJS_TEST_SERVER", "")
NO_CACHE = "no-store, no-cache, must-revalidate, max-age=0"
SCRIPT = "application/javascript;charset=UTF-8"
PLAIN = "text/plain;charset=UTF-8"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def session(service="/echo"):
    return f"{service}/000/{uuid.uuid4()}"


class SockjsScenario(Scenario):
    def setUp(self):
        self.port = free_port()
        self.server = Process("sockjs_test_server", [SERVER, "--port", str(self.port)], self.path("server.log"))
        self.processes.append(self.server)
        self.server.spawn()
        wait_for("the server listens", lambda: self.server.logged("listening on"))

    def tearDown(self):
        Connection.close_all()

    # ---- Asking

    def get(self, target, headers=(), **options):
        return fetch(self.port, "GET", target, headers, **options)

    def post(self, target, body=b"", headers=(), **options):
        return fetch(self.port, "POST", target, headers, body.encode() if isinstance(body, str) else body, **options)

    def get_stream(self, target, headers=(), **options):
        return stream(self.port, "GET", target, headers, **options)

    def post_stream(self, target, headers=(), **options):
        return stream(self.port, "POST", target, headers, **options)

    # ---- What must hold

    def expect(self, response, status, body=None):
        self.assertEqual(response.status, status, response.body)
        if body is not None:
            self.assertEqual(response.body, body.encode())
        return response

    def expect_type(self, response, kind):
        self.assertEqual(response.header("Content-Type").replace(" ", ""), kind)

    def expect_405(self, response):
        self.expect(response, 405, "")
        self.assertIsNone(response.header("Content-Type"))
        self.assertTrue(response.header("Allow"))

    def expect_cors(self, response, origin=None):
        self.assertEqual(response.header("Access-Control-Allow-Origin"), origin if origin and origin != "null" else "*")
        self.assertEqual(response.header("Access-Control-Allow-Credentials"), "true")

    def expect_not_cached(self, response):
        self.assertEqual(response.header("Cache-Control"), NO_CACHE)
        self.assertIsNone(response.header("Expires"))
        self.assertIsNone(response.header("Last-Modified"))

    def expect_cached_long(self, response):
        self.assertIn("public", response.header("Cache-Control"))
        self.assertRegex(response.header("Cache-Control"), "max-age=[1-9][0-9]{6}")
        self.assertRegex(response.header("Expires"),
                         r"^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z][a-z] \d{4} \d\d:\d\d:\d\d GMT$")
        self.assertIsNone(response.header("Last-Modified"))

    def expect_no_cookie(self, response):
        self.assertIsNone(response.header("Set-Cookie"))

    def expect_preflight(self, target, methods):
        for origin in (None, "test", "null"):
            response = fetch(self.port, "OPTIONS", target, {"Origin": origin} if origin else {})
            self.expect(response, 204, "")
            self.expect_cached_long(response)
            self.assertGreater(int(response.header("Access-Control-Max-Age")), 1_000_000)
            self.assertEqual(response.header("Access-Control-Allow-Methods"), methods)
            self.expect_cors(response, origin)

    def open_polling(self, service="/echo"):
        url = session(service)
        self.expect(self.post(url + "/xhr"), 200, "o\n")
        return url

    def send(self, url, body):
        self.expect(self.post(url + "/xhr_send", body), 204, "")


class Pages(SockjsScenario):
    def test_greeting(self):
        for target in ("/echo", "/echo/"):
            response = self.expect(self.get(target), 200, "Welcome to SockJS!\n")
            self.expect_type(response, PLAIN)
            self.expect_no_cookie(response)

    def test_other_pages_are_404(self):
        for suffix in ("/a", "/a.html", "//", "///", "/a/a", "/a/a/", "/a/", "x", "/a/a/xhr/", "/a/a/a/xhr"):
            self.expect(self.get("/echo" + suffix), 404)
        self.expect(self.get("/"), 404)

    def test_iframe(self):
        page = re.compile(r'''<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script>
    document\.domain = document\.domain;
    _sockjs_onload = function\(\){SockJS\.bootstrap_iframe\(\);};
  </script>
  <script src="((/|http)[^"]*)"></script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe\. It's used for cross domain magic\.</p>
</body>
</html>''')
        tags = set()
        for suffix in ("", "-a", "-", "-0.1.2", "-0.1.2abc-dirty.2144"):
            for query in ("", "?t=1234", "?t=qweqweq123"):
                response = self.expect(self.get(f"/echo/iframe{suffix}.html{query}"), 200)
                self.expect_type(response, "text/html;charset=UTF-8")
                self.expect_cached_long(response)
                self.expect_no_cookie(response)
                self.assertTrue(page.fullmatch(response.body.decode().strip()), response.body)
                tags.add(response.header("ETag"))
        self.assertEqual(len(tags), 1)
        response = self.expect(self.get("/echo/iframe.html", {"If-None-Match": min(tags)}), 304, "")
        self.assertIsNone(response.header("Content-Type"))
        self.expect(self.get("/echo/iframe.html", {"If-None-Match": f'"another", W/{tags.pop()}'}), 304, "")
        self.expect(self.get("/echo/iframe.html", {"If-None-Match": '"another"'}), 200)

    def test_what_is_no_iframe(self):
        for suffix in ("/iframe.htm", "/iframe", "/IFRAME.HTML", "/IFRAME", "/iframe.HTML", "/iframe.xml", "/iframe-/.html"):
            self.expect(self.get("/echo" + suffix), 404)

    def test_info(self):
        response = self.expect(self.get("/echo/info"), 200)
        self.expect_type(response, "application/json;charset=UTF-8")
        self.expect_no_cookie(response)
        self.expect_not_cached(response)
        self.expect_cors(response)
        info = json.loads(response.body)
        self.assertIs(info["websocket"], True)
        self.assertIs(info["cookie_needed"], False)
        self.assertEqual(info["origins"], ["*:*"])
        self.assertIs(json.loads(self.get("/disabled_websocket_echo/info").body)["websocket"], False)
        numbers = {json.loads(self.get("/echo/info").body)["entropy"] for _ in range(5)}
        self.assertGreater(len(numbers), 1)
        self.assertTrue(all(isinstance(number, int) and 0 <= number < 1 << 32 for number in numbers))

    def test_preflights(self):
        self.expect_preflight("/echo/info", "OPTIONS, GET")
        for path in ("xhr", "xhr_send", "xhr_streaming"):
            self.expect_preflight("/echo/abc/abc/" + path, "OPTIONS, POST")

    def test_wrong_methods_are_405(self):
        for method, target in (("POST", "/echo"), ("POST", "/echo/info"), ("POST", "/echo/iframe.html"), ("GET", "/echo/a/a/xhr"),
                               ("GET", "/echo/a/a/xhr_send"), ("GET", "/echo/a/a/xhr_streaming"), ("POST", "/echo/a/a/eventsource"),
                               ("POST", "/echo/a/a/htmlfile"), ("POST", "/echo/a/a/jsonp"), ("GET", "/echo/a/a/jsonp_send"),
                               ("POST", "/echo/websocket"), ("DELETE", "/echo/a/a/xhr")):
            self.expect_405(fetch(self.port, method, target, body=b"" if method == "POST" else None))


class Sessions(SockjsScenario):
    def test_any_name_is_a_session(self):
        for part in ("/a/a", "/_/_", "/1/1", "/abcdefgh_i-j%20/abcdefg_i-j%20"):
            self.expect(self.post(f"/echo{part}/xhr"), 200, "o\n")

    def test_malformed_paths_are_404(self):
        for part in ("//", "/a./a", "/a/a.", "/./.", "/", "///", "//a", "/a/"):
            self.expect(self.get(f"/echo{part}/xhr"), 404)
            self.expect(self.post(f"/echo{part}/xhr"), 404)

    def test_the_server_id_is_ignored(self):
        name = uuid.uuid4()
        self.expect(self.post(f"/echo/000/{name}/xhr"), 200, "o\n")
        self.send(f"/echo/000/{name}", '["a"]')
        self.expect(self.post(f"/echo/999/{name}/xhr"), 200, 'a["a"]\n')

    def test_a_simple_session(self):
        url = self.open_polling()
        self.send(url, '["a"]')
        self.expect(self.post(url + "/xhr"), 200, 'a["a"]\n')
        self.expect(self.post("/echo/000/bad_session/xhr_send", '["a"]'), 404)
        first = self.post_pending(url)
        self.expect(self.post(url + "/xhr"), 200, 'c[2010,"Another connection still open"]\n')
        self.send(url, '["b"]')
        self.expect(first.whole(), 200, 'a["b"]\n')
        first.close()

    def post_pending(self, url):
        connection = Connection(self.port)
        connection.ask("POST", url + "/xhr", body=b"")
        self.assertTrue(connection.is_silent(0.2))
        return connection

    def test_a_closed_session_says_so_again_and_again(self):
        url = self.open_polling("/close")
        for _ in range(3):
            self.expect(self.post(url + "/xhr"), 200, 'c[3000,"Go away!"]\n')

    def test_a_session_times_out_without_a_receiver(self):
        url = self.open_polling()
        began = time.monotonic()
        wait_for("it is gone", lambda: self.post(url + "/xhr_send", '["a"]').status == 404, every=0.1)
        self.assertGreater(time.monotonic() - began, 4.8)
        self.expect(self.post(url + "/xhr"), 200, "o\n")

    def test_closing_unlinks_the_receiver(self):
        url = session("/close")
        responses = []
        for frames in ((b"o\n", b'c[3000,"Go away!"]\n'), (b'c[3000,"Go away!"]\n',)):
            response = self.post_stream(url + "/xhr_streaming")
            response.chunk()
            for frame in frames:
                self.assertEqual(response.chunk(), frame)
            responses.append(response)
        for response in responses:
            self.assertEqual(response.chunk(), b"")

    def test_an_aborted_response_closes_the_session(self):
        url = session()
        first = self.post_stream(url + "/xhr_streaming")
        first.chunk()
        self.assertEqual(first.chunk(), b"o\n")
        second = self.post_stream(url + "/xhr_streaming")
        second.chunk()
        self.assertEqual(second.chunk(), b'c[2010,"Another connection still open"]\n')
        self.assertEqual(second.chunk(), b"")
        first.close()
        third = self.post_stream(url + "/xhr_streaming")
        third.chunk()
        self.assertEqual(third.chunk(), b'c[1002,"Connection interrupted"]\n')
        self.assertEqual(third.chunk(), b"")

    def test_an_aborted_poll_closes_the_session(self):
        url = self.open_polling()
        first = self.post_pending(url)
        self.expect(self.post(url + "/xhr"), 200, 'c[2010,"Another connection still open"]\n')
        first.close()
        self.expect(self.post(url + "/xhr"), 200, 'c[1002,"Connection interrupted"]\n')


class Xhr(SockjsScenario):
    def test_polling(self):
        url = session()
        response = self.expect(self.post(url + "/xhr", headers={"Origin": "http://elsewhere"}), 200, "o\n")
        self.expect_type(response, SCRIPT)
        self.expect_cors(response, "http://elsewhere")
        self.expect_not_cached(response)
        self.expect_no_cookie(response)
        response = self.expect(self.post(url + "/xhr_send", '["x"]'), 204, "")
        self.expect_type(response, PLAIN)
        self.expect_cors(response)
        self.expect_not_cached(response)
        self.expect(self.post(url + "/xhr"), 200, 'a["x"]\n')

    def test_a_session_that_is_not_there_is_404(self):
        self.expect(self.post(session() + "/xhr_send", '["x"]'), 404)

    def test_wrong_payloads(self):
        url = self.open_polling()
        for body in ('["x', "[1]", "{}", '["\\x"]', "[", '["a"]]', '["a",]', '["\x01"]', "nonsense"):
            self.assertIn(b"Broken JSON encoding.", self.expect(self.post(url + "/xhr_send", body), 500).body, body)
        self.assertIn(b"Broken JSON encoding.", self.expect(self.post(url + "/xhr_send", b'["\xff"]'), 500).body)
        for body in ("", '"a"'):
            self.assertIn(b"Payload expected.", self.expect(self.post(url + "/xhr_send", body), 500).body)
        self.send(url, "[]")
        self.send(url, ' [ "a" , "b" ] ')
        self.expect(self.post(url + "/xhr"), 200, 'a["a","b"]\n')

    def test_any_content_type_will_do(self):
        url = self.open_polling()
        kinds = ["text/plain", "T", "application/json", "application/xml", "", "application/json; charset=utf-8",
                 "text/xml; charset=utf-8", "text/xml"]
        for kind in kinds:
            self.expect(self.post(url + "/xhr_send", '["a"]', {"Content-Type": kind}), 204, "")
        self.expect(self.post(url + "/xhr"), 200, "a[" + ",".join(['"a"'] * len(kinds)) + "]\n")

    def test_asked_headers_are_allowed(self):
        for asked, allowed in (("a, b, c", "a, b, c"), ("", None), (None, None)):
            headers = {} if asked is None else {"Access-Control-Request-Headers": asked}
            response = self.expect(self.post(session() + "/xhr", headers=headers), 200)
            self.expect_cors(response)
            self.assertEqual(response.header("Access-Control-Allow-Headers"), allowed)

    def test_streaming(self):
        url = session()
        response = self.expect(self.post_stream(url + "/xhr_streaming"), 200)
        self.expect_type(response, SCRIPT)
        self.expect_cors(response)
        self.expect_not_cached(response)
        self.assertEqual(response.chunk(), b"h" * 2048 + b"\n")
        self.assertEqual(response.chunk(), b"o\n")
        self.send(url, '["x"]')
        self.assertEqual(response.chunk(), b'a["x"]\n')
        response.close()

    def test_a_long_streaming_response_ends(self):
        url = session()
        response = self.post_stream(url + "/xhr_streaming")
        response.chunk()
        self.assertEqual(response.chunk(), b"o\n")
        message = '["' + "x" * 128 + '"]'
        for _ in range(31):
            self.send(url, message)
            self.assertEqual(response.chunk(), f"a{message}\n".encode())
        self.assertEqual(response.chunk(), b"")
        self.send(url, '["next"]')
        response.connection.ask("POST", url + "/xhr_streaming", body=b"")  # on the same connection
        response = response.connection.head()
        response.chunk()
        self.assertEqual(response.chunk(), b'a["next"]\n')

    def test_the_server_escapes(self):
        url = self.open_polling()
        mangled = [*range(0x200C, 0x2010), *range(0x2028, 0x2030), *range(0x2060, 0x2070), *range(0xFFF0, 0x10000)]
        self.send(url, '["' + "".join(map(chr, mangled)) + '"]')
        expected = "".join(f"\\u{code:04x}" for code in mangled)
        self.expect(self.post(url + "/xhr"), 200, f'a["{expected}"]\n')
        self.send(url, '["ü€\\u0000\\u001f\\n\\/\U0001f9c0"]')
        self.expect(self.post(url + "/xhr"), 200, 'a["ü€\\u0000\\u001f\\n/\\ud83e\\uddc0"]\n')

    def test_the_server_decodes(self):
        url = self.open_polling()
        text = "".join(chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000)
        for begin in range(0, len(text), 8192):
            part = text[begin:begin + 8192]
            self.send(url, '["' + "".join(f"\\u{ord(c):04x}" for c in part) + '"]')
            received = ""
            while len(received) < len(part):
                received += "".join(json.loads(self.post(url + "/xhr").body[1:]))
            self.assertEqual(received, part)
        self.send(url, '["\\ud83e\\uddc0 \\ud83e \\uddc0 \\ud83e\\u0041"]')
        self.assertEqual(json.loads(self.post(url + "/xhr").body[1:]), ["\U0001f9c0 \ufffd \ufffd \ufffdA"])


class Scripts(SockjsScenario):
    """What browsers without streaming requests use."""

    HTML = r'''<!doctype html>
<html><head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent.callback;
    c.start();
    function p(d) {c.message(d);};
    window.onload = function() {c.stop();};
  </script>'''

    def test_eventsource(self):
        url = session()
        response = self.expect(self.get_stream(url + "/eventsource"), 200)
        self.expect_type(response, "text/event-stream;charset=UTF-8")
        self.expect_not_cached(response)
        self.assertEqual(response.chunk(), b"\r\n")
        self.assertEqual(response.chunk(), b"data: o\r\n\r\n")
        self.send(url, '["x"]')
        self.assertEqual(response.chunk(), b'data: a["x"]\r\n\r\n')
        self.send(url, r'["  \u0000\n\r "]')
        self.assertEqual(response.chunk(), b'data: a["  \\u0000\\n\\r "]\r\n\r\n')
        response.close()

    def test_htmlfile(self):
        url = session()
        response = self.expect(self.get_stream(url + "/htmlfile?c=%63allback"), 200)
        self.expect_type(response, "text/html;charset=UTF-8")
        self.expect_not_cached(response)
        head = response.chunk()
        self.assertEqual(head.strip().decode(), self.HTML)
        self.assertGreater(len(head), 1024)
        self.assertEqual(response.chunk(), b'<script>\np("o");\n</script>\r\n')
        self.send(url, '["x"]')
        self.assertEqual(response.chunk(), b'<script>\np("a[\\"x\\"]");\n</script>\r\n')
        self.send(url, '["</script>"]')
        self.assertEqual(response.chunk(), b'<script>\np("a[\\"\\u003c/script>\\"]");\n</script>\r\n')
        response.close()

    def test_one_large_message_ends_a_streaming_response(self):
        for path, before, after in (("/eventsource", b'data: a["', b'"]\r\n\r\n'),
                                    ("/htmlfile?c=callback", b'<script>\np("a[\\"', b'\\"]");\n</script>\r\n')):
            url = session()
            response = self.get_stream(url + path)
            response.chunk()
            response.chunk()
            self.send(url, '["' + "x" * 4096 + '"]')
            self.assertEqual(response.chunk(), before + b"x" * 4096 + after)
            self.assertEqual(response.chunk(), b"")

    def test_jsonp(self):
        url = session()
        response = self.expect(self.get(url + "/jsonp?c=%63allback"), 200, 'callback("o");\r\n')
        self.expect_type(response, SCRIPT)
        self.expect_not_cached(response)
        response = self.expect(self.post(url + "/jsonp_send", "d=%5B%22x%22%5D", FORM), 200, "ok")
        self.expect_type(response, PLAIN)
        self.expect_not_cached(response)
        self.expect(self.get(url + "/jsonp?c=%63allback"), 200, 'callback("a[\\"x\\"]");\r\n')

    def test_a_callback_is_required(self):
        for path in ("jsonp", "htmlfile"):
            for query in ("", "?c=", "?d=x"):
                response = self.expect(self.get(f"/echo/a/a/{path}{query}"), 500)
                self.assertIn(b'"callback" parameter required', response.body)
            for name in ("a(b", "%3Cscript%3E", "a%20b", "a;b", "%zz", "x" * 129):
                response = self.expect(self.get(f"/echo/a/a/{path}?c={name}"), 500)
                self.assertIn(b'invalid "callback" parameter', response.body)

    def test_wrong_jsonp_payloads(self):
        url = session()
        self.expect(self.get(url + "/jsonp?c=x"), 200, 'x("o");\r\n')
        for body in ("d=%5B%22x", "d=%zz"):
            self.assertIn(b"Broken JSON encoding.", self.expect(self.post(url + "/jsonp_send", body, FORM), 500).body)
        for body in ("", "d=", "p=p"):
            self.assertIn(b"Payload expected.", self.expect(self.post(url + "/jsonp_send", body, FORM), 500).body)
        self.expect(self.post(url + "/jsonp_send", "d=%5B%22b%22%5D", FORM), 200, "ok")
        self.expect(self.get(url + "/jsonp?c=x"), 200, 'x("a[\\"b\\"]");\r\n')
        self.expect(self.post(session() + "/jsonp_send", "d=%5B%22b%22%5D", FORM), 404)

    def test_jsonp_as_form_and_as_text(self):
        url = session()
        self.expect(self.get(url + "/jsonp?c=x"), 200)
        self.expect(self.post(url + "/jsonp_send", "d=%5B%22abc%22%5D", FORM), 200, "ok")
        self.expect(self.post(url + "/jsonp_send", '["%61bc"]', {"Content-Type": "text/plain"}), 200, "ok")
        self.expect(self.post(url + "/jsonp_send", "a=b&d=%5B%22+%2B%22%5D",
                              {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}), 200, "ok")
        self.expect(self.get(url + "/jsonp?c=x"), 200, 'x("a[\\"abc\\",\\"%61bc\\",\\" +\\"]");\r\n')

    def test_jsonp_of_a_closed_session(self):
        url = session("/close")
        for frame in ("o", 'c[3000,\\"Go away!\\"]', 'c[3000,\\"Go away!\\"]'):
            self.expect(self.get(url + "/jsonp?c=x"), 200, f'x("{frame}");\r\n')


class Cookies(SockjsScenario):
    def test_info_says_that_they_are_needed(self):
        response = self.get("/cookie_needed_echo/info")
        self.expect_no_cookie(response)
        self.assertIs(json.loads(response.body)["cookie_needed"], True)

    def expect_cookie(self, response, value="dummy"):
        parts = [part.strip() for part in response.header("Set-Cookie").split(";")]
        self.assertEqual(parts[0], "JSESSIONID=" + value)
        self.assertEqual(parts[1].lower(), "path=/")

    def test_every_transport_sets_them(self):
        url = session("/cookie_needed_echo")
        self.expect_cookie(self.expect(self.post(url + "/xhr"), 200, "o\n"))
        self.expect_cookie(self.expect(self.post(url + "/xhr_send", '["x"]'), 204))
        url = session("/cookie_needed_echo")
        self.expect_cookie(self.post(url + "/xhr", headers={"Cookie": "a=b; JSESSIONID=abcdef;c=d"}), "abcdef")
        self.expect_cookie(self.post_stream(session("/cookie_needed_echo") + "/xhr_streaming"))
        self.expect_cookie(self.get_stream(session("/cookie_needed_echo") + "/eventsource"))
        self.expect_cookie(self.get_stream(session("/cookie_needed_echo") + "/htmlfile?c=x"))
        url = session("/cookie_needed_echo")
        self.expect_cookie(self.expect(self.get(url + "/jsonp?c=%63allback"), 200, 'callback("o");\r\n'))
        self.expect_cookie(self.expect(self.post(url + "/jsonp_send", "d=%5B%22x%22%5D", FORM), 200, "ok"))


class Sockets(SockjsScenario):
    def expect_closed(self, socket, code=None):
        with self.assertRaises(Closed) as closed:
            socket.receive()
        if code is not None:
            self.assertEqual(closed.exception.args, (code,))

    def test_what_is_no_websocket(self):
        response = self.expect(self.get("/echo/0/0/websocket"), 400)
        self.assertIn(b'Can "Upgrade" only to "WebSocket".', response.body)
        response = self.expect(self.get("/echo/0/0/websocket", {"Upgrade": "WebSocket", "Connection": "close"}), 400)
        self.assertIn(b'"Connection" must be "Upgrade".', response.body)
        for headers in ({"Upgrade": "WebSocket", "Connection": "Upgrade"}, {}):
            self.expect_405(self.post("/echo/0/0/websocket", headers=headers))
        self.expect(self.get("/disabled_websocket_echo/0/0/websocket"), 404)

    def test_framed(self):
        for make in (WebSocket, Hixie76):
            socket = make(self.port, session() + "/websocket")
            self.assertEqual(socket.receive(), "o")
            socket.send("")
            socket.send('["a"]')
            self.assertEqual(socket.receive(), 'a["a"]')
            socket.send('"b"')
            self.assertEqual(socket.receive(), 'a["b"]')
            socket.close()

    def test_closed_by_the_application(self):
        for make in (WebSocket, Hixie76):
            socket = make(self.port, session("/close") + "/websocket")
            self.assertEqual(socket.receive(), "o")
            self.assertEqual(socket.receive(), 'c[3000,"Go away!"]')
            self.expect_closed(socket, 1000)
            self.assertTrue(socket.connection.is_ended())

    def test_broken_json_ends_it(self):
        for make in (WebSocket, Hixie76):
            for text in ('["a', "[1]", "nonsense"):
                socket = make(self.port, session() + "/websocket")
                self.assertEqual(socket.receive(), "o")
                socket.send(text)
                self.expect_closed(socket)
                self.assertTrue(socket.connection.is_ended())

    def test_two_may_have_one_name(self):
        url = session() + "/websocket"
        first, second = WebSocket(self.port, url), WebSocket(self.port, url)
        for socket, text in ((first, "a"), (second, "b")):
            self.assertEqual(socket.receive(), "o")
            socket.send(f'["{text}"]')
            self.assertEqual(socket.receive(), f'a["{text}"]')
            socket.close()
        third = WebSocket(self.port, url)
        self.assertEqual(third.receive(), "o")

    def test_versions_7_8_and_13(self):
        for version in ("7", "8", "13"):
            for connection in ("Upgrade", "keep-alive, Upgrade"):
                socket = WebSocket(self.port, session() + "/websocket",
                                   {"Sec-WebSocket-Version": version, "Connection": connection,
                                    "Sec-WebSocket-Origin": "http://asd"})
                self.assertEqual(socket.response.header("Connection").lower(), "upgrade")
                self.assertEqual(socket.response.header("Upgrade").lower(), "websocket")
                self.assertIsNone(socket.response.header("Content-Length"))
                self.assertEqual(socket.receive(), "o")
                socket.close()

    def test_hixie_76_answers_the_head_before_the_nonce(self):
        target = session() + "/websocket"
        for nonce in Hixie76.ANSWERS:
            socket = Hixie76(self.port, target, nonce)
            self.assertEqual(socket.response.header("Connection").lower(), "upgrade")
            self.assertEqual(socket.response.header("Upgrade").lower(), "websocket")
            self.assertEqual(socket.response.header("Sec-WebSocket-Location"), f"ws://127.0.0.1:{self.port}{target}")
            self.assertEqual(socket.response.header("Sec-WebSocket-Origin"), socket.origin)
            self.assertIsNone(socket.response.header("Content-Length"))
            socket.close()

    def test_raw(self):
        socket = WebSocket(self.port, "/echo/websocket")
        for text in ("Hello world!\uffff", "[", "x" * 5000):
            socket.send(text)
            self.assertEqual(socket.receive(), text)
        socket = WebSocket(self.port, "/close/websocket")
        self.expect_closed(socket, 3000)
        self.assertTrue(socket.connection.is_ended())


class Http(SockjsScenario):
    def test_1_0_keeps_alive_who_asks_for_it(self):
        connection = Connection(self.port)
        for _ in range(2):
            connection.ask("GET", "/echo", {"Connection": "Keep-Alive"}, version="1.0")
            response = self.expect(connection.whole(), 200, "Welcome to SockJS!\n")
            self.assertIsNone(response.header("Transfer-Encoding"))
            self.assertEqual(response.header("Content-Length"), "19")
            self.assertEqual(response.header("Connection").lower(), "keep-alive")
        connection = Connection(self.port)
        connection.ask("GET", "/echo", version="1.0")
        self.expect(connection.whole(), 200, "Welcome to SockJS!\n")
        self.assertTrue(connection.is_ended())

    def test_1_1_keeps_alive(self):
        connection = Connection(self.port)
        for headers in ({"Connection": "Keep-Alive"}, {}, {}):
            connection.ask("GET", "/echo", headers)
            response = self.expect(connection.whole(), 200, "Welcome to SockJS!\n")
            self.assertIn((response.header("Connection") or "").lower(), ("keep-alive", ""))
        connection.ask("GET", "/echo", {"Connection": "close"})
        self.expect(connection.whole(), 200)
        self.assertTrue(connection.is_ended())

    def test_1_0_streams_until_the_end_of_the_connection(self):
        response = self.post_stream(session("/close") + "/xhr_streaming", {"Connection": "Keep-Alive"}, version="1.0")
        self.expect(response, 200)
        self.assertIsNone(response.header("Transfer-Encoding"))
        self.assertIsNone(response.header("Content-Length"))
        connection = response.connection
        self.assertEqual(connection.exactly(2049), b"h" * 2048 + b"\n")
        self.assertEqual(connection.exactly(2), b"o\n")
        self.assertEqual(connection.exactly(19), b'c[3000,"Go away!"]\n')
        self.assertTrue(connection.is_ended(1))

    def test_1_1_streams_chunks_and_goes_on(self):
        response = self.post_stream(session("/close") + "/xhr_streaming", {"Connection": "Keep-Alive"})
        self.assertEqual(response.header("Transfer-Encoding").lower(), "chunked")
        self.assertIsNone(response.header("Content-Length"))
        self.assertEqual(response.chunk()[:1], b"h")
        self.assertEqual(response.chunk(), b"o\n")
        self.assertEqual(response.chunk(), b'c[3000,"Go away!"]\n')
        self.assertEqual(response.chunk(), b"")
        response.connection.ask("GET", "/echo")
        self.expect(response.connection.whole(), 200)

    def test_pipelined_requests_are_answered_in_order(self):
        url = self.open_polling()
        connection = Connection(self.port)
        for body in (b'["1"]', b'["2"]'):
            connection.ask("POST", url + "/xhr_send", body=body)
        connection.ask("POST", url + "/xhr", body=b"")
        connection.ask("GET", "/echo/info")
        self.expect(connection.whole(), 204)
        self.expect(connection.whole(), 204)
        self.expect(connection.whole(), 200, 'a["1","2"]\n')
        self.expect_type(connection.whole(), "application/json;charset=UTF-8")

    def test_a_client_that_does_not_read_costs_nothing_but_its_queue(self):
        url = session()
        response = self.post_stream(url + "/xhr")
        self.assertEqual(response.connection.exactly(2), b"o\n")
        message = '["' + "x" * 60_000 + '"]'
        for _ in range(60):  # nobody receives; the queue's limit closes the session
            self.assertIn(self.post(url + "/xhr_send", message).status, (204, 404))
        self.assertLess(self.server.rss_bytes(), 64 << 20)


if __name__ == "__main__":
    unittest.main(verbosity=2)
