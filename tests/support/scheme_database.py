"""Makes a scheme's own database, and views over it in three generations: columns that are merely
renamed (`naive`), types put right (`typed`), and all that docs/ledger.md asks for (`right`)."""

from sqlalchemy import Connection

P1 = 19012345678  # whose phone is bound in tests

TABLES = """
CREATE SCHEMA peserta; CREATE SCHEMA uang;
CREATE TABLE peserta.orang (kpj bigint PRIMARY KEY, ktp numeric(16), nama varchar(90),
  lahir timestamp, hp varchar(50), surel varchar(90), aktif char(1), sejak timestamptz,
  alasan varchar(90), darurat varchar(90), hp_darurat varchar(50));
CREATE INDEX ON peserta.orang (ktp);
CREATE TABLE uang.saldo (kpj bigint, periode char(6), iuran numeric(18,2), hasil numeric(18,2),
  jumlah numeric(18,2), PRIMARY KEY (kpj, periode));
CREATE TABLE uang.setoran (kpj bigint, bulan date, program varchar(3), nominal numeric(18,2),
  PRIMARY KEY (kpj, bulan, program)) PARTITION BY RANGE (bulan);
CREATE TABLE uang.setoran_1 PARTITION OF uang.setoran FOR VALUES FROM (MINVALUE) TO ('2025-07-01');
CREATE TABLE uang.setoran_2 PARTITION OF uang.setoran FOR VALUES FROM ('2025-07-01') TO (MAXVALUE);
CREATE TABLE uang.klaim (nomor varchar(20) PRIMARY KEY, kpj bigint, program varchar(3),
  tahap smallint, masuk timestamptz, berubah timestamptz, nilai numeric(18,2));
CREATE TABLE peserta.kantor (kode varchar(5) PRIMARY KEY, nama varchar(90), kota varchar(90),
  alamat varchar(90), telepon varchar(30), zona smallint);
"""
# Everybody's phone in one of six forms: none, with dashes, with 62, two at once, a landline, 0.
ROWS = """
INSERT INTO peserta.orang SELECT 19500000000 + n, 3171000000000000 + n, 'ORANG NOMOR ' || n,
  timestamp '1970-01-01' + n % 9000 * interval '1 day',
  CASE n % 6 WHEN 1 THEN '0812-' || to_char(n, 'FM0000-0000')
    WHEN 2 THEN '62812' || to_char(n, 'FM00000000')
    WHEN 3 THEN '0813' || to_char(n, 'FM00000000') || ' / 0857' || to_char(n, 'FM00000000')
    WHEN 4 THEN '021-555' || to_char(n % 10000, 'FM0000') WHEN 5 THEN '0' END,
  NULL, CASE WHEN n % 5 = 0 THEN 'N' ELSE 'A' END, '2020-01-01', NULL, NULL, NULL
  FROM generate_series(1, {people}) n;
INSERT INTO peserta.orang VALUES (19012345678, 3171011708900001, 'BUDI SANTOSO', '1990-08-17',
  '081234567890', 'budi@mail.id', 'A', '2015-02-28 17:30+00', NULL, 'RINA', '081299990001');
INSERT INTO uang.saldo SELECT kpj, p, 1000000.40, 200000.30, 1200000.70
  FROM peserta.orang, unnest(ARRAY['202508', '202509']) p;
INSERT INTO uang.setoran SELECT kpj, make_date(2025, m, 1), p, 120000.00
  FROM peserta.orang, generate_series(6, 9) m, unnest(ARRAY['JHT', 'JP', 'JKK']) p
  WHERE kpj % 10 = 8;
INSERT INTO uang.klaim SELECT 'JHT/25/' || kpj, kpj, 'JHT', kpj % 6, '2025-09-01 18:00+00',
  '2025-09-02 03:00+00', 5000000.00 FROM peserta.orang;
INSERT INTO peserta.kantor VALUES
  ('A01', 'KC SALEMBA', 'JAKARTA PUSAT', 'Jl. Salemba 2', '021-5550199', 7),
  ('X12', 'KC JAYAPURA', 'JAYAPURA', 'Jl. Soa Siu', NULL, 9);
ANALYZE;
"""
NAIVE = """
CREATE SCHEMA naive;
CREATE VIEW naive.participants AS SELECT kpj AS nkp, ktp AS nik, nama AS name,
  lahir AS birth_date, hp AS phone, surel AS email, aktif AS status, sejak AS status_since,
  alasan AS status_reason, darurat AS emergency_name, hp_darurat AS emergency_phone
  FROM peserta.orang;
CREATE VIEW naive.balances AS SELECT kpj AS nkp, periode AS as_of, iuran AS contributions,
  hasil AS returns, jumlah AS total FROM uang.saldo;
CREATE VIEW naive.contributions AS SELECT kpj AS nkp, bulan AS month, nominal AS jht
  FROM uang.setoran;
CREATE VIEW naive.offices AS SELECT kode AS code, nama AS name, kota AS city, alamat AS address,
  telepon AS phone, '08:00-15:30' AS hours, zona AS timezone FROM peserta.kantor;
"""
SUMS = """sum(nominal) FILTER (WHERE program = 'JHT') AS jht,
  sum(nominal) FILTER (WHERE program = 'JP') AS jp, sum(nominal) FILTER (WHERE program = 'JKK')
  AS jkk, sum(nominal) FILTER (WHERE program = 'JKM') AS jkm,
  sum(nominal) FILTER (WHERE program = 'JKP') AS jkp"""
