"""Adds operators' accounts."""

from smsgw.backoffice import accounts
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role

PASSWORD = "correct horse battery"


def add_operator(rt: Runtime, name: str = "ani", role: Role = Role.ADMIN) -> accounts.Operator:
    with rt.writing() as tx:
        hashed = accounts.hash_password(PASSWORD, rt.passwords)
        return accounts.add(tx, name, role, hashed, SHELL)


SHELL = "shell:ani"
