//! What is in the database before it is provisioned, and what `check` says about it.
//!
//! Looks at every table of the users', bound or not; whoever asks picks the findings of the tables that he means.

use super::catalog::{self, CatalogColumn, CatalogTable, Which};
use super::cells::{integer, optional_text};
use super::code_page::UTF_8;
use super::declared::{Kind, binary_collation};
use super::names::{DEFAULT_SCHEMA, Names, OUR_SCHEMA};
use super::objects::{is_our_trigger, is_tracking};
use super::poll::snapshot_statement;
use super::server::Snapshots;
use super::values::write::{DATETIME_FROM, SMALL_FROM, SMALL_TO, TICKS};
use super::{SqlServerMember, quote};
use crate::inspection::qualified;
use crate::template::fill;
use crate::{
    ColumnInspection, Finding, ForeignKeyInspection, Inspection, Limits, Result, Severity, TableInspection,
    TriggerInspection,
};
use tributary_model::{LogicalType, time};

/// The guard that users' triggers may begin with.
const GUARD: &str = "SESSION_CONTEXT(N'dss_apply') IS NULL";

/// Tables, columns, types, keys, foreign keys and triggers as found.
pub(super) async fn inspect(member: &mut SqlServerMember) -> Result<Inspection> {
    let tables = catalog::tables(&mut member.session, Which::All).await?;
    let mut found =
        Inspection { server: member.server.label.clone(), trigger_guard: GUARD, ..Inspection::default() };
    database_findings(member, &mut found.findings).await?;
    let is_ours = |table: &CatalogTable| table.schema.eq_ignore_ascii_case(OUR_SCHEMA);
    let tracking: Vec<&CatalogTable> = tables
        .iter()
        .filter(|table| {
            is_ours(table) && is_tracking(table.columns.iter().map(|column| column.name.as_str()))
        })
        .collect();
    for table in tables.iter().filter(|table| !is_ours(table) && table.oddity.is_none()) {
        let own = Names::of(&table.schema, &table.name).tracking;
        let provisioned = tracking.iter().any(|ours| catalog::same_name(&ours.name, &own));
        let mut look = Look { table, findings: &mut found.findings };
        found.tables.push(look.table(provisioned));
    }
    Ok(found)
}

/// What stands in the way in the database as a whole.
async fn database_findings(member: &mut SqlServerMember, findings: &mut Vec<Finding>) -> Result<()> {
    let mut find = |severity, message: &str, remedy: String| {
        findings.push(Finding { severity, table: None, column: None, message: message.to_owned(), remedy });
    };
    let database = quote::identifier(&member.server.database);
    if member.server.snapshots == Snapshots::None {
        find(
            Severity::Error,
            "readers see no snapshots, so changes could be missed or writers stopped",
            format!(
                "run {}; or ALTER DATABASE {database} SET READ_COMMITTED_SNAPSHOT ON, for which nobody else may be \
                 connected",
                snapshot_statement(&member.server.database)
            ),
        );
    }
    if !member.server.tells_active_rows {
        find(
            Severity::Error,
            "the server has no MIN_ACTIVE_ROWVERSION(), so changes that commit late could be missed",
            "use SQL Server 2016 or later, Azure SQL Database or Managed Instance".to_owned(),
        );
    }
    if member.server.compatibility < 130 && !member.server.compatible {
        find(
            Severity::Error,
            "the database's compatibility level is below 130, and lacks OPENJSON, which applying needs",
            format!("run ALTER DATABASE {database} SET COMPATIBILITY_LEVEL = 130 or more"),
        );
    }
    let sql = fill(include_str!("sql/database_settings.sql"), &[]);
    let row = member.session.row("look at its settings", &sql, Vec::new()).await?.unwrap_or_default();
    if integer(&row, 0).is_ok_and(|nested| nested == 0) {
        find(
            Severity::Warning,
            "the server's option 'nested triggers' is off: what triggers of users write is not captured",
            "run EXEC sp_configure 'nested triggers', 1; RECONFIGURE".to_owned(),
        );
    }
    if optional_text(&row, 1).ok().flatten().is_some_and(|durability| durability == "FORCED") {
        find(
            Severity::Error,
            "the database's commits are not durable (DELAYED_DURABILITY = FORCED): a crash could take back what was \
             published",
            format!("run ALTER DATABASE {database} SET DELAYED_DURABILITY = ALLOWED"),
        );
    }
    Ok(())
}

/// Why a table cannot be synchronised because of its key, if it cannot.
pub(super) fn key_trouble(table: &CatalogTable) -> Option<String> {
    if table.key.is_empty() {
        return Some(
            "it has no primary key, so its rows cannot be told apart; give it one, or leave the table out"
                .to_owned(),
        );
    }
    let mut columns = table.key.iter().map(|at| &table.columns[*at]);
    columns.find_map(|column| {
        let why = match column.declared.logical() {
            Some(LogicalType::Float | LogicalType::Double) => "floats do not compare alike everywhere",
            _ if column.left_out.is_some() => "such columns are not synchronised",
            None => "its type is not synchronised",
            Some(_) if column.declared.is_code_page() && binary_collation(column.code_page.0).is_none() => {
                "the code page of its collation is not known"
            }
            Some(_) => return None,
        };
        Some(format!(
            "its key column {:?} is declared as {}, and {why}; give the table another key, or leave it out",
            column.name,
            column.declared.spelt()
        ))
    })
}

