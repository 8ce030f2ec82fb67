"""How fast readings are taken from a program that pushes them."""

import shutil

from figures.figure import Figure
from report import Sample


class Push(Figure):
    """A new node with an empty journal for each round."""

    def __init__(self, place, role):
        super().__init__(place)
        self.role = role
        self.rounds = self.sizes.rounds

    def node(self):
        if self.role == "hub":
            return self.place.plain_hub(self.place.fresh("push-hub"))
        return self.place.gateway(self.place.fresh("push-gateway"), self.place.hub(self.place.fresh("push-away")))

    def measure(self):
        node = self.node().start()
        pushed = self.place.push(node, "ten", self.sizes.push)
        node.stop()
        shutil.rmtree(node.data_dir)
        absent = "" if self.role == "hub" else "; hub absent"
        yield Sample(f"push into a {self.role}", pushed["readings"] / pushed["seconds"], "readings/s",
                     f"{self.sizes.push:,} readings with time and unit, 100 a message, pipelined; first message to last ack"
                     + absent, "≥ 150,000")


def pushes(place):
    return [Push(place, "gateway"), Push(place, "hub")]
