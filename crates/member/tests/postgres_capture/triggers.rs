//! What the triggers note of users' statements, and that they never make one fail.

use crate::support::texts;
use crate::world::{World, item, pairs, run, schema};
use std::sync::Arc;
use tributary_member::contract::fixture::bind;
use tributary_member::{Member as _, TableBinding};
use tributary_model::LogicalType;

pub(crate) fn tests() -> Vec<(&'static str, fn())> {
    tests!("triggers":
        truncate_is_deletes,
        keys_are_swapped_in_one_statement,
        every_way_to_write,
        cascades_are_captured,
        no_change_of_any_type,
        what_only_looks_equal_is_a_change,
        columns_that_go_away,
        a_key_that_is_altered,
        triggers_that_are_disabled_or_dropped,
        cells_that_apply_marked_are_left_alone,
        names_like_our_variables,
        a_sessions_search_path_is_not_followed,
        a_key_with_another_constraint_is_still_captured,
        two_schemas_and_long_names,
    )
}

async fn truncate_is_deletes() {
    let mut world = World::items().await;
    world.check("INSERT INTO item VALUES (1, 'a'), (2, 'b')", &[("1", "1|a"), ("2", "2|b")]).await;
    world.check("BEGIN; TRUNCATE item; ROLLBACK", &[]).await;
    world.check("TRUNCATE item", &[("1", "-"), ("2", "-")]).await;
    world.check("BEGIN; INSERT INTO item VALUES (3, 'c'); TRUNCATE item; INSERT INTO item VALUES (1, 'x'); COMMIT", &[
        ("1", "1|x"),
        ("3", "-"),
    ])
    .await;
}

async fn keys_are_swapped_in_one_statement() {
    let mut world = World::new("CREATE TABLE item (id bigint PRIMARY KEY, name text)", item()).await;
    world.run("INSERT INTO item VALUES (1, 'a'), (2, 'b'), (3, 'c')").await;
    assert_eq!(world.told().await.len(), 3);
    // A primary key that is not deferrable is checked row by row: swaps go by way of free keys.
    world
        .check(
            "UPDATE item SET id = id + 10",
            &[("1", "-"), ("2", "-"), ("3", "-"), ("11", "11|a"), ("12", "12|b"), ("13", "13|c")],
        )
        .await;
    world
        .check(
            "UPDATE item SET id = CASE id WHEN 11 THEN 1 ELSE id END, name = upper(name)",
            &[("11", "-"), ("1", "1|A"), ("12", "12|B"), ("13", "13|C")],
        )
        .await;
}

async fn every_way_to_write() {
    let mut world = World::items().await;
    world
        .check(
            "INSERT INTO item SELECT n, 'x' FROM generate_series(1, 3) AS n",
            &[("1", "1|x"), ("2", "2|x"), ("3", "3|x")],
        )
        .await;
    world
        .check(
            "INSERT INTO item VALUES (1, 'y'), (4, 'z') ON CONFLICT (id) DO UPDATE SET name = excluded.name",
            &[("1", "1|y"), ("4", "4|z")],
        )
        .await;
    world.check("INSERT INTO item VALUES (1, 'q') ON CONFLICT DO NOTHING", &[]).await;
    world.check(
        "WITH gone AS (DELETE FROM item WHERE id = 2 RETURNING id) INSERT INTO item SELECT id + 10, 'moved' FROM gone",
        &[("2", "-"), ("12", "12|moved")],
    )
    .await;
    world.check("UPDATE item SET name = 'y' WHERE id = 1; UPDATE item SET name = name", &[]).await;
    world.check("DELETE FROM item WHERE id = 99", &[]).await;
    world.run("COPY item FROM PROGRAM 'printf \"7\\tcopied\\n\"'").await;
    assert_eq!(world.told().await, pairs(&[("7", "7|copied")]));
}

