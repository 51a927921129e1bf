"""Finds cities among 503 offices, with the names that cities and regencies of Indonesia have."""

import csv
from pathlib import Path

import pytest

from handlers import city_names
from handlers.ports import Office

FILE = Path(__file__).parents[1] / "transcripts" / "ledgers" / "offices-of-500" / "offices.csv"


def offices() -> list[Office]:
    with FILE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    shown = ("name", "city", "address", "phone", "hours", "timezone")
    return [Office(**{name: row[name] for name in shown}) for row in rows]


OFFICES = offices()


def cities(written: str) -> list[str]:
    found = city_names.find(OFFICES, written)
    return list(dict.fromkeys(city_names.shown(each.city) for each in found))


def names(written: str) -> list[str]:
    return [each.name for each in city_names.find(OFFICES, written)]


def test_there_are_five_hundred_offices_in_cities_of_their_own() -> None:
    assert len(OFFICES) > 500
    assert len({city_names.city_of(each) for each in OFFICES}) > 450


@pytest.mark.parametrize(
    ("written", "city"),
    [
        ("BANDUNG", "Bandung"),
        ("BANDUNG BARAT", "Bandung Barat"),
        ("BANDA ACEH", "Banda Aceh"),
        ("ACEH BARAT", "Aceh Barat"),
        ("TANJUNG PINANG", "Tanjungpinang"),
        ("TANJUNGPINANG", "Tanjungpinang"),
        ("TANJUNG SELOR", "Bulungan"),
        ("Pangkalpinang", "Pangkalpinang"),
        ("PANGKAL PINANG", "Pangkalpinang"),
        ("parepare", "Parepare"),
        ("PARE PARE", "Parepare"),
        ("bau bau", "Baubau"),
        ("BAU-BAU", "Baubau"),
        ("TOJO UNA UNA", "Tojo Una-Una"),
        ("KEP SERIBU", "Seribu"),
        ("KEPULAUAN ARU", "Aru"),
        ("TANGERANG", "Tangerang"),
        ("TANGERANG SELATAN", "Tangerang Selatan"),
        ("PADANG", "Padang"),
        ("BATU", "Batu"),
        ("BANGKA", "Bangka"),
        ("BADUNG", "Badung"),
        ("KELAPA GADING", "Jakarta Utara"),
        ("KELAPAGADING", "Jakarta Utara"),
        ("JAKARTA CILANDAK", "Jakarta Selatan"),
        ("PALABUHANRATU", "Sukabumi"),
        ("JAKBAR", "Jakarta Barat"),
        ("JAKSEL", "Jakarta Selatan"),
        ("JAKTIM", "Jakarta Timur"),
        ("JAKUT", "Jakarta Utara"),
        ("JAKPUS", "Jakarta Pusat"),
        ("JKT SELATAN", "Jakarta Selatan"),
        ("BDG", "Bandung"),
        ("BDG BARAT", "Bandung Barat"),
        ("SBY", "Surabaya"),
        ("YOGYA", "Yogyakarta"),
        ("JOGJA", "Yogyakarta"),
        ("SMG", "Semarang"),
        ("MLG", "Malang"),
        ("MKS", "Makassar"),
        ("PLB", "Palembang"),
        ("TNG", "Tangerang"),
        ("BKS", "Bekasi"),
        ("DPK", "Depok"),
        ("TANGSEL", "Tangerang Selatan"),
        ("SOLO", "Surakarta"),
        ("Surabya", "Surabaya"),
        ("SURABAYAA", "Surabaya"),
        ("SUARBAYA", "Surabaya"),
        ("TANJUNG PINAN", "Tanjungpinang"),
        ("BANDUNG BRAT", "Bandung Barat"),
        ("JAKARTA SELTAN", "Jakarta Selatan"),
        ("MAKASSAR JAM BERAPA BUKA", "Makassar"),
        ("ALAMATNYA DMN YG PLB", "Palembang"),
        ("MAKASAR ALAMATNYA DIMANA", "Makassar"),
    ],
)
def test_a_city_is_found_as_people_write_it(written: str, city: str) -> None:
    assert cities(written) == [city]


@pytest.mark.parametrize("written", ["ATLANTIS", "", "KOTA", "BEKA", "BIMAA", "XYZ PINANG", "TUNG"])
def test_what_is_no_city_is_not_found(written: str) -> None:
    assert cities(written) == []


def test_every_city_is_found_by_its_own_name_and_by_nothing_else() -> None:
    for office in OFFICES:
        for written in (office.city, city_names.city_of(office).upper()):
            found = {city_names.city_of(each) for each in city_names.find(OFFICES, written)}
            assert found == {city_names.city_of(office)}


def test_what_several_cities_have_finds_them_all() -> None:
    assert cities("JAKARTA") == [
        f"Jakarta {part}" for part in ("Barat", "Pusat", "Selatan", "Timur", "Utara")
    ]
    assert cities("JKT") == cities("JAKARTA")
    assert cities("SUDIRMAN") == ["Pekanbaru", "Palembang", "Malang"]
    assert len(cities("ACEH")) == 12


def test_an_office_whose_name_is_written_whole_comes_before_others() -> None:
    assert names("SOREANG") == ["Soreang"]
    assert names("BANDUNG LODAYA") == ["Bandung Lodaya"]
    assert names("BANDUNG") == ["Bandung Suci", "Bandung Lodaya", "Bandung Bojongsoang", "Soreang"]


def test_an_office_without_a_city_is_found_by_its_name() -> None:
    office = Office("Sentani", None, None, None, None, None)  # type: ignore[arg-type]
    assert city_names.find([office], "sentani") == [office]
    assert city_names.find([office], "jayapura") == []
