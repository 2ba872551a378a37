"""The papers of a freeze request: A4, PDF/A, in Chinese, the same content as the package.

The offline path is the same object: print, sign and seal, fax, and enter the receipt later.
"""

from fzalert.freeze.papers.content import PaperKind, paper_content
from fzalert.freeze.papers.render import FONTS, render_paper

__all__ = ["FONTS", "PaperKind", "paper_content", "render_paper"]
