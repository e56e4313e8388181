//! Each loss on its own, at the edges, and what holds for all of them.

use super::*;
use proptest::prelude::*;
use std::str::FromStr as _;

fn decimal(text: &str) -> Value {
    Value::Decimal(BigDecimal::from_str(text).unwrap())
}

#[track_caller]
fn becomes(narrowing: Narrowing, value: &Value, kept: &Value) {
    assert_eq!(narrowing.of(value).as_ref(), kept, "{value}");
}

#[test]
fn decimals_lose_digits() {
    let scale = Narrowing { scale: Some(2), ..Narrowing::default() };
    for (value, kept) in
        [("1.235", "1.24"), ("1.245", "1.24"), ("-1.235", "-1.24"), ("1.2", "1.2"), ("7e3", "7000")]
    {
        becomes(scale, &decimal(value), &decimal(kept));
    }
    let fractions = Narrowing { floating: Some(Floating::Fractions), ..Narrowing::default() };
    let all = Narrowing { floating: Some(Floating::All), ..Narrowing::default() };
    becomes(fractions, &decimal("0.1234567890123456789"), &decimal("0.12345678901234568"));
    becomes(fractions, &decimal("9007199254740993"), &decimal("9007199254740993"));
    // Kept as an integer, since it is one by then.
    becomes(fractions, &decimal("1234567890123456789.5"), &decimal("1234567890123456768"));
    becomes(all, &decimal("1234567890123456789.5"), &decimal("1234567890123456800"));
    becomes(all, &decimal("9007199254740993"), &decimal("9007199254740992"));
    // Beyond all floats, and too long to be written out: the column refuses both.
    for odd in ["1e400", "1e-200000"] {
        becomes(Narrowing { scale: Some(2), ..all }, &decimal(odd), &decimal(odd));
    }
}

#[test]
fn times_lose_fractions() {
    let steps = |steps| Narrowing { steps: Some(steps), ..Narrowing::default() };
    let (near, down) = (steps(Steps::Nearest(10)), steps(Steps::Down(10)));
    for (ticks, nearest, last) in [(14, 10, 10), (15, 20, 10), (-5, 0, -10), (-6, -10, -10), (20, 20, 20)] {
        becomes(near, &Value::Timestamp(ticks), &Value::Timestamp(nearest));
        becomes(down, &Value::Timestamp(ticks), &Value::Timestamp(last));
    }
    // Midnight of the next day is no time of this one.
    becomes(near, &Value::Time(TICKS_A_DAY - 1), &Value::Time(TICKS_A_DAY - 10));
    becomes(near, &Value::Timestamp(i64::MAX), &Value::Timestamp(i64::MAX - 7));
    let old = steps(Steps::ThreeHundredths);
    for (ticks, kept) in [(1, 0), (20_000, 30_000), (49_999, 30_000), (50_000, 70_000), (99_000, 100_000)] {
        becomes(old, &Value::Timestamp(ticks), &Value::Timestamp(kept));
    }
    let zulu = Narrowing { drops_offset: true, ..near };
    let offset = |ticks, offset_minutes| Value::TimestampOffset { ticks, offset_minutes };
    becomes(zulu, &offset(15, 60), &offset(20, 0));
    becomes(zulu, &offset(10, -60), &offset(10, 0));
}

#[test]
fn floats_texts_and_bytes() {
    let narrow = Narrowing {
        single: true,
        no_negative_zero: true,
        trims_blanks: true,
        filled_to: Some(3),
        ..Narrowing::default()
    };
    becomes(narrow, &Value::Double(0.1), &Value::Double(f64::from(0.1_f32)));
    becomes(narrow, &Value::Double(-0.0), &Value::Double(0.0));
    becomes(narrow, &Value::Double(1e300), &Value::Double(1e300));
    becomes(narrow, &Value::Double(f64::NAN), &Value::Double(f64::NAN));
    becomes(narrow, &Value::String("a  ".into()), &Value::String("a".into()));
    becomes(narrow, &Value::Bytes(vec![1]), &Value::Bytes(vec![1, 0, 0]));
    becomes(narrow, &Value::Bytes(vec![1; 4]), &Value::Bytes(vec![1; 4]));
    let flat = Narrowing { no_subnormals: true, ..Narrowing::default() };
    becomes(flat, &Value::Double(f64::MIN_POSITIVE / 2.0), &Value::Double(0.0));
    becomes(Narrowing { single: true, ..flat }, &Value::Double(1e-40), &Value::Double(0.0));
    becomes(flat, &Value::Float(1e-40), &Value::Float(1e-40));
    becomes(Narrowing { single: true, ..flat }, &Value::Float(1e-40), &Value::Float(0.0));
}

