"""`python -m harness VERB`: what ./surge hands over to."""

import sys

from harness.cli import main
from harness.interruption import hear_ctrl_c

hear_ctrl_c()
sys.exit(main())
