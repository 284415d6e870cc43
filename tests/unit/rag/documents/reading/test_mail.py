"""Mails: escapes of mbox, what is forwarded, quotations of mails that are read too, threads."""

from __future__ import annotations

import mailbox
import random
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest

from graphagg.rag import chunk_documents, read_documents
from graphagg.rag.tables.mentions import link_keys, target_keys
from tests.unit.rag.documents.reading.files import read, write

WORDS = "pump valve budget harbor client invoice crane winter badge motor paint report".split()
MARKS = ("marks", "flowed", "outlook", "german", "html", "bare")
ANSWERED = "On Mon, Jun 15, 2026 at 8:00 AM Bea Berg <bea@x.org> wrote:"


def mail(subject: str, text: str, name: str = "", refers: str = "", html: str = "") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Bea <bea@x.org>", "al@x.org", subject
    message["Date"] = "Mon, 15 Jun 2026 08:00:00 +0200"
    if name:
        message["Message-ID"] = f"<{name}@x.org>"
    if refers:
        message["In-Reply-To"] = message["References"] = f"<{refers}@x.org>"
    message.set_content(html or text, subtype="html" if html else "plain")
    return message


def text_of(folder: Path, subject: str, text: str) -> str:
    """The text of a mail that is alone in its folder."""
    write(folder / "a.eml", bytes(mail(subject, text)))
    return next(iter(read_documents(folder))).text


def test_each_text_of_a_mail_is_read_once(tmp_path: Path) -> None:
    mixed, other = (
        "Content-Type: multipart/mixed; boundary=M",
        "Content-Type: multipart/alternative",
    )
    attached = "Content-Disposition: attachment; filename"
    parts = [
        f"{other}; boundary=A\n\n--A\nContent-Type: text/plain\n\nSee HTML.\n"
        "--A\nContent-Type: multipart/related; boundary=R\n\n--R\nContent-Type: text/html\n\n"
        "<p>The pump is red and hums all day.</p>\n--R\nContent-Type: image/png\n\nx\n--R--\n"
        "--A\nContent-Type: text/calendar\n\nBEGIN:VEVENT\nSUMMARY:Plan\nLOCATION:Oslo\n"
        "END:VEVENT\n--A--\n",
        f"Content-Type: text/plain; charset=iso-2022-jp\n{attached}=n.txt\n\n" + "\x1b$BEl5~\x1b(B",
        f"Content-Type: text/plain\n{attached}=n.txt\n\nThe second note.",
        f"Content-Type: application/zip\n{attached}=z.zip\n\nPK",
        "Content-Type: text/html\n\n<p>After the files.</p>",
        "Content-Type: text/plain\n\nPlain behind HTML.",
    ]
    body = "".join(f"--M\n{part}\n" for part in parts)
    write(tmp_path / "a.eml", f"From: a@x.org\nSubject: s\n{mixed}\n\n{body}--M--\n")
    write(tmp_path / "b.eml", "From: a@x.org\n\nDer Schlüssel hängt.\n".encode("cp1252"))
    documents, report = read(tmp_path)
    assert {name: each.text for name, each in documents.items()} == {
        "a.eml": "The pump is red and hums all day.\n\nAfter the files.", "a.eml/n.txt": "東京",
        "a.eml/attachment-2.ics/1": "location: Oslo", "a.eml/4-n.txt": "The second note.",
        "a.eml/attachment-6.txt": "Plain behind HTML.", "b.eml": "Der Schlüssel hängt.",
    }  # fmt: skip
    assert {each.path: each.kind for each in report.refused} == {
        "a.eml/attachment-1.png": "of unknown kind (.png)",
        "a.eml/z.zip": "broken",
    }


# --- forwards and quotations ---------------------------------------------------------------------

HEADERS = "From: x <x@y.org>\nDate: Mon, 1 Jun 2026\nSubject: budget\nTo: z\n\n"
BUDGET = f"{HEADERS}The budget is 5 million."
FORWARDS = {
    "gmail": f"---------- Forwarded message ---------\n{BUDGET}",
    "thunderbird": f"-------- Weitergeleitete Nachricht --------\n{BUDGET}",
    "outlook": f"-----Original Message-----\n{BUDGET}",
    "apple": "Begin forwarded message:\n\n> " + BUDGET.replace("\n", "\n> "),
}


