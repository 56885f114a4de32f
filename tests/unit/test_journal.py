"""What runs say is written down whole, and brought in order once the store answers."""

import json
import threading

import pytest

from kerasbook import journal
from kerasbook.errors import KerasbookError
from kerasbook.journal import Courier, Journal, merged


def log(**batch):
    return {"event": "log", **batch}


@pytest.fixture
def one(tmp_path):
    found = Journal(tmp_path / "journal", journal.new_id())
    assert found.take()
    yield found
    found.leave()


def begin(one):
    return {"event": "begin", "id": one.id, "time": 7}


def test_what_was_written_is_read_to_the_last_digit(one):
    # The last are ends of lines to Unicode, not to JSON.
    tags = {"ü": "x\ny", "ends": "a\u2028b\u2029c\x85d\x1ee"}
    events = [begin(one), log(metrics=[["loss", 0.1 + 0.2, 1700000000123, 4]], tags=tags)]
    for event in events:
        one.append(event)
    assert one.events() == events


@pytest.mark.parametrize("torn", ['{"event": "log", "metr', "\n", "nonsense\n", "[1]\n", '"a"\n'])
def test_a_line_that_a_dying_process_left_half_is_no_event(one, torn):
    one.append(begin(one))
    with open(one.file, "a", encoding="utf-8") as file:
        file.write(torn)
    assert one.events() == [begin(one)]


def test_a_journal_without_its_beginning_has_nothing_to_say(one):
    one.append(log(tags={"a": "b"}))
    assert one.events() == []
    assert Journal(one.file.parent, journal.new_id()).events() == []


def test_a_journal_has_one_owner(one):
    other = Journal(one.file.parent, one.id)
    assert not other.take()
    one.append(begin(one))
    one.leave()
    assert other.take()
    other.leave()
    assert one.take()


def test_what_is_no_number_is_refused_before_it_breaks_the_file(one):
    one.append(begin(one))
    with pytest.raises(ValueError):
        one.append(log(metrics=[["loss", float("nan"), 1, 1]]))
    assert one.events() == [begin(one)]


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "journal").write_text("a file")
    with pytest.raises(KerasbookError, match="cannot be written"):
        Journal(tmp_path / "journal", "j" + "0" * 32).append({"event": "begin"})


def test_files_are_kept_beside_the_journal_under_their_names(one, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "MLmodel").write_text("m")
    (tmp_path / "a.svg").write_text("1")
    first = one.keep(tmp_path / "a.svg")
    (tmp_path / "a.svg").write_text("2")
    second, folder = one.keep(tmp_path / "a.svg"), one.keep(tmp_path / "model")
    assert [(one.payload / name).read_text() for name in (first, second)] == ["1", "2"]
    assert (one.payload / folder / "MLmodel").read_text() == "m"
    one.append(begin(one))
    one.stamp({"run_id": "0" * 32})
    one.delete()
    assert sorted(path.suffix for path in one.file.parent.iterdir()) == [".json", ".lock"]
    assert journal.tickets(one.file.parent) == {one.id: {"run_id": "0" * 32}}


def test_journals_come_in_the_order_in_which_they_began(tmp_path):
    for at, name in ((30, "a"), (10, "b"), (20, "c")):
        text = json.dumps({"event": "begin", "time": at}) + "\n"
        (tmp_path / f"j{name * 32}.jsonl").write_text(text)
    (tmp_path / f"j{'d' * 32}.jsonl").write_text("torn")
    (tmp_path / "notes.jsonl").write_text("{}\n")
    assert [one.id[1] for one in journal.journals(tmp_path)] == ["d", "b", "c", "a"]


def test_events_are_merged_within_what_a_server_takes_at_once():
    rows = [["loss", float(i), i, i] for i in range(1500)]
    dataset = {"event": "dataset", "name": "x"}
    events = [
        log(metrics=rows[:900]), log(metrics=rows[900:], tags={"a": "1"}), log(tags={"a": "2"}),
        log(params={str(i): "p" for i in range(150)}), dataset, log(tags={"b": "3"}), log(),
    ]  # fmt: skip
    found = list(merged(events))
    assert [one["event"] for one in found] == ["log", "log", "dataset", "log"]
    assert found[0]["metrics"] + found[1]["metrics"] == rows
    assert len(found[0]["metrics"]) == 1000
    assert found[0]["tags"] == {"a": "2"}
    assert [len(one["params"]) for one in found[:2]] == [100, 50]
    assert found[3]["tags"] == {"b": "3"}


class Store:
    """Takes events while it is there; `after` many it takes, and still does not answer."""

    def __init__(self):
        self.there = threading.Event()
        self.tried = threading.Semaphore(0)
        self.got = []

    def receive(self, events):
        try:
            if not self.there.is_set():
                raise ConnectionError("away")
            self.got += events
        finally:
            self.tried.release()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(journal, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(journal, "LONGEST_WAIT", 0.004)


def test_a_courier_brings_all_in_order_when_the_store_is_back(quick, caplog):
    store = Store()
    courier = Courier(store.receive, [0], "there")
    courier.start()
    for number in range(1, 50):
        courier.bring(number)
    for _ in range(5):
        assert store.tried.acquire(timeout=20)
    assert store.got == []
    store.there.set()
    assert courier.close()
    assert store.got == list(range(50))
    assert caplog.text.count("away. The job goes on.") == 1


def test_a_courier_does_not_wait_for_a_store_that_is_away_when_the_job_ends(monkeypatch):
    monkeypatch.setattr(journal, "FIRST_WAIT", 3600)
    store = Store()
    courier = Courier(store.receive, [], "there")
    courier.start()
    courier.bring(1)
    assert store.tried.acquire(timeout=20)
    closing = threading.Thread(target=courier.close)
    closing.start()
    closing.join(timeout=20)
    assert not closing.is_alive()
    assert not courier.close()
    assert store.got == []


def test_a_courier_that_has_nothing_to_bring_ends_at_once():
    courier = Courier(Store().receive, [], "there")
    courier.start()
    assert courier.close()