#[test]
fn only_what_touches_a_type_is_kept_for_it() {
    let all = Narrowing {
        scale: Some(4),
        drops_offset: true,
        steps: Some(Steps::Down(10)),
        ..Narrowing::default()
    };
    let wide = LogicalType::Decimal { precision: 12, scale: 6 };
    let narrow = LogicalType::Decimal { precision: 12, scale: 4 };
    assert_eq!(all.within(wide), Some(Narrowing { scale: Some(4), ..Narrowing::default() }));
    assert_eq!(all.within(narrow), None);
    assert_eq!(all.within(LogicalType::Time), Some(Narrowing { steps: all.steps, ..Narrowing::default() }));
    assert_eq!(all.within(LogicalType::Long), None);
}

#[test]
fn a_widened_column_stays_coarse_and_a_new_one_does_not_stay_absent() {
    let scale = |scale| Projection::Narrowed(Narrowing { scale: Some(scale), ..Narrowing::default() });
    assert_eq!(scale(2).coarser(scale(4)), scale(2));
    assert_eq!(scale(4).coarser(scale(2)), scale(2));
    assert_eq!(scale(2).coarser(Projection::Exact), scale(2));
    assert_eq!(Projection::Exact.coarser(scale(2)), scale(2));
    assert_eq!(Projection::Absent.coarser(Projection::Exact), Projection::Exact);
    assert_eq!(Projection::Exact.coarser(Projection::Absent), Projection::Absent);
}

fn narrowings() -> impl Strategy<Value = Narrowing> {
    let steps = prop_oneof![
        (1..5000_i64).prop_map(Steps::Nearest),
        (1..5000_i64).prop_map(Steps::Down),
        Just(Steps::ThreeHundredths)
    ];
    let flags = any::<(bool, bool, bool, bool, bool)>();
    let floating = prop_oneof![Just(None), Just(Some(Floating::Fractions)), Just(Some(Floating::All))];
    (prop::option::of(0..5_u32), floating, prop::option::of(steps), flags, prop::option::of(0..5_u32))
        .prop_map(
            |(
                scale,
                floating,
                steps,
                (drops_offset, single, no_subnormals, no_negative_zero, trims_blanks),
                filled_to,
            )| {
                // A float may have more digits than the scale: a column that is both refuses it.
                let scale = if floating.is_some() { None } else { scale };
                Narrowing {
                    scale,
                    floating,
                    steps,
                    drops_offset,
                    single,
                    no_subnormals,
                    no_negative_zero,
                    trims_blanks,
                    filled_to,
                }
            },
        )
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        (any::<i64>(), -20..20_i64)
            .prop_map(|(digits, scale)| Value::Decimal(BigDecimal::new(digits.into(), scale))),
        any::<f32>().prop_map(Value::Float),
        any::<f64>().prop_map(Value::Double),
        "[a ]{0,4}".prop_map(Value::String),
        prop::collection::vec(any::<u8>(), 0..6).prop_map(Value::Bytes),
        (0..TICKS_A_DAY).prop_map(Value::Time),
        any::<i64>().prop_map(Value::Timestamp),
        (any::<i64>(), -840..=840_i16)
            .prop_map(|(ticks, offset_minutes)| Value::TimestampOffset { ticks, offset_minutes }),
    ]
}

proptest! {
    /// What a column shows is what it keeps: written again it is the same.
    #[test]
    fn nothing_is_lost_twice(narrowing in narrowings(), value in values()) {
        let once = narrowing.of(&value).into_owned();
        let twice = narrowing.of(&once).into_owned();
        prop_assert_eq!(once, twice);
    }
}