@pytest.mark.parametrize("form", sorted(FORWARDS))
def test_what_is_forwarded_stays_even_beside_its_mail(tmp_path: Path, form: str) -> None:
    text = text_of(tmp_path / "alone", "Fwd: budget", f"FYI\n\n{FORWARDS[form]}\n")
    assert text.startswith("FYI\n\n") and text.endswith("To: z\n\nThe budget is 5 million.")
    assert ">" not in text.replace("<x@y.org>", "")
    write(tmp_path / "both" / "a.eml", bytes(mail("Fwd: budget", f"FYI\n\n{FORWARDS[form]}\n")))
    write(tmp_path / "both" / "b.eml", bytes(mail("budget", "The budget is 5 million.")))
    documents, report = read(tmp_path / "both")
    assert documents["a.eml"].text == text and report.quotations == 0


def test_a_quotation_stays_unless_its_mail_is_there(tmp_path: Path) -> None:
    reply = f"Fine with me.\n\n{ANSWERED}\n> The budget is 5 million.\n>\n> Ask Al.\n\nBest, Bea"
    alone = text_of(tmp_path / "alone", "Re: budget", reply)
    assert alone == (
        f"Fine with me.\n\n{ANSWERED}\nThe budget is 5 million.\n\nAsk Al.\n\nBest, Bea"
    )
    both = tmp_path / "both"
    write(both / "z.eml", bytes(mail("budget", "Dear all,\nThe budget is\n5 million.")))
    write(both / "a.eml", bytes(mail("Re: budget", reply)))
    documents, report = read(both)
    assert documents["a.eml"].text == alone  # no paragraph in common
    write(both / "z.eml", bytes(mail("budget", "The budget is 5 million.\n\nAsk Al.", "m1")))
    write(both / "a.eml", bytes(mail("Re: budget", reply, "m2", "m1")))
    documents, report = read(both)
    assert documents["a.eml"].text == "Fine with me.\n\nBest, Bea" and report.quotations == 1
    assert "left out of mails: 1 quotations" in str(report)


def test_what_the_quoted_mail_does_not_hold_stays(tmp_path: Path) -> None:
    write(tmp_path / "a.eml", bytes(mail("budget", "The budget is 5 million.", "m1")))
    reply = "Yes.\n> The budget is 5 million.\n>\n> The crane is red.\n>> Older words of Al.\n"
    write(tmp_path / "b.eml", bytes(mail("Re: budget", reply, "m2", "m1")))
    documents, report = read(tmp_path)
    assert documents["b.eml"].text == "Yes.\n\nThe crane is red.\n\nOlder words of Al."
    assert report.quotations == 1
    write(tmp_path / "b.eml", bytes(mail("Re: budget", "> The budget is 5 million.\n", "m2", "m1")))
    assert read(tmp_path)[0]["b.eml"].text == "Re: budget"


def quoted(form: str, own: str, parent: str) -> tuple[str, str]:
    """Plain text and HTML of an answer that quotes all of a mail."""
    if form in ("outlook", "german", "bare"):
        label = {"outlook": "-----Original Message-----\n", "bare": "",
                 "german": "-----Ursprüngliche Nachricht-----\n"}[form]  # fmt: skip
        names = ("Von", "Gesendet", "An") if form == "german" else ("From", "Sent", "To")
        headers = "\n".join(f"{name}: al@x.org" for name in names)
        return f"{own}\n\n{label}{headers}\nSubject: x\n\n{parent}\n", ""
    if form == "html":
        inner = "".join(f"<p>{each}</p>" for each in parent.split("\n\n"))
        written = own.replace("\n\n", "<br><br>")
        return "", f"<div>{written}</div><div>{ANSWERED}</div><blockquote>{inner}</blockquote>"
    lines = parent.split("\n")
    if form == "flowed":  # broken anew by the quoting program
        lines = [line for each in lines for line in (each[:40], each[40:])[: 1 + (len(each) > 40)]]
    marked = "\n".join(f"> {line}" if line else ">" for line in lines)
    return f"{own}\n\n{ANSWERED}\n{marked}\n", ""


