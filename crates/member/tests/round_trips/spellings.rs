//! Values that users of SQLite have spelt otherwise than this program does: they come back as the same values.

use crate::home::Database;
use crate::pair::Pair;
use crate::postgres::block_on;
use bigdecimal::BigDecimal;
use std::str::FromStr as _;
use tributary_member::Outcome;
use tributary_model::{LogicalType, Row, Value, time};
use uuid::Uuid;

fn decimal(text: &str) -> Value {
    Value::Decimal(BigDecimal::from_str(text).unwrap())
}

fn timestamp(text: &str) -> Value {
    Value::Timestamp(time::parse_timestamp(text).unwrap())
}

/// Literals in columns of a declared type, and what they mean.
fn spellings() -> Vec<(LogicalType, Option<&'static str>, &'static str, Value)> {
    use LogicalType as T;
    let id = "0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0";
    vec![
        (T::Numeric, None, "'1.50'", decimal("1.5")),
        (T::Numeric, None, "'+007.'", decimal("7")),
        (T::Numeric, None, "2.25", decimal("2.25")),
        (T::Numeric, Some("NUMERIC"), "'12.00'", decimal("12")),
        (T::Numeric, Some("NUMERIC"), "1e3", decimal("1000")),
        (T::Double, None, "3", Value::Double(3.0)),
        (T::Double, Some("NUMERIC"), "'1e3'", Value::Double(1000.0)),
        (T::Boolean, None, "TRUE", Value::Boolean(true)),
        (T::Long, None, "'12'", Value::Long(12)),
        (T::Long, None, "12.0", Value::Long(12)),
        (T::Uuid, None, "'0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0'", Value::Uuid(Uuid::from_str(id).unwrap())),
        (T::Time, None, "'10:00'", Value::Time(10 * 3600 * time::TICKS_A_SECOND)),
        (T::Timestamp, None, "'2026-01-02'", timestamp("2026-01-02 00:00:00")),
        (T::Timestamp, Some("DATETIME"), "'2026-01-02T03:04'", timestamp("2026-01-02 03:04:00")),
        (T::Timestamp, None, "'2026-01-02 03:04:05.500'", timestamp("2026-01-02 03:04:05.5")),
        (
            T::TimestampOffset,
            None,
            "'1970-01-01T00:00:01Z'",
            Value::TimestampOffset { ticks: time::TICKS_A_SECOND, offset_minutes: 0 },
        ),
    ]
}

/// What users write in their own way is the same value everywhere, and when it comes back.
pub(crate) fn of_sqlite_users_keep_their_values() {
    block_on(async {
        let mut pair = Pair::new(Database::Sqlite, Database::Postgres, false).await;
        for (number, (logical, declared, literal, value)) in spellings().into_iter().enumerate() {
            let lane = pair.lanes.iter().position(|lane| {
                lane.logical == logical
                    && lane.from.declared == declared
                    && lane.to.declared.is_none()
                    && !lane.keyed
            });
            let lane = lane.unwrap();
            let name = pair.lanes[lane].name().to_owned();
            let number = number as i64;
            let written =
                format!("INSERT INTO \"{name}\" (\"run\", \"id\", \"held\") VALUES (0, {number}, {literal})");
            pair.from.user.run(&written).await;
            let row = |touched| Row::of([Value::Long(0), Value::Long(number), touched, value.clone()]);
            let (changes, unpublishable) = pair.from.changes(lane).await;
            assert!(unpublishable.is_empty(), "{literal} as {logical}: {unpublishable:?}");
            assert_eq!(changes[0].change.row, Some(row(Value::Null)), "{literal} as {logical}");
            let there = pair.feed.settle(lane, &changes[0]).unwrap();
            assert_eq!(pair.to.apply(&mut pair.feed, vec![there]).await, [Outcome::Upserted]);
            pair.to.user.run(&format!("UPDATE \"{name}\" SET \"touched\" = 1 WHERE \"id\" = {number}")).await;
            let (changes, _) = pair.to.changes(lane).await;
            let back = pair.feed.settle(lane, &changes[0]).unwrap();
            let key = back.key.clone();
            assert_eq!(pair.from.apply(&mut pair.feed, vec![back]).await, [Outcome::Upserted]);
            let stands = pair.from.member().rows(lane, &[key]).await.unwrap();
            assert_eq!(stands, [Some(row(Value::Int(1)))], "{literal} as {logical}");
        }
    });
}