/// Why changes of a table cannot be captured because of a trigger of a user's, if they cannot.
pub(super) fn trigger_trouble(table: &CatalogTable) -> Option<String> {
    let instead = table.triggers.iter().find(|trigger| trigger.instead_of && !trigger.disabled)?;
    Some(format!(
        "its trigger {:?} runs INSTEAD OF the statement, so rows could not be written as they come; make it an AFTER \
         trigger, or leave the table out",
        instead.name
    ))
}

/// A look at one table.
struct Look<'a> {
    table: &'a CatalogTable,
    findings: &'a mut Vec<Finding>,
}

impl Look<'_> {
    fn find(&mut self, severity: Severity, column: Option<&str>, message: String, remedy: &str) {
        self.findings.push(Finding {
            severity,
            table: Some(qualified(&self.table.schema, &self.table.name, DEFAULT_SCHEMA)),
            column: column.map(str::to_owned),
            message,
            remedy: remedy.to_owned(),
        });
    }

    fn table(&mut self, provisioned: bool) -> TableInspection {
        let table = self.table;
        let columns = table.columns.iter().map(|column| self.column(column)).collect();
        self.key();
        let unique = self.unique();
        let triggers = self.triggers();
        TableInspection {
            schema: Some(table.schema.clone()).filter(|schema| schema != DEFAULT_SCHEMA),
            name: table.name.clone(),
            columns,
            key: table.key.iter().map(|at| table.columns[*at].name.clone()).collect(),
            foreign_keys: table
                .foreign_keys
                .iter()
                .map(|key| ForeignKeyInspection {
                    columns: key.columns.clone(),
                    references: qualified(&key.references_name.0, &key.references_name.1, DEFAULT_SCHEMA),
                    referenced_columns: key.referenced.clone(),
                    on_delete: key.on_delete,
                    deferred: false,
                })
                .collect(),
            unique,
            triggers,
            provisioned,
        }
    }

    fn column(&mut self, column: &CatalogColumn) -> ColumnInspection {
        let name = Some(column.name.as_str());
        let logical = column.declared.logical().filter(|_| column.left_out.is_none());
        let spelt = column.declared.spelt();
        match column.left_out {
            Some(why @ ("computed" | "a period of the server's own")) => self.find(
                Severity::Note,
                name,
                format!("the column is {why}, and not synchronised: every member has its own"),
                "nothing needs to be done",
            ),
            Some(why) => self.left_out(column, &format!("the column is {why}")),
            None if column.declared.name == "timestamp" => self.find(
                Severity::Note,
                name,
                "the column is a rowversion, and not synchronised: every member has its own".to_owned(),
                "nothing needs to be done",
            ),
            None if logical.is_none() => {
                self.left_out(column, &format!("the type {spelt} is not synchronised"))
            }
            None => self.values(column),
        }
        ColumnInspection {
            name: column.name.clone(),
            declared: spelt,
            logical,
            nullable: column.nullable,
            max_length: column.declared.length,
            limits: limits(column),
            has_default: column.has_default || column.identity,
            generated: column.left_out.is_some(),
            collation: column.collation.clone().filter(|_| !column.is_binary()),
        }
    }

    fn left_out(&mut self, column: &CatalogColumn, what: &str) {
        let needed = !column.nullable && !column.has_default;
        let (severity, tail, remedy) = if needed {
            (
                Severity::Error,
                "; but it is NOT NULL and has no default, so rows of other members cannot be written",
                "give the column a default, or let it take NULL",
            )
        } else {
            (Severity::Warning, "", "give it another type if its values are to reach the other members")
        };
        self.find(severity, Some(&column.name), format!("{what}, so the column is left out{tail}"), remedy);
    }

    /// What the server itself does to the values of a column.
    fn values(&mut self, column: &CatalogColumn) {
        let name = Some(column.name.as_str());
        let spelt = column.declared.spelt();
        match column.declared.kind {
            Kind::Text | Kind::NText | Kind::Image => self.find(
                Severity::Warning,
                name,
                format!(
                    "triggers do not see values of {spelt}: every UPDATE that names the column counts as a change, and \
                     WRITETEXT and UPDATETEXT are not captured"
                ),
                "declare it as varchar(max), nvarchar(max) or varbinary(max)",
            ),
            Kind::Xml => self.find(
                Severity::Warning,
                name,
                "the server writes XML anew, without blanks between elements and without a declaration; a text of \
                 another member comes back so"
                    .to_owned(),
                "declare it as nvarchar(max) where the text must stay as it is",
            ),
            _ => {}
        }
        if column.masked {
            self.find(
                Severity::Error,
                name,
                "the column is masked: without the right UNMASK, masks would be published instead of values"
                    .to_owned(),
                "run GRANT UNMASK TO the user that captures, if it lacks it",
            );
        }
        if column.identity {
            self.find(
                Severity::Note,
                name,
                "the server numbers the rows of the column, and so do other members: two members may give one number"
                    .to_owned(),
                "give each member a range or a step of its own (IDENTITY seed and increment)",
            );
        }
    }

    fn key(&mut self) {
        if let Some(reason) = key_trouble(self.table) {
            let (message, remedy) = reason.split_once("; ").unwrap_or((&reason, ""));
            self.find(Severity::Error, None, message.to_owned(), remedy);
        }
        let table = self.table;
        for at in &table.key {
            let column = &table.columns[*at];
            if let Some(collation) = column.collation.as_deref().filter(|_| !column.is_binary()) {
                self.find(
                    Severity::Warning,
                    Some(&column.name),
                    format!(
                        "the key compares as {collation}, so keys that are two rows in another member may be one here"
                    ),
                    "give the key a _BIN2 collation, or make sure that no two keys differ in case or accents alone",
                );
            }
        }
    }

    fn unique(&mut self) -> Vec<Vec<String>> {
        let table = self.table;
        let mut found = Vec::new();
        for unique in &table.uniques {
            if unique.ignores_duplicates {
                self.find(
                    Severity::Error,
                    None,
                    format!("the unique index {:?} swallows duplicates (IGNORE_DUP_KEY)", unique.name),
                    "create the index anew without IGNORE_DUP_KEY",
                );
            }
            if unique.filtered {
                self.find(
                    Severity::Warning,
                    None,
                    format!(
                        "the unique index {:?} is on some of the rows; two rows of other members that have to swap \
                         such values are not told from rows in conflict, and stay listed",
                        unique.name
                    ),
                    "make it an index on all rows if members write such values at the same time",
                );
            } else {
                found.push(unique.columns.clone());
            }
        }
        found
    }

    fn triggers(&mut self) -> Vec<TriggerInspection> {
        let table = self.table;
        if let Some(reason) = trigger_trouble(table) {
            let (message, remedy) = reason.split_once("; ").unwrap_or((&reason, ""));
            self.find(Severity::Error, None, message.to_owned(), remedy);
        }
        let own =
            table.triggers.iter().filter(|trigger| !is_our_trigger(&trigger.name, trigger.sql.as_deref()));
        let mut found = Vec::new();
        for trigger in own {
            let sql = trigger.sql.clone().unwrap_or_default();
            // One that takes the statement's place has been told of: there is no applying without it.
            let guarded = trigger.instead_of || sql.to_ascii_lowercase().contains("dss_apply");
            found.push(TriggerInspection { name: trigger.name.clone(), sql, guarded });
        }
        if !self.table.triggers.iter().any(|trigger| is_our_trigger(&trigger.name, trigger.sql.as_deref())) {
            self.find(
                Severity::Note,
                None,
                "once it has triggers, INSERT … OUTPUT without INTO fails on it, as EF Core 7 and later and some other \
                 libraries write; TRUNCATE and bulk loads without FIRE_TRIGGERS are not captured"
                    .to_owned(),
                "in EF Core, declare the table with HasTrigger; after a TRUNCATE or such a load, run `verify`",
            );
        }
        found
    }
}
/// What the column can hold beside what its logical type says.
fn limits(column: &CatalogColumn) -> Limits {
    let declared = &column.declared;
    let code_page = || (column.code_page.0 != UTF_8).then(|| format!("code page {}", column.code_page.0));
    let fraction = |digits: u32| Some(10_i64.pow(7 - digits.min(7)));
    let all = Some((*TICKS.start(), *TICKS.end()));
    let none = Limits { narrowing: declared.narrowing(), ..Limits::default() };
    match declared.kind {
        Kind::TinyInt => Limits { integers: Some((0, 255)), ..none },
        Kind::SmallInt => Limits { integers: Some((i64::from(i16::MIN), i64::from(i16::MAX))), ..none },
        Kind::Char | Kind::VarChar | Kind::Text => Limits { code_page: code_page(), ..none },
        Kind::Time => Limits { step: fraction(declared.scale), ..none },
        Kind::Date => Limits { span: all, ..none },
        Kind::DateTime2 | Kind::DateTimeOffset => {
            Limits { step: fraction(declared.scale), span: all, ..none }
        }
        // A three-hundredth of a second, as it shows: to a tick of the group's.
        Kind::DateTime => Limits { step: Some(33_333), span: Some((DATETIME_FROM, *TICKS.end())), ..none },
        Kind::SmallDateTime => {
            Limits { step: Some(60 * time::TICKS_A_SECOND), span: Some((SMALL_FROM, SMALL_TO - 1)), ..none }
        }
        _ => none,
    }
}
