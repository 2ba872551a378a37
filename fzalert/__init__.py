"""Anti-fraud warnings on every channel, and freeze requests to banks.

This is the public door: it names what a program needs and loads each thing when it is first used.
"""

__all__ = ["__version__"]

__version__: str


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib.metadata import version

        return version("fzalert")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
