//! Values of every type at their edges, written by an operator's statement and captured again.

use crate::contract::fixture::{Factory, all_told, bind, drain, id, key_of, provisioned, table};
use crate::{ErrorKind, TablePosition};
use bigdecimal::BigDecimal;
use std::str::FromStr as _;
use tributary_model::{KeyBytes, LogicalType, Row, TableSchema, Value};
use uuid::Uuid;

fn decimal(text: &str) -> Value {
    Value::Decimal(BigDecimal::from_str(text).unwrap())
}

/// Every type with the values at its edges that every database can hold.
pub fn edges() -> Vec<(LogicalType, Vec<Value>)> {
    let day = tributary_model::time::TICKS_A_DAY;
    let texts = [
        "",
        " ",
        "a ",
        "it's",
        "\"q\"",
        "line\nbreak\r\t",
        "größe 名前 😀",
        "NULL",
        "123",
        "1e5",
        "0x10",
        " 1",
    ];
    vec![
        (LogicalType::Boolean, vec![Value::Boolean(false), Value::Boolean(true)]),
        (LogicalType::Int, [0, 1, -1, i32::MIN, i32::MAX].map(Value::Int).to_vec()),
        (LogicalType::Long, [0, -1, i64::MIN, i64::MAX, (1 << 53) + 1].map(Value::Long).to_vec()),
        (
            LogicalType::Decimal { precision: 38, scale: 4 },
            [
                "0",
                "-0.0001",
                "1.5",
                "1234567890123456789012345678901234.5678",
                "-9999999999999999999999999999999999.9999",
            ]
            .map(decimal)
            .to_vec(),
        ),
        (
            LogicalType::Numeric,
            ["0", "-1", "0.1", "1e-30", "123456789012345678901234567890.12345678901234567890"]
                .map(decimal)
                .to_vec(),
        ),
        (
            LogicalType::Float,
            [0.0, 1.5, -1.0e-38, f32::MIN, f32::MAX, f32::MIN_POSITIVE, 0.1].map(Value::Float).to_vec(),
        ),
        (
            LogicalType::Double,
            [0.0, 0.1, 1.0, -2.5e300, f64::MIN, f64::MAX, f64::MIN_POSITIVE, 1e15, 0.1 + 0.2]
                .map(Value::Double)
                .to_vec(),
        ),
        (LogicalType::String, texts.map(|text| Value::String(text.to_owned())).to_vec()),
        (
            LogicalType::Bytes,
            [Vec::new(), vec![0], vec![0, 255, 39, 34], (0..=255).collect(), vec![7; 100_000]]
                .map(Value::Bytes)
                .to_vec(),
        ),
        (
            LogicalType::Uuid,
            [
                0,
                u128::MAX,
                0x0123_4567_89ab_cdef_0123_4567_89ab_cdef,
                0x1111_1111_1111_1111_1111_1111_1111_1111,
            ]
            .map(|number| Value::Uuid(Uuid::from_u128(number)))
            .to_vec(),
        ),
        // Years 1 and 9999 are what all databases have.
        (LogicalType::Date, [0, -719_162, 2_932_896, 11_016].map(Value::Date).to_vec()),
        (LogicalType::Time, [0, 1, day - 1, day / 2].map(Value::Time).to_vec()),
        (
            LogicalType::Timestamp,
            [0, 1, -1, -621_355_968_000_000_000, 2_534_023_007_999_999_999].map(Value::Timestamp).to_vec(),
        ),
        (
            LogicalType::TimestampOffset,
            [(0, 0), (1, 840), (-1, -840), (17_000_000_000_000_000, 330)]
                .map(|(ticks, offset_minutes)| Value::TimestampOffset { ticks, offset_minutes })
                .to_vec(),
        ),
    ]
}

fn of(logical: LogicalType) -> TableSchema {
    table("value", &[("id", LogicalType::Long), ("held", logical)], &["id"])
}

/// What an operator's statement writes is captured as the same value, of every type, at its edges.
pub async fn every_type_at_its_edges(factory: &dyn Factory) {
    for (logical, values) in edges() {
        let fixture = factory.fresh().await;
        let mut member = provisioned(fixture.as_ref(), &[bind(of(logical))]).await;
        let mut user = fixture.user().await;
        let mut position = TablePosition::default();
        for (number, value) in values.into_iter().chain([Value::Null]).enumerate() {
            let number = number as i64;
            let row = Row::of([Value::Long(number), value.clone()]);
            if !fixture.holds(&value) {
                let error = member.statement_for(0, &id(number), Some(&row)).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{logical}: {value}");
                continue;
            }
            user.run(&member.statement_for(0, &id(number), Some(&row)).unwrap()).await;
            let page = member.poll(0, &position, 10).await.unwrap();
            assert_eq!(page.unpublishable, [], "{logical}: {value}");
            let found: Vec<_> = page.changes.iter().map(|captured| captured.change.row.clone()).collect();
            assert_eq!(found, [Some(row)], "{logical}");
            position = page.next;
            // The same statement once more changes nothing.
            let row = Row::of([Value::Long(number), value.clone()]);
            user.run(&member.statement_for(0, &id(number), Some(&row)).unwrap()).await;
            let again = drain(member.as_mut(), 0, &mut position, 10).await;
            assert!(again.is_empty(), "{logical}: {value}");
        }
    }
}

