"""`fzalert demo`: the main job on this machine, from a village's list to the person, with a crash.

Nothing leaves the machine: the carrier, the mail server, the screen and the amplifier are
processes of the demo, and every text carries the mark 演练.
"""

from fzalert.cli.demo.run import run_demo

__all__ = ["run_demo"]
