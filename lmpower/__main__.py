"""``python -m lmpower`` is the ``lmpower`` command."""

import sys

from lmpower.cli import main

sys.exit(main())
