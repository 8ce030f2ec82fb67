"""All figures by the names that the command line knows. Each entry makes the figures of one build: a list, in an order that
is the same for every build."""

from figures.codec import Codec
from figures.connections import connections
from figures.drain import drains, wires
from figures.echo import echoes
from figures.live import Live
from figures.memory import memories
from figures.push import pushes
from figures.size import Size
from figures.start import FirstReading

# `./dev bench`
ALONE = {"drain": drains, "push": pushes, "wire": wires, "live": lambda place: [Live(place)], "memory": memories,
         "size": lambda place: [Size(place)], "first": lambda place: [FirstReading(place)],
         "codec": lambda place: [Codec(place)]}

# `./dev bench --against`: the codec is measured by a program of the load, which both builds share.
IN_TURNS = {**{name: make for name, make in ALONE.items() if name != "codec"}, "echo": echoes, "connections": connections}
