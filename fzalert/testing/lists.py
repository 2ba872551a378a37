"""Long lists of made-up people for tests, and how much memory a process takes for them."""

from __future__ import annotations

from pathlib import Path

__all__ = ["children_of", "peak_mb", "reset_peak", "write_list"]


def write_list(path: Path, people: int, *, charset: str = "gbk") -> Path:
    """Write a text with so many people, each in a village; returns the path.

    The numbers are of the segment 138, and each stands once.
    """
    with path.open("w", encoding=charset, newline="") as file:
        file.write("姓名,手机号,村,组\r\n")
        file.writelines(
            f"某某,138{n:08d},{'东沟村' if n % 3 else '西坪村'},{n % 9 + 1}组\r\n"
            for n in range(people)
        )
    return path


def peak_mb(pid: int) -> float:
    """The most memory that a process has had at once since `reset_peak`, in MiB.

    Source: proc(5), VmHWM.
    """
    for line in (
        Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").split("\n")
    ):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ValueError("the process has no memory: it has ended")


def reset_peak(pid: int) -> None:
    """Begin to measure anew, from what a process has now. Source: proc(5), clear_refs."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def children_of(pid: int) -> list[int]:
    """The processes that a process has started and that still run. Source: proc(5), children."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text(encoding="ascii").split())
    return found
