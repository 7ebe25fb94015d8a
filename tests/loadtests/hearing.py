"""The reference protocol, which also writes down what everybody is told of the draw."""

import os
from pathlib import Path

from loadtests.protocol import Drawn, Memory, ReferenceProtocol
from workload.visit import Outcome

#: Each process of the generator writes a file of its own in the folder that is named here.
HEARD = "SURGE_TEST_HEARD"


class Hearing(ReferenceProtocol):
    def _read_result(self, body: bytes, memory: Memory) -> Outcome:
        told: Drawn = self._drawn(body)
        with (Path(os.environ[HEARD]) / str(os.getpid())).open("a") as file:
            file.write(f"{told.result}\n")
        return super()._read_result(body, memory)