async fn cascades_are_captured() {
    let mut world = World::new(
        "CREATE TABLE parent (id bigint PRIMARY KEY); \
         CREATE TABLE item (id bigint PRIMARY KEY, name text, parent bigint REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE); \
         INSERT INTO parent VALUES (1), (2)",
        schema(
            "item",
            &[("id", LogicalType::Long), ("name", LogicalType::String), ("parent", LogicalType::Long)],
            &["id"],
        ),
    )
    .await;
    world.check("INSERT INTO item VALUES (1, 'a', 1), (2, 'b', 2)", &[("1", "1|a|1"), ("2", "2|b|2")]).await;
    world.check("DELETE FROM parent WHERE id = 1", &[("1", "-")]).await;
    world.check("UPDATE parent SET id = 5", &[("2", "2|b|5")]).await;
}

const ALL_TYPES: &str = "CREATE TYPE mood AS ENUM ('sad', 'glad'); \
    CREATE DOMAIN short AS varchar(5) CHECK (VALUE <> 'bad'); \
    CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false)";

fn wide() -> tributary_model::TableSchema {
    use LogicalType as L;
    schema(
        "wide",
        &[
            ("id", L::Long),
            ("j", L::String),
            ("jb", L::String),
            ("x", L::String),
            ("ci", L::String),
            ("f", L::String),
            ("m", L::String),
            ("d", L::String),
            ("n", L::Numeric),
            ("r", L::Double),
            ("c", L::String),
            ("money", L::Decimal { precision: 19, scale: 2 }),
        ],
        &["id"],
    )
}

async fn wide_world() -> World {
    // Servers without the contributed extensions have no such type.
    let ci = if crate::support::has_extension("citext").await { "citext" } else { "text" };
    let extension = if ci == "citext" { "CREATE EXTENSION citext;" } else { "" };
    World::new(
        &format!(
            "{extension} {ALL_TYPES}; CREATE TABLE wide (id bigint PRIMARY KEY, j json, jb jsonb, x xml, ci {ci}, \
             f text COLLATE folded, m mood, d short, n numeric, r float8, c char(4), money money, unsynced int)"
        ),
        wide(),
    )
    .await
}

async fn no_change_of_any_type() {
    let mut world = wide_world().await;
    world
        .check(
            "INSERT INTO wide VALUES (1, '{\"a\": 1}', '{\"a\":1.0}', '<a/>', 'Ab', 'Ab', 'glad', 'abc', 1.50, '-0', 'ab', '$1,234.50')",
            &[("1", "1|{\"a\": 1}|{\"a\": 1.0}|<a/>|Ab|Ab|glad|abc|1.50|-0|ab|1234.50")],
        )
        .await;
    world.check("UPDATE wide SET id = id, j = j, jb = jb, x = x, ci = ci, f = f, m = m, d = d, n = n, r = r, c = c", &[])
        .await;
    world.check("UPDATE wide SET unsynced = 5", &[]).await;
    world.check("UPDATE wide SET c = 'ab  ', n = 1.5", &[]).await;
}

async fn what_only_looks_equal_is_a_change() {
    let mut world = wide_world().await;
    world.run("INSERT INTO wide (id, jb, ci, f, r) VALUES (1, '{\"a\":1.0}', 'Ab', 'Ab', 0)").await;
    assert_eq!(world.told().await.len(), 1);
    for change in ["jb = '{\"a\":1}'", "ci = 'aB'", "f = 'aB'", "r = '-0'", "j = 'null'", "x = ''"] {
        world.run(&format!("UPDATE wide SET {change}")).await;
        assert_eq!(world.told().await.len(), 1, "{change}");
    }
}

