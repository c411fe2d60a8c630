"""The first reader's token, which nobody could ask for: in a file of the service's user until it is used.

What a service prints is kept in journals and logs of containers, so it is not printed.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from cvai.files import private_file
from cvai.review.sign_in.accounts import Accounts, Role

FIRST_READER, FIRST_READER_NAME = "admin", "Administrator"
FILE_NAME = "first-token"


class FirstToken:
    """The file of the first reader's token.

    Args:
        data_folder: of the service.
    """

    def __init__(self, data_folder: Path) -> None:
        self.path = data_folder / FILE_NAME

    def give(self, accounts: Accounts) -> bool:
        """Add the first reader and write their token down; False where there are readers already."""
        if accounts.all():
            return False
        token = accounts.add(FIRST_READER, Role.ADMIN, FIRST_READER_NAME)
        private_file(self.path).write_text(f"{token}\n")
        return True

    def used(self, token: str) -> None:
        """Remove the file once somebody has signed in with its token."""
        if self.path.exists() and secrets.compare_digest(
            self.path.read_text().strip().encode(), token.strip().encode()
        ):
            self.path.unlink(missing_ok=True)
