"""``python -m cvai``."""

from cvai.cli.main import run

if __name__ == "__main__":
    run()