SMALL_VIEWS = """
CREATE VIEW {schema}.rates AS SELECT 'JHT'::text AS program, 'PU'::text AS category,
  'employer'::text AS item, date '2015-07-01' AS effective_from, 3.7 AS value, 'percent'::text
  AS unit
  UNION ALL SELECT 'JHT', 'PU', 'worker', date '2015-07-01', 2, 'percent';
CREATE VIEW {schema}.contacts AS SELECT 'call_centre'::text AS channel, '175'::text AS value,
  NULL::text AS hours;
"""
TYPED = f"""
CREATE SCHEMA typed;
CREATE VIEW typed.participants AS SELECT kpj::text AS nkp, ktp::text AS nik, nama AS name,
  lahir AS birth_date, hp AS phone, surel AS email, aktif AS status, sejak AS status_since,
  alasan AS status_reason, darurat AS emergency_name, hp_darurat AS emergency_phone
  FROM peserta.orang;
CREATE VIEW typed.balances AS SELECT kpj::text AS nkp, to_date(periode, 'YYYYMM') AS as_of,
  iuran AS contributions, hasil AS returns, jumlah AS total FROM uang.saldo;
CREATE VIEW typed.contributions AS SELECT kpj::text AS nkp, bulan AS month, {SUMS}
  FROM uang.setoran GROUP BY kpj, bulan;
CREATE VIEW typed.programs AS SELECT DISTINCT kpj::text AS nkp, program, NULL::date AS until
  FROM uang.setoran;
CREATE VIEW typed.claims AS SELECT nomor AS claim_no, kpj::text AS nkp, program, tahap AS stage,
  masuk AS filed_on, berubah AS updated_on, nilai AS amount, NULL::text AS note FROM uang.klaim;
CREATE VIEW typed.offices AS SELECT * FROM naive.offices;
{SMALL_VIEWS.format(schema="typed")}
"""
RIGHT = f"""
CREATE SCHEMA "right";
CREATE FUNCTION "right".e164(typed text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT '+62' || (regexp_match(regexp_replace(split_part(typed, '/', 1), '[^0-9]', '', 'g'),
    '^(?:0|62)?(8[1-9][0-9]{{7,10}})$'))[1] $$;
CREATE INDEX ON peserta.orang (lpad(kpj::text, 11, '0'));
CREATE INDEX ON peserta.orang (lpad(ktp::text, 16, '0'));
CREATE INDEX ON uang.saldo (lpad(kpj::text, 11, '0'));
CREATE INDEX ON uang.setoran (lpad(kpj::text, 11, '0'), bulan);
CREATE INDEX ON uang.klaim (lpad(kpj::text, 11, '0'));
CREATE VIEW "right".participants AS SELECT lpad(kpj::text, 11, '0') AS nkp,
  lpad(ktp::text, 16, '0') AS nik, initcap(nama) AS name, lahir::date AS birth_date,
  "right".e164(hp) AS phone, surel AS email,
  CASE aktif WHEN 'A' THEN 'AKTIF' WHEN 'N' THEN 'TIDAK AKTIF' END AS status,
  (sejak AT TIME ZONE 'Asia/Jakarta')::date AS status_since, alasan AS status_reason,
  initcap(darurat) AS emergency_name, "right".e164(hp_darurat) AS emergency_phone
  FROM peserta.orang;
CREATE VIEW "right".balances AS SELECT lpad(kpj::text, 11, '0') AS nkp,
  to_date(periode, 'YYYYMM') AS as_of, iuran AS contributions, hasil AS returns, jumlah AS total
  FROM uang.saldo;
CREATE VIEW "right".contributions AS SELECT lpad(kpj::text, 11, '0') AS nkp, bulan AS month, {SUMS}
  FROM uang.setoran GROUP BY lpad(kpj::text, 11, '0'), bulan;
CREATE VIEW "right".programs AS SELECT DISTINCT lpad(kpj::text, 11, '0') AS nkp, program,
  NULL::date AS until FROM uang.setoran;
CREATE VIEW "right".claims AS SELECT nomor AS claim_no, lpad(kpj::text, 11, '0') AS nkp, program,
  (ARRAY['AGENDA', 'PENETAPAN', 'PERSETUJUAN', 'PEMBAYARAN', 'SELESAI', 'DITOLAK'])[tahap + 1]
  AS stage, (masuk AT TIME ZONE 'Asia/Jakarta')::date AS filed_on,
  (berubah AT TIME ZONE 'Asia/Jakarta')::date AS updated_on, nilai AS amount, NULL::text AS note
  FROM uang.klaim;
CREATE VIEW "right".offices AS SELECT kode AS code, initcap(nama) AS name, initcap(kota) AS city,
  alamat AS address, telepon AS phone, '08:00-15:30'::text AS hours,
  CASE zona WHEN 7 THEN 'WIB' WHEN 8 THEN 'WITA' WHEN 9 THEN 'WIT' END AS timezone
  FROM peserta.kantor;
{SMALL_VIEWS.format(schema='"right"')}
ANALYZE;
"""
ROLE = """
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
DO $$ BEGIN CREATE ROLE scheme_reader LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
GRANT USAGE ON SCHEMA naive, typed, "right" TO scheme_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA naive, typed, "right" TO scheme_reader;
"""
GENERATIONS = {"naive": NAIVE, "typed": TYPED, "right": RIGHT}