async fn columns_that_go_away() {
    let mut world = World::new(
        "CREATE TABLE item (id bigint PRIMARY KEY, name text, note text)",
        schema(
            "item",
            &[("id", LogicalType::Long), ("name", LogicalType::String), ("note", LogicalType::String)],
            &["id"],
        ),
    )
    .await;
    world.check("INSERT INTO item VALUES (1, 'a', 'x')", &[("1", "1|a|x")]).await;
    world.run("ALTER TABLE item RENAME COLUMN note TO remark").await;
    // In the very session whose plans know the old name.
    world.run("INSERT INTO item VALUES (2, 'b', 'y'); UPDATE item SET name = 'c' WHERE id = 1; DELETE FROM item WHERE id = 2").await;
    let reason = world.stopped().await;
    assert!(reason.contains("\"note\"") && reason.contains("provision"), "{reason}");
    world.run("ALTER TABLE item RENAME COLUMN remark TO note").await;
    world.ready().await;
    assert_eq!(world.told().await, pairs(&[("1", "1|c|x"), ("2", "-")]), "nothing of it was missed");
    world.run("ALTER TABLE item DROP COLUMN note; UPDATE item SET name = 'd'").await;
    assert!(world.stopped().await.contains("\"note\""));
    // Taken out of the group file, and provisioned anew.
    let without = schema("item", &[("id", LogicalType::Long), ("name", LogicalType::String)], &["id"]);
    let mut member = world.fixture.postgres("hq").open(&[bind(without)]).await.unwrap();
    member.provision().await.unwrap();
    let page = member.poll(0, &world.position, 10).await.unwrap();
    assert_eq!(page.changes.len(), 1);
    // Widened in place: the values still come, once it is provisioned.
    world.run("ALTER TABLE item ALTER COLUMN name TYPE varchar(50)").await;
    let states = member.table_states().await.unwrap();
    assert!(format!("{states:?}").contains("varying(50)"), "{states:?}");
    member.provision().await.unwrap();
    world.run("UPDATE item SET name = 'wide'").await;
    let page = member.poll(0, &page.next, 10).await.unwrap();
    assert_eq!(page.changes.len(), 1);
}

async fn a_key_that_is_altered() {
    let mut world = World::new("CREATE TABLE item (id int PRIMARY KEY, name text)", item()).await;
    world.check("INSERT INTO item VALUES (1, 'a')", &[("1", "1|a")]).await;
    world.run("ALTER TABLE item ALTER COLUMN id TYPE bigint").await;
    // A value that the tracking table could not hold.
    world.run("INSERT INTO item VALUES (3000000000, 'b'); UPDATE item SET name = 'c'; TRUNCATE item").await;
    let reason = world.stopped().await;
    assert!(reason.contains("\"id\"") && reason.contains("bigint"), "{reason}");
    world.run("ALTER TABLE item DROP CONSTRAINT item_pkey; ALTER TABLE item RENAME id TO number").await;
    world.run("INSERT INTO item VALUES (4, 'd'); DELETE FROM item").await;
    assert!(world.stopped().await.contains("primary key is ()"));
}

async fn triggers_that_are_disabled_or_dropped() {
    let mut world = World::items().await;
    world.run("ALTER TABLE item DISABLE TRIGGER item_dss_update_trigger").await;
    let reason = world.stopped().await;
    assert!(reason.contains("item_dss_update_trigger") && reason.contains("disabled"), "{reason}");
    assert!(reason.contains("provision") && reason.contains("verify"), "{reason}");
    let statements = world.member.provision().await.unwrap();
    assert!(statements.iter().any(|statement| statement.sql.contains("ENABLE TRIGGER")), "{statements:?}");
    world.ready().await;
    world.run("DROP TRIGGER item_dss_delete_trigger ON item").await;
    assert!(world.stopped().await.contains("item_dss_delete_trigger\" is missing"));
    world.member.provision().await.unwrap();
    world.run("CREATE OR REPLACE FUNCTION \"DataSync\".item_dss_capture() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'").await;
    assert!(world.stopped().await.contains("not as it was provisioned"));
    world.member.provision().await.unwrap();
    world.run("DROP TABLE \"DataSync\".item_dss_tracking CASCADE").await;
    assert!(world.stopped().await.contains("item_dss_tracking\" is missing"));
    world.member.provision().await.unwrap();
    world.ready().await;
    world.check("INSERT INTO item VALUES (1, 'a')", &[("1", "1|a")]).await;
}

