//! Random values of every type: what is written reads back equal, and what SQLite cannot hold is refused.

use crate::block_on;
use crate::stage::Stage;
use bigdecimal::BigDecimal;
use proptest::prelude::*;
use tributary_member::Connector;
use tributary_member::contract::apply::feed::Scene;
use tributary_member::contract::fixture::{bind, id, provisioned, table};
use tributary_member::sqlite::{OnLoss, SqliteSettings};
use tributary_model::{KeyBytes, LogicalType, Row, TableSchema, Value, time::TICKS_A_DAY};
use uuid::Uuid;

const MONEY: LogicalType = LogicalType::Decimal { precision: 38, scale: 6 };

fn everything() -> TableSchema {
    let columns = [
        ("id", LogicalType::Long),
        ("boolean", LogicalType::Boolean),
        ("int", LogicalType::Int),
        ("long", LogicalType::Long),
        ("money", MONEY),
        ("numeric", LogicalType::Numeric),
        ("float", LogicalType::Float),
        ("double", LogicalType::Double),
        ("string", LogicalType::String),
        ("bytes", LogicalType::Bytes),
        ("uuid", LogicalType::Uuid),
        ("date", LogicalType::Date),
        ("time", LogicalType::Time),
        ("timestamp", LogicalType::Timestamp),
        ("offset", LogicalType::TimestampOffset),
    ];
    table("everything", &columns, &["id"])
}

fn values() -> impl Strategy<Value = Vec<Value>> {
    let float = prop_oneof![any::<f32>(), (-1000..1000_i32).prop_map(|number| number as f32)];
    let double = prop_oneof![any::<f64>(), any::<i64>().prop_map(|number| number as f64)];
    let first = (
        any::<bool>().prop_map(Value::Boolean),
        any::<i32>().prop_map(Value::Int),
        any::<i64>().prop_map(Value::Long),
        (any::<i64>(), 0..7_i64)
            .prop_map(|(digits, scale)| Value::Decimal(BigDecimal::new(digits.into(), scale))),
        (any::<i128>(), -40..40_i64)
            .prop_map(|(digits, scale)| Value::Decimal(BigDecimal::new(digits.into(), scale))),
        float.prop_map(Value::Float),
        double.prop_map(Value::Double),
    );
    let second = (
        any::<String>().prop_map(Value::String),
        prop::collection::vec(any::<u8>(), 0..50).prop_map(Value::Bytes),
        any::<u128>().prop_map(|number| Value::Uuid(Uuid::from_u128(number))),
        any::<i32>().prop_map(Value::Date),
        (0..TICKS_A_DAY).prop_map(Value::Time),
        any::<i64>().prop_map(Value::Timestamp),
        (any::<i64>(), -840..=840_i16)
            .prop_map(|(ticks, offset_minutes)| Value::TimestampOffset { ticks, offset_minutes }),
    );
    (first, second, prop::collection::vec(prop::bool::weighted(0.1), 14)).prop_map(
        |(first, second, nulls)| {
            let (a, b, c, d, e, f, g) = first;
            let (h, i, j, k, l, m, n) = second;
            let values = [a, b, c, d, e, f, g, h, i, j, k, l, m, n];
            values
                .into_iter()
                .zip(nulls)
                .map(|(value, null)| if null { Value::Null } else { value })
                .collect()
        },
    )
}

/// What SQLite has no value for, or none that comes back.
fn is_lost(value: &Value) -> bool {
    match value {
        Value::Float(number) => number.is_nan() || (*number == 0.0 && number.is_sign_negative()),
        Value::Double(number) => number.is_nan() || (*number == 0.0 && number.is_sign_negative()),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_written_reads_back(rows in prop::collection::vec(values(), 1..30)) {
        block_on(async {
            let mut stage = Stage::new("", vec![bind(everything())]).await;
            let rows: Vec<Row> = rows
                .into_iter()
                .enumerate()
                .map(|(at, values)| Row::of([Value::Long(at as i64)].into_iter().chain(values)))
                .collect();
            let keys: Vec<KeyBytes> = (0..rows.len() as i64).map(id).collect();
            // First as they are, then each with the values of another.
            for turn in [0, 1] {
                let mut turned = rows.clone();
                turned.rotate_left(turn);
                for (at, row) in turned.iter_mut().enumerate() {
                    row.0[0] = Some(Value::Long(at as i64));
                }
                let before = stage.scene.member.rows(0, &keys).await.unwrap();
                let records = stage.scene.upserts(0, turned.clone());
                let words = stage.scene.apply(records).await;
                let stand = stage.scene.member.rows(0, &keys).await.unwrap();
                for (at, row) in turned.into_iter().enumerate() {
                    if row.0.iter().flatten().any(is_lost) {
                        assert_eq!(words[at], "value", "{row:?}");
                        assert_eq!(stand[at], before[at]);
                    } else {
                        assert_eq!(words[at], "upserted", "{row:?}");
                        assert_eq!(stand[at], Some(row));
                    }
                }
            }
            assert!(stage.scene.captured(0).await.is_empty());
        });
    }
}

/// What a column cannot hold is refused, or rounded and counted if the member is set to.
#[test]
fn narrow_columns_refuse_or_round() {
    block_on(async {
        let schema = table(
            "price",
            &[("id", LogicalType::Long), ("amount", MONEY), ("n", LogicalType::Long)],
            &["id"],
        );
        let definition = "CREATE TABLE price (id INTEGER NOT NULL PRIMARY KEY, amount DECIMAL(38,2), n INT)";
        let of = |id, amount: &str, n| {
            Row::of([Value::Long(id), Value::Decimal(amount.parse().unwrap()), Value::Long(n)])
        };
        let rows =
            [of(1, "1.25", 1), of(2, "1.234", 1), of(3, "123456789012345678.25", 1), of(4, "1", i64::MAX)];
        let mut stage = Stage::new(definition, vec![bind(schema.clone())]).await;
        let records = stage.scene.upserts(0, rows.clone());
        assert_eq!(stage.scene.apply(records).await, ["upserted", "value", "value", "value"]);
        for parked in stage.scene.parked().await {
            let message = parked.refusal.message;
            assert!(message.contains("column \"amount\"") || message.contains("column \"n\""), "{message}");
            assert!(!message.contains("1.234") && !message.contains("12345"), "no values: {message}");
        }
        let fixture = crate::support::SqliteFixture::new();
        fixture.connection().execute_batch(definition).unwrap();
        let settings = SqliteSettings { on_loss: OnLoss::Round, ..SqliteSettings::default() };
        let connector = fixture.sqlite("hq").with_settings(settings);
        let bindings = vec![bind(schema)];
        provisioned(&fixture, &bindings).await;
        let user = fixture.connection();
        let member = connector.connect(&bindings).await.unwrap();
        let mut scene = Scene::of(Box::new(fixture), bindings, member).await;
        let records = scene.upserts(0, rows);
        assert_eq!(scene.apply(records).await, ["upserted", "upserted", "upserted", "value"]);
        let stand = crate::support::texts(&user, "SELECT id, round(amount, 2) FROM price WHERE id < 3");
        assert_eq!(stand, [["1", "1.25"], ["2", "1.23"]]);
        assert!(scene.captured(0).await.is_empty());
    });
}
