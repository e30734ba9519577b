"""The tasks of etl.yaml: orders from CSV into SQLite, with rates from a source that fails twice before it answers."""

from __future__ import annotations

import csv
import random
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from core import JobContext, task

CURRENCIES = ("EUR", "USD", "JPY", "GBP")


@task("etl.extract")
def extract(orders: int) -> dict[str, Any]:
    """Write `orders` orders as a shop would export them: with spaces, empty fields and mixed case."""
    file = Path(tempfile.mkdtemp(prefix="flowtui-etl-")) / "orders.csv"
    dice = random.Random(7)
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["order", "customer", "currency", "amount"])
        for number in range(orders):
            customer = f" C{dice.randrange(400):03d}" if dice.random() > 0.002 else ""
            currency = dice.choice(CURRENCIES)
            amount = f"{dice.lognormvariate(3, 1):.2f}" if dice.random() > 0.01 else "n/a"
            writer.writerow([number, customer, currency.lower() if dice.random() < 0.2 else currency, amount])
    return {"file": str(file), "orders": orders}


@task("etl.rates")
def rates() -> dict[str, float]:
    """Exchange rates, from a source that is overloaded at first."""
    attempt = JobContext.current().attempt
    if attempt < 3:
        raise ConnectionError(f"the rates service is overloaded (attempt {attempt})")
    return {"EUR": 1.0, "USD": 0.92, "JPY": 0.0061, "GBP": 1.17}


@task("etl.clean")
def clean(file: str) -> dict[str, Any]:
    """Normalise the fields and drop orders without an amount."""
    context = JobContext.current()
    source, target = Path(file), Path(file).with_name("clean.csv")
    kept = dropped = 0
    with source.open(newline="") as inn, target.open("w", newline="") as out:
        writer = csv.writer(out)
        for row in csv.DictReader(inn):
            try:
                amount = float(row["amount"])
            except ValueError:
                dropped += 1
                context.log(f"order {row['order']} has no amount: {row['amount']!r}", "WARNING")
                continue
            kept += 1
            writer.writerow([row["order"], row["customer"].strip(), row["currency"].upper(), amount])
    return {"file": str(target), "kept": kept, "dropped": dropped}


@task("etl.load")
def load(file: str, rates: dict[str, float]) -> dict[str, Any]:
    """Load the orders into SQLite, amounts in euros. Loading again changes nothing: a retry is harmless."""
    database = Path(file).with_name("orders.sqlite")
    with closing(sqlite3.connect(database)) as db, db, open(file, newline="") as rows:
        db.execute("create table if not exists orders (id integer primary key, customer text, euros real)")
        db.executemany(
            "insert or replace into orders values (?, ?, ?)",
            (
                (int(order), customer, float(amount) * rates[currency])
                for order, customer, currency, amount in csv.reader(rows)
            ),
        )
        count = db.execute("select count(*) from orders").fetchone()[0]
    return {"database": str(database), "rows": count}


@task("etl.settle")
def settle(database: str) -> dict[str, Any]:
    """Add up by customer."""
    with closing(sqlite3.connect(database)) as db:
        total, customers = db.execute(
            "select sum(euros), count(distinct nullif(customer, '')) from orders"
        ).fetchone()
        best = db.execute(
            "select customer, sum(euros) from orders group by 1 order by 2 desc limit 3"
        ).fetchall()
    return {
        "euros": round(total, 2),
        "customers": customers,
        "best": [[name, round(sum_, 2)] for name, sum_ in best],
    }


@task("etl.audit")
def audit(database: str) -> None:
    """Refuse data that nobody can answer for."""
    with closing(sqlite3.connect(database)) as db:
        bad = [row[0] for row in db.execute("select id from orders where customer = '' order by id")]
    if bad:
        raise ValueError(f"{len(bad)} orders have no customer, for example {', '.join(map(str, bad[:5]))}")


@task("etl.publish")
def publish(settled: dict[str, Any]) -> str:
    """Would hand the figures to others; it needs the audit and so never runs here."""
    return f"published {settled['euros']:,.2f} EUR"


@task("etl.report")
def report(
    extracted: dict[str, Any] | None,
    loaded: dict[str, Any] | None,
    settled: dict[str, Any] | None,
    published: str | None,
) -> str:
    """Say what became of it, whatever happened before; clean up."""
    lines = [
        f"extracted  {extracted['orders']:,} orders" if extracted else "extracted  nothing",
        f"loaded     {loaded['rows']:,} orders" if loaded else "loaded     nothing",
    ]
    if settled:
        best = ", ".join(f"{name} {euros:,.2f}" for name, euros in settled["best"])
        lines += [
            f"settled    {settled['euros']:,.2f} EUR of {settled['customers']} customers",
            f"best       {best}",
        ]
    lines.append(published or "published  nothing: the audit failed")
    if extracted:
        shutil.rmtree(Path(extracted["file"]).parent, ignore_errors=True)
    return "\n".join(lines)