/// Every type that can be a key finds its row again, captured and by key.
pub async fn every_key_type(factory: &dyn Factory) {
    for (logical, values) in edges() {
        if matches!(logical, LogicalType::Float | LogicalType::Double | LogicalType::Bytes) {
            continue;
        }
        let fixture = factory.fresh().await;
        let values: Vec<Value> = values.into_iter().filter(|value| fixture.holds_key(value)).collect();
        let schema = table("keyed", &[("k", logical), ("n", LogicalType::Int)], &["k"]);
        let mut member = provisioned(fixture.as_ref(), &[bind(schema)]).await;
        let mut user = fixture.user().await;
        let keys: Vec<KeyBytes> = values.iter().map(|value| key_of(logical, value.clone())).collect();
        for (key, value) in keys.iter().zip(&values) {
            let row = Row::of([value.clone(), Value::Int(1)]);
            user.run(&member.statement_for(0, key, Some(&row)).unwrap()).await;
        }
        let mut position = TablePosition::default();
        let changes = drain(member.as_mut(), 0, &mut position, 3).await;
        assert_eq!(changes.iter().map(|change| change.key.clone()).collect::<Vec<_>>(), keys, "{logical}");
        let rows = member.rows(0, &keys).await.unwrap();
        let expected: Vec<_> =
            values.iter().map(|value| Some(Row::of([value.clone(), Value::Int(1)]))).collect();
        assert_eq!(rows, expected, "{logical}");
        for key in &keys {
            user.run(&member.statement_for(0, key, None).unwrap()).await;
        }
        let deletes = drain(member.as_mut(), 0, &mut position, 3).await;
        assert_eq!(deletes.len(), keys.len(), "{logical}");
        assert!(deletes.iter().all(|change| change.change.is_delete()));
        assert!(member.rows(0, &keys).await.unwrap().iter().all(Option::is_none));
    }
}

/// The statement that an operator is shown inserts, overwrites and deletes, and leaves absent columns alone.
pub async fn statements_for_operators_run(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let schema = table(
        "page",
        &[("id", LogicalType::Long), ("a", LogicalType::String), ("b", LogicalType::Int)],
        &["id"],
    );
    let mut member = provisioned(fixture.as_ref(), &[bind(schema.clone())]).await;
    let mut user = fixture.user().await;
    user.run("INSERT INTO \"page\" (\"id\", \"a\", \"b\") VALUES (1, 'old', 5)").await;
    let partial = Row(vec![Some(Value::Long(1)), Some(Value::String("new".into())), None]);
    user.run(&member.statement_for(0, &id(1), Some(&partial)).unwrap()).await;
    user.run(&member.statement_for(0, &id(2), Some(&partial)).unwrap()).await;
    let changes = drain(member.as_mut(), 0, &mut TablePosition::default(), 10).await;
    let told: Vec<_> = all_told(&schema, &changes).into_iter().map(|(_, row)| row).collect();
    assert_eq!(told, ["1|new|5", "2|new|NULL"], "the key counts, whatever the row says");
    user.run(&member.statement_for(0, &id(1), None).unwrap()).await;
    assert_eq!(user.query("SELECT \"id\" FROM \"page\"").await, [["2"]]);
}

/// Rows come in the order of the keys that were asked for; what is not there is none.
pub async fn rows_by_key(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let schema = table("page", &[("id", LogicalType::Long), ("a", LogicalType::String)], &["id"]);
    let mut member = provisioned(fixture.as_ref(), &[bind(schema)]).await;
    let mut user = fixture.user().await;
    user.run("INSERT INTO \"page\" (\"id\", \"a\") VALUES (1, 'x'), (2, NULL)").await;
    let found = member.rows(0, &[id(2), id(3), id(1), id(2)]).await.unwrap();
    let row = |number, text: Option<&str>| {
        let text = text.map_or(Value::Null, |text| Value::String(text.to_owned()));
        Some(Row::of([Value::Long(number), text]))
    };
    assert_eq!(found, [row(2, None), None, row(1, Some("x")), row(2, None)]);
    assert_eq!(member.rows(0, &[]).await.unwrap(), []);
}
