"""Hub and gateway with a real nginx between them that cuts idle lines, and kill -9 of all three."""


from feeds import TIME_OF, Pace, lines_feed, push_feed
from harness import Scenario, free_port, main
from storm import nginx_cuts, storm

COUNT = 50_000


class Nginx(Scenario):
    def test_tls(self):
        """TLS ends at nginx, which forwards the upgrade."""
        certificates = self.certificates()
        hub = self.hub()
        port = free_port()
        nginx = self.nginx("nginx", port, f"""
http {{
    access_log off;
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificates}/server.pem;
        ssl_certificate_key {certificates}/server.key;
        location / {{
            proxy_pass http://127.0.0.1:{hub.port};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
            proxy_set_header Host $host;
            proxy_read_timeout 2s;
        }}
    }}
}}""")
        self.deliver(hub, nginx, port, certificates)

    def test_stream(self):
        """TLS end to end; nginx sees bytes only."""
        certificates = self.certificates()
        hub = self.hub(certificate=f"{certificates}/server")
        port = free_port()
        nginx = self.nginx("nginx", port, f"""
stream {{
    server {{
        listen 127.0.0.1:{port};
        proxy_pass 127.0.0.1:{hub.port};
        proxy_timeout 2s;
    }}
}}""", modules=("ngx_stream_module.so",))
        self.deliver(hub, nginx, port, certificates)

    def deliver(self, hub, nginx, port, certificates):
        lines = self.write("readings.jsonl", "")
        gateway = self.gateway(f"wss://localhost:{port}/v1/uplink", hub.token("gateway"),
                               f'[[sensor]]\ndriver = "lines"\npath = "{lines}"\n',
                               f'ca_file = "{certificates}/ca.pem"', listen="")
        for process in (hub, nginx, gateway):
            process.start()
        pace = Pace(COUNT)
        feeds = [lines_feed(lines, pace, self.random), push_feed(gateway.port, pace, self.random)]
        storm(self, [gateway, hub, nginx], pace, feeds, nginx_cuts(self, nginx, gateway))
        self.wait_delivered(gateway)
        readings = hub.readings("gateway")
        for channel in ("lines", "push"):
            self.assert_exactly_once(readings, channel, COUNT, TIME_OF[channel])
        self.assertEqual(len(readings), 2 * COUNT)
        self.assertEqual(hub.get_json("/api/devices/gateway")["gap_records"], [])
        self.assertGreaterEqual(nginx.lines_cut(), 4)
        print(f"kills: 20 of each; nginx cut {nginx.lines_cut()} idle lines")


if __name__ == "__main__":
    main()