def make(connection: Connection, people: int) -> None:
    """Makes it in an empty PostgreSQL database, with all generations, each in a schema."""
    for script in (TABLES, ROWS.format(people=people), *GENERATIONS.values(), ROLE):
        connection.exec_driver_sql(script.replace("%", "%%"))


# The same in MariaDB, where a key is best left as the number that it is: its index is of numbers.
MARIADB_TABLES = """
CREATE TABLE orang (kpj bigint PRIMARY KEY, ktp decimal(16), nama varchar(90), lahir datetime,
  hp varchar(50), surel varchar(90), aktif char(1), sejak timestamp NULL, alasan varchar(90),
  darurat varchar(90), hp_darurat varchar(50), INDEX (ktp));
CREATE TABLE saldo (kpj bigint, periode char(6), iuran decimal(18,2), hasil decimal(18,2),
  jumlah decimal(18,2), PRIMARY KEY (kpj, periode));
CREATE TABLE setoran (kpj bigint, bulan date, program varchar(3), nominal decimal(18,2),
  PRIMARY KEY (kpj, bulan, program));
CREATE TABLE klaim (nomor varchar(20) PRIMARY KEY, kpj bigint, program varchar(3),
  tahap smallint, masuk timestamp NULL, berubah timestamp NULL, nilai decimal(18,2), INDEX (kpj));
CREATE TABLE kantor (kode varchar(5) PRIMARY KEY, nama varchar(90), kota varchar(90),
  alamat varchar(90), telepon varchar(30), zona smallint);
INSERT INTO orang SELECT 19500000000 + seq, 3171000000000000 + seq, concat('ORANG ', seq),
  '1970-01-01' + INTERVAL seq % 9000 DAY,
  if(seq % 3, concat('0812-', lpad(seq DIV 10000, 4, '0'), '-', lpad(seq % 10000, 4, '0')), NULL),
  NULL, if(seq % 5, 'A', 'N'), '2020-01-01', NULL, NULL, NULL FROM seq_1_to_{people};
INSERT INTO orang VALUES (19012345678, 3171011708900001, 'BUDI SANTOSO', '1990-08-17',
  '081234567890', 'budi@mail.id', 'A', '2015-02-28 17:30', NULL, 'RINA', '081299990001');
INSERT INTO saldo SELECT kpj, periode, 1000000.40, 200000.30, 1200000.70 FROM orang,
  (SELECT '202508' AS periode UNION SELECT '202509') p;
INSERT INTO setoran SELECT kpj, concat('2025-0', seq, '-01'), program, 120000.00 FROM orang,
  seq_6_to_9, (SELECT 'JHT' AS program UNION SELECT 'JP' UNION SELECT 'JKK') p WHERE kpj % 10 = 8;
INSERT INTO klaim SELECT concat('JHT/25/', kpj), kpj, 'JHT', kpj % 6, '2025-09-01 18:00',
  '2025-09-02 03:00', 5000000.00 FROM orang;
INSERT INTO kantor VALUES ('A01', 'Kc Salemba', 'Jakarta Pusat', 'Jl. Salemba 2', '021-5550199',
  7), ('X12', 'Kc Jayapura', 'Jayapura', 'Jl. Soa Siu', NULL, 9);
ANALYZE TABLE orang, saldo, setoran, klaim
"""
MARIADB_VIEWS = """
CREATE VIEW participants AS SELECT kpj AS nkp, ktp AS nik, nama AS name, date(lahir) AS birth_date,
  concat('+62', substr(replace(hp, '-', ''), 2)) AS phone, surel AS email,
  CASE aktif WHEN 'A' THEN 'AKTIF' WHEN 'N' THEN 'TIDAK AKTIF' END AS status,
  sejak AS status_since, alasan AS status_reason, darurat AS emergency_name,
  concat('+62', substr(hp_darurat, 2)) AS emergency_phone FROM orang;
CREATE VIEW balances AS SELECT kpj AS nkp,
  CAST(concat(left(periode, 4), '-', right(periode, 2), '-01') AS date) AS as_of,
  iuran AS contributions, hasil AS returns, jumlah AS total FROM saldo;
CREATE VIEW contributions AS SELECT kpj AS nkp, bulan AS month,
  sum(if(program = 'JHT', nominal, 0)) AS jht, sum(if(program = 'JP', nominal, 0)) AS jp,
  sum(if(program = 'JKK', nominal, 0)) AS jkk, sum(if(program = 'JKM', nominal, 0)) AS jkm,
  sum(if(program = 'JKP', nominal, 0)) AS jkp FROM setoran GROUP BY kpj, bulan;
CREATE VIEW programs AS SELECT DISTINCT kpj AS nkp, program, CAST(NULL AS date) AS until
  FROM setoran;
CREATE VIEW claims AS SELECT nomor AS claim_no, kpj AS nkp, program, elt(tahap + 1, 'AGENDA',
  'PENETAPAN', 'PERSETUJUAN', 'PEMBAYARAN', 'SELESAI', 'DITOLAK') AS stage, masuk AS filed_on,
  berubah AS updated_on, nilai AS amount, NULL AS note FROM klaim;
CREATE VIEW offices AS SELECT kode AS code, nama AS name, kota AS city, alamat AS address,
  telepon AS phone, '08:00-15:30' AS hours, elt(zona - 6, 'WIB', 'WITA', 'WIT') AS timezone
  FROM kantor;
CREATE VIEW rates AS SELECT 'JHT' AS program, 'PU' AS category, 'employer' AS item,
  CAST('2015-07-01' AS date) AS effective_from, 3.7 AS value, 'percent' AS unit
  UNION ALL SELECT 'JHT', 'PU', 'worker', '2015-07-01', 2, 'percent';
CREATE VIEW contacts AS SELECT 'call_centre' AS channel, '175' AS value, NULL AS hours
"""


def make_in_mariadb(cursor: object, people: int) -> None:
    """Makes it in the database `core`, for the role `reader`. Times are written in UTC."""
    script = (
        "CREATE DATABASE core; USE core; SET time_zone = '+00:00';"
        f"{MARIADB_TABLES.format(people=people)};{MARIADB_VIEWS};"
        "CREATE USER reader; GRANT SELECT, SHOW VIEW ON core.* TO reader"
    )
    for statement in script.split(";"):
        cursor.execute(statement)
