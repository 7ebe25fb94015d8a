"""`python -m harness VERB`: what ./surge hands over to."""

import sys

from harness.cli import main

sys.exit(main())
