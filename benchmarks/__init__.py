"""Side-by-side measurements, one file and one command each: `surge bench NAME`. They print ratios.

Each file says in its docstring what is compared and why that is fair. A benchmark is a command and
never a test: its figures depend on the machine and on who else uses it. What is compared runs in
one go, so that the ratio survives where the figures do not.
"""
