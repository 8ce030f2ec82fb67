"""What the delivery tests share: kill -9 at random moments while feeds give readings at a pace that follows the storm."""

import time

from harness import wait_for

KILLS_EACH = 20


def storm(scenario, victims, pace, feeds, quiet=None, kills_each=KILLS_EACH):
    """Kills each victim `kills_each` times, in random order, and starts it again. Four times on the way all is left in
    peace and `quiet` is called, with no reading on its way."""
    random = scenario.random
    order = [victim for victim in victims for _ in range(kills_each)]
    random.shuffle(order)
    rest_after = {len(order) * part // 5 for part in range(1, 5)}
    for count, victim in enumerate(order, 1):
        pace.allow(0.95 * count / len(order))
        time.sleep(random.uniform(0.02, 0.8))  # a random moment is what is wanted
        for feed in feeds:
            feed.check()
        assert victim.running(), f"{victim.name} ended by itself"
        victim.kill()
        if random.random() < 0.3:
            time.sleep(random.uniform(0, 0.4))
        if random.random() < 0.25:
            victim.spawn()  # the next one may be killed while this one still starts
        else:
            victim.start()
        if quiet is not None and count in rest_after:
            quiet()
    pace.allow(1)
    for feed in feeds:
        feed.finish(120)


def nginx_cuts(scenario, nginx, gateway):
    """Lets the line lie idle until nginx cuts it, and sees the gateway come back."""

    def rest():
        scenario.wait_live(gateway)
        before = nginx.lines_cut()
        wait_for("nginx cuts the idle line", lambda: nginx.lines_cut() > before, 30, 0.1)
        wait_for("the gateway counts it", lambda: gateway.status()["uplink"]["reconnects"] > 0, 10, 0.1)
        scenario.wait_live(gateway)

    return rest
