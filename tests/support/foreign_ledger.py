"""Makes a ledger of somebody else's tables, read by views that rename their columns: NKPs are
numbers, days are timestamps, phones are as they were typed."""

from sqlalchemy import Connection
from sqlalchemy.engine import make_url

TABLES = """
DROP SCHEMA IF EXISTS core CASCADE;
DROP SCHEMA IF EXISTS theirs CASCADE;
CREATE SCHEMA core;
CREATE SCHEMA theirs;
CREATE TABLE core.peserta (
  nomor_kpj bigint NOT NULL, no_ktp numeric(16), nama varchar(200), tgl_lahir timestamp,
  no_hp varchar(60), sts char(1), tgl_sts timestamptz, hp_darurat varchar(40));
CREATE INDEX ON core.peserta (nomor_kpj);
CREATE TABLE core.saldo (kpj bigint, periode char(6), iuran numeric(18,2), hasil numeric(18,2),
  saldo numeric(18,2), PRIMARY KEY (kpj, periode));
CREATE TABLE core.iuran (kpj bigint, bulan timestamp, program varchar(3), nominal numeric(18,2));
CREATE TABLE core.klaim (no_klaim varchar(30), kpj bigint, prog varchar(3), tahap smallint,
  tgl timestamptz, tgl_ubah timestamptz, nilai numeric(18,2));
CREATE TABLE core.kantor (kode varchar(6), nama varchar(100), kota varchar(100), zona smallint);
INSERT INTO core.kantor VALUES ('A01', 'KC JAKARTA SALEMBA', 'KOTA ADM. JAKARTA PUSAT', 7);
"""
VIEWS = """
CREATE VIEW theirs.participants AS SELECT nomor_kpj AS nkp, no_ktp AS nik, nama AS name,
  tgl_lahir AS birth_date, no_hp AS phone, NULL::text AS email, sts AS status,
  tgl_sts AS status_since, NULL::text AS status_reason, NULL::text AS emergency_name,
  hp_darurat AS emergency_phone FROM core.peserta;
CREATE VIEW theirs.balances AS SELECT kpj AS nkp, to_date(periode, 'YYYYMM') AS as_of,
  iuran AS contributions, hasil AS returns, saldo AS total FROM core.saldo;
CREATE VIEW theirs.contributions AS SELECT kpj AS nkp, bulan AS month,
  sum(nominal) FILTER (WHERE program = 'JHT') AS jht, sum(nominal) FILTER (WHERE program = 'JP')
  AS jp, NULL::numeric AS jkk, NULL::numeric AS jkm, NULL::numeric AS jkp
  FROM core.iuran GROUP BY kpj, bulan;
CREATE VIEW theirs.programs AS SELECT DISTINCT kpj AS nkp, program, NULL::date AS until
  FROM core.iuran;
CREATE VIEW theirs.claims AS SELECT no_klaim AS claim_no, kpj AS nkp, prog AS program,
  tahap AS stage, tgl AS filed_on, tgl_ubah AS updated_on, nilai AS amount, NULL::text AS note
  FROM core.klaim;
CREATE VIEW theirs.offices AS SELECT kode AS code, nama AS name, kota AS city,
  NULL::text AS address, NULL::text AS phone, '08:00-15:30' AS hours, zona AS timezone
  FROM core.kantor;
CREATE VIEW theirs.rates AS SELECT NULL::text program, NULL::text category, NULL::text item,
  NULL::date effective_from, NULL::numeric value, NULL::text unit WHERE false;
CREATE VIEW theirs.contacts AS SELECT 'call_centre'::text channel, 175 AS value, NULL::text hours;
"""
FIRST = 19000000000

# As they were typed, and the phone that each is; None where it is none that gets an SMS.
PHONES: tuple[tuple[str | None, str | None], ...] = (
    ("0812-0001-0000", "+6281200010000"),
    ("6281200020001", "+6281200020001"),
    ("081300030002 / 085700030002", "+6281300030002"),
    ("81220000043", "+6281220000043"),
    ("+62 (0)812-0005-0004", "+6281200050004"),
    ("021-5550001 / 0812.0006.0005", "+6281200060005"),
    ("0", None),
    ("021-5550001", None),
    (None, None),
    ("081200090008 081200090009", None),
    ("tidak ada", None),
)


def address(url: str, *schemas: str) -> str:
    """Returns the address of a database whose views are found in these schemas."""
    options = {"options": f"-csearch_path={','.join(schemas)}"}
    return make_url(url).update_query_dict(options).render_as_string(hide_password=False)


def nkp(index: int) -> str:
    return str(FIRST + index)


def nik(index: int) -> str:
    return f"317101{index:010}"


def daftar(index: int) -> str:
    return f"DAFTAR SALDO#{nik(index)}#PESERTA {index}#17-08-1990#{nkp(index)}"


def make(connection: Connection) -> None:
    """Makes a participant for each of PHONES, by its index."""
    connection.exec_driver_sql(TABLES + VIEWS)
    for index, (typed, _) in enumerate(PHONES):
        key = FIRST + index
        connection.exec_driver_sql(
            "INSERT INTO core.peserta VALUES (%(key)s, %(nik)s, %(name)s, '1990-08-17', %(hp)s,"
            " 'A', now(), '08111000000')",
            {"key": key, "nik": int(nik(index)), "name": f"PESERTA {index}", "hp": typed},
        )
        connection.exec_driver_sql(
            f"INSERT INTO core.saldo VALUES ({key}, '202509', 1000000.00, 200000.00, 1200000.00);"
            f"INSERT INTO core.iuran VALUES ({key}, '2025-12-15', 'JHT', 120000.00),"
            f" ({key}, '2025-09-01', 'JHT', 130000.00), ({key}, '2024-12-31', 'JHT', 9.00);"
            f"INSERT INTO core.klaim VALUES ('JHT/2025/{index}', {key}, 'JHT', 1, now(), now(), 5)"
        )


def put_phone(connection: Connection, index: int, typed: str | None) -> None:
    connection.exec_driver_sql(
        "UPDATE core.peserta SET no_hp = %(hp)s WHERE nomor_kpj = %(key)s",
        {"hp": typed, "key": FIRST + index},
    )