@pytest.mark.parametrize("seed", range(3))
def test_threads_lose_nothing_and_repeat_nothing(tmp_path: Path, seed: int) -> None:
    """Each mail quotes its parent whole; some parents are not in the folder."""
    rng = random.Random(seed)
    texts: list[tuple[int | None, str]] = []
    plains: list[str] = []
    present = set[int]()
    (tmp_path / "box").mkdir()
    box = mailbox.mbox(tmp_path / "box" / "all.mbox")
    for number in range(24):
        parent = rng.randrange(number) if number and rng.random() < 0.8 else None
        own = "\n\n".join(
            f"From day {number}.{i} the {' '.join(rng.choices(WORDS, k=9))}." for i in range(2)
        )
        texts.append((parent, own))
        form = rng.choice(MARKS if rng.random() < 0.9 else ("marks",))
        plain, html = (own, "") if parent is None else quoted(form, own, texts[parent][1])
        plains.append(plain)
        refers = f"m{parent}" if parent is not None and rng.random() < 0.7 else ""
        if rng.random() < 0.7:
            present.add(number)
            message = mail("Re: x", plain, f"m{number}", refers, html)
            write(tmp_path / "eml" / f"{rng.random()}-{number}.eml", message.as_bytes())
            box.add(message)
    box.flush()
    documents, report = read(tmp_path / "eml")
    found = {int(name[:-4].rpartition("-")[2]): each.text for name, each in documents.items()}
    assert found.keys() == present
    repeated = 0
    for number in present:
        parent, own = texts[number]
        expected = own.split("\n\n")
        if parent is not None and parent not in present:
            expected += texts[parent][1].split("\n\n")
        squeezed = found[number].replace("\n", " ")
        everything = [each for _, text in texts for each in text.split("\n\n")]
        flat = squeezed.replace(" ", "")
        assert {each for each in everything if each.replace(" ", "") in flat} == set(expected)
        repeated += parent is not None and parent in present
        assert ("wrote:" in squeezed or "al@x.org" in squeezed) == (len(expected) > 2)
    assert report.quotations == repeated
    boxed, _ = read(tmp_path / "box")
    assert sorted(each.text for each in boxed.values()) == sorted(found.values())


# --- mbox ----------------------------------------------------------------------------------------


def test_escapes_of_mbox_are_undone_first(tmp_path: Path) -> None:
    bodies = [
        "From 1 July the VPN client is WireGuard.",
        "Dear all,\n\nFrom 1 July it is new.\n\nBea",
    ]
    box = mailbox.mbox(tmp_path / "a.mbox")
    for body in bodies:
        box.add(mail("VPN", body))
    box.flush()
    raw = (tmp_path / "a.mbox").read_bytes()
    assert raw.count(b"\n>From 1 July") == 2
    documents, _ = read(tmp_path)
    assert [each.text for each in documents.values()] == bodies
    write(tmp_path / "a.mbox", raw.replace(b"\n>From 1", b"\n>>From 1"))  # mboxrd: a quotation
    assert all("From 1 July" in each.text for each in read(tmp_path)[0].values())
    write(tmp_path / "a.mbox", raw.replace(b"\n>From 1", b"\nFrom 1"))  # without escapes
    assert [each.text for each in read(tmp_path)[0].values()] == bodies
    write(tmp_path / "a.mbox", raw.replace(b"\n", b"\r\n"))
    assert [each.text for each in read(tmp_path)[0].values()] == bodies


# --- threads -------------------------------------------------------------------------------------


def test_earlier_mails_are_links(tmp_path: Path) -> None:
    write(tmp_path / "a.eml", bytes(mail("Pumps", "The IM-22 leaks in Oslo.", "m1")))
    answer = mail("Re: Pumps", "Take the blue gasket.", "m2", "m1")
    answer.replace_header("References", "<m0@x.org> <m1@x.org>")
    write(tmp_path / "b.eml", answer.as_bytes(policy=SMTP))
    documents, _ = read(tmp_path)
    assert documents["a.eml"].anchors == {"m1@x.org": 0}
    assert [link.anchor for link in documents["b.eml"].links] == ["m0@x.org", "m1@x.org"]
    passages = {each.id: each for each in chunk_documents(documents.values())}
    keys = {key for key, _ in link_keys(passages["b.eml"].metadata)}
    assert len(keys & set(target_keys(passages["a.eml"]))) == 1
    assert not keys & set(target_keys(passages["b.eml"]))
    assert passages["b.eml"].metadata["links"] == {"#m0@x.org": 0, "#m1@x.org": 0}
