"""`python -m fzalert.cli`: the same as `fzalert`."""

import sys

from fzalert.cli.app import main

sys.exit(main())
