"""What is watched while the system runs: dashboards, scraping, recording and alert rules.

`python -m grafana.generate` writes what is committed here and generated; the tests hold it so.
"""
