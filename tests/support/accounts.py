"""Adds operators' accounts."""

from smsgw.backoffice import accounts
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role

PASSWORD = "correct horse battery"


def add_operator(rt: Runtime, name: str = "ani", role: Role = Role.ADMIN) -> accounts.Operator:
    with rt.writing() as tx:
        return accounts.add(tx, name, role, accounts.hash_password(PASSWORD), SHELL)


SHELL = "shell:ani"