/// As apply does it: the number of the batch in the setting, and in the tracking rows of the cells that it writes.
async fn cells_that_apply_marked_are_left_alone() {
    let mut world = World::items().await;
    world.run("CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
               IF NEW.id < 100 THEN INSERT INTO item VALUES (NEW.id + 100, 'by a trigger'); END IF; RETURN NULL; END $$; \
               CREATE TRIGGER meddle AFTER INSERT ON item FOR EACH ROW EXECUTE FUNCTION meddle()").await;
    let apply = world.fixture.client().await;
    run(
        &apply,
        "BEGIN; SELECT set_config('tributary.apply', '7', true); \
         INSERT INTO \"DataSync\".item_dss_tracking (id, seen, apply_batch) VALUES (1, 'cloud:3', 7); \
         INSERT INTO item VALUES (1, 'applied'); COMMIT",
    )
    .await;
    let page = world.page().await;
    assert_eq!(page.changes.len(), 1, "{page:?}");
    assert_eq!(page.made_inside_apply, 1);
    // The setting ends with the transaction, and means nothing to cells with another number.
    run(&apply, "UPDATE item SET name = 'mine' WHERE id = 1").await;
    assert_eq!(world.told().await, pairs(&[("1", "1|mine")]));
    run(
        &apply,
        "BEGIN; SELECT set_config('tributary.apply', 'nonsense', true); UPDATE item SET name = 'x'; COMMIT",
    )
    .await;
    assert_eq!(world.told().await.len(), 2);
}

async fn names_like_our_variables() {
    let columns = [
        "batch",
        "now_at",
        "me",
        "keys_there",
        "dss",
        "t",
        "n",
        "o",
        "c",
        "m",
        "b",
        "new_rows",
        "is_tombstone",
    ];
    let types: Vec<(&str, LogicalType)> = columns.iter().map(|name| (*name, LogicalType::Long)).collect();
    let mut world = World::new("SELECT 1", schema("old_rows", &types, &columns)).await;
    world.run("INSERT INTO old_rows VALUES (1,1,1,1,1,1,1,1,1,1,1,1,1)").await;
    assert_eq!(world.told().await.len(), 1);
    world.run("UPDATE old_rows SET batch = 2").await;
    assert_eq!(world.told().await.len(), 2);
    world.run("DELETE FROM old_rows").await;
    assert_eq!(world.told().await.len(), 1);
}

async fn two_schemas_and_long_names() {
    let long = format!("{}ä", "l".repeat(61));
    let fixture = crate::support::PostgresFixture::new().await;
    let user = fixture.client().await;
    run(&user, "CREATE SCHEMA sales; CREATE SCHEMA \"a \"\"b\"").await;
    let mut bindings = Vec::new();
    for (group, place, table) in [
        ("one", None, "item"),
        ("two", Some("sales"), "item"),
        ("three", None, "sales.item"),
        ("four", Some("a \"b"), "item"),
        ("five", None, long.as_str()),
    ] {
        let columns = [("id", LogicalType::Long), ("name", LogicalType::String)];
        let mut binding = TableBinding::same_names(Arc::new(schema(group, &columns, &["id"])));
        binding.local_schema = place.map(str::to_owned);
        binding.local_table = table.to_owned();
        bindings.push(Arc::new(binding));
    }
    let mut member = fixture.postgres("hq").open(&bindings).await.unwrap();
    member.provision().await.unwrap();
    assert_eq!(member.plan_provision().await.unwrap(), []);
    let names = ["item", "sales.item", "\"sales.item\"", "\"a \"\"b\".item", &format!("\"{long}\"")];
    for (table, name) in names.iter().enumerate() {
        run(&user, &format!("INSERT INTO {name} VALUES ({table}, 'a')")).await;
        for (other, _) in names.iter().enumerate() {
            let page = member.poll(other, &tributary_member::TablePosition::default(), 10).await.unwrap();
            assert_eq!(page.changes.len(), usize::from(other <= table), "{name}");
        }
    }
    let removed = member.deprovision().await.unwrap();
    assert_eq!(removed.iter().filter(|statement| statement.sql.starts_with("DROP FUNCTION")).count(), 5);
}

/// What stands in for everything of the server's that the triggers use, and fails.
const STRANGERS: &str = "
    CREATE SCHEMA evil;
    CREATE FUNCTION evil.caught() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'caught'; END $$;
    DO $$
    DECLARE kind text; operator text; name text;
    BEGIN
      FOREACH kind IN ARRAY ARRAY['bigint', 'integer', 'text', 'name', 'oid', 'numeric'] LOOP
        FOREACH operator IN ARRAY ARRAY['=', '<>', '<', '>', '>='] LOOP
          name := 'f' || md5(kind || operator);
          EXECUTE format('CREATE FUNCTION evil.%s(%s, %s) RETURNS boolean LANGUAGE sql AS $f$ SELECT evil.caught() $f$',
            name, kind::regtype, kind::regtype);
          EXECUTE format('CREATE OPERATOR evil.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = evil.%s)',
            operator, kind::regtype, kind::regtype, name);
        END LOOP;
      END LOOP;
    END $$;
    CREATE FUNCTION evil.nextval(regclass) RETURNS bigint LANGUAGE sql AS 'SELECT evil.caught()::integer::bigint';
    CREATE FUNCTION evil.current_setting(text, boolean) RETURNS text LANGUAGE sql AS 'SELECT evil.caught()::text';
    CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql
      AS 'SELECT CASE WHEN evil.caught() THEN now() END';
    CREATE FUNCTION evil.pg_current_xact_id() RETURNS xid8 LANGUAGE sql
      AS 'SELECT CASE WHEN evil.caught() THEN pg_catalog.pg_current_xact_id() END';
    CREATE FUNCTION evil.pg_get_constraintdef(oid) RETURNS text LANGUAGE sql AS 'SELECT evil.caught()::text';
    CREATE FUNCTION evil.pg_sequence_last_value(regclass) RETURNS bigint LANGUAGE sql
      AS 'SELECT evil.caught()::integer::bigint';
    CREATE FUNCTION evil.record_image_ne(record, record) RETURNS boolean LANGUAGE plpgsql
      AS 'BEGIN RETURN evil.caught(); END';
    CREATE DOMAIN evil.text AS int4;
    CREATE DOMAIN evil.timestamptz AS int4;
    CREATE DOMAIN evil.xid8 AS int4;
    CREATE DOMAIN evil.name AS int4;
    CREATE DOMAIN evil.regclass AS int4;
    CREATE VIEW evil.pg_attribute AS SELECT evil.caught() AS attisdropped;";

/// Whoever may write a table could otherwise run code with the rights of the triggers' owner.
async fn a_sessions_search_path_is_not_followed() {
    for (definition, own) in [
        // Whole rows are compared, and columns one by one where one is the member's own.
        ("CREATE TABLE item (id bigint PRIMARY KEY, name text)", ""),
        ("CREATE TABLE item (id bigint PRIMARY KEY, name text, own point)", ", own = '(1,1)'"),
    ] {
        let mut world = World::new(definition, item()).await;
        world.run(STRANGERS).await;
        let user = world.fixture.client().await;
        run(&user, "SET search_path = evil, public, pg_catalog").await;
        let caught = user.batch_execute("SELECT 1::bigint = 1::bigint").await.unwrap_err();
        assert_eq!(caught.as_db_error().unwrap().message(), "caught");
        run(&user, "INSERT INTO item (id, name) VALUES (1, 'a'), (2, 'b')").await;
        run(&user, "UPDATE item SET name = 'c'").await;
        assert_eq!(world.told().await, pairs(&[("1", "1|c"), ("2", "2|c")]), "{definition}");
        run(&user, &format!("UPDATE item SET name = 'c'{own}")).await;
        assert_eq!(world.told().await, pairs(&[]), "{definition}");
        run(&user, "DELETE FROM item").await;
        run(&user, "INSERT INTO item (id, name) VALUES (3, 'a')").await;
        run(&user, "TRUNCATE item").await;
        assert_eq!(world.told().await, pairs(&[("1", "-"), ("2", "-"), ("3", "-")]), "{definition}");
        assert_eq!(texts(&user, "SHOW row_security").await, [["on"]]);
    }
}

/// The quick look at the key misses; what is then asked tells that nothing is wrong.
async fn a_key_with_another_constraint_is_still_captured() {
    let mut world = World::items().await;
    let other =
        "ALTER TABLE item DROP CONSTRAINT item_pkey; ALTER TABLE item ADD CONSTRAINT other PRIMARY KEY (id)";
    world.run(other).await;
    world.check("INSERT INTO item VALUES (1, 'a')", &[("1", "1|a")]).await;
    world.check("UPDATE item SET name = 'b'", &[("1", "1|b")]).await;
    world.check("DELETE FROM item", &[("1", "-")]).await;
    world.ready().await;
    // The next time that it is provisioned, it is quick again.
    assert_eq!(world.member.provision().await.unwrap().len(), 1);
    assert_eq!(world.member.provision().await.unwrap(), []);
    world.ready().await;
}
