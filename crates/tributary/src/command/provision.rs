//! `provision`: creates what synchronisation needs in the members.

use super::Context;
use super::check::finding_line;
use crate::failure::Exit;
use crate::group::{block_on, connectors, known_spec, load};
use crate::output::{self, Format, bad, good, note, odd};
use clap::Args;
use serde::Serialize;
use tributary_engine::{Engine, EngineError, Options, Provisioned, inspect_all, provision_all};
use tributary_group::check::FindingView;
use tributary_group::file::{GroupFile, LogSettings, MemberUrl};
use tributary_group::live::resolvers;
use tributary_group::spec::{GroupFinding, derive};
use tributary_member::{Severity, Statement};
use tributary_runtime::Chain;
use tributary_stream::Error as LogError;
use tributary_stream::embedded::Access;

/// What `provision` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only prints the SQL that would be run; changes nothing, not even the log.
    #[arg(long)]
    dry_run: bool,
    /// Creates database files that are not there, empty.
    #[arg(long)]
    create: bool,
    /// Switches databases to WAL mode that are not in it.
    #[arg(long)]
    enable_wal: bool,
}

/// A statement, for programs.
#[derive(Debug, Serialize)]
pub(super) struct StatementView {
    purpose: String,
    sql: String,
}

impl From<&Statement> for StatementView {
    fn from(statement: &Statement) -> Self {
        Self { purpose: statement.purpose.clone(), sql: statement.sql.clone() }
    }
}

/// What was done in a member, for programs.
#[derive(Debug, Serialize)]
pub(super) struct MemberView {
    /// Whether the database's own tools run one statement at a time, each ended by `GO`.
    #[serde(skip)]
    pub(super) in_batches: bool,
    pub(super) member: String,
    pub(super) statements: Vec<StatementView>,
    pub(super) error: Option<String>,
    pub(super) code: Option<&'static str>,
    pub(super) findings: Vec<FindingView>,
}

impl MemberView {
    pub(super) fn of(member: String, done: &Result<Vec<Statement>, tributary_member::Error>) -> Self {
        let (statements, error, code) = match done {
            Ok(statements) => (statements.iter().map(StatementView::from).collect(), None, None),
            Err(error) => (Vec::new(), Some(Chain(error).to_string()), Some(error.code())),
        };
        Self { in_batches: false, member, statements, error, code, findings: Vec::new() }
    }

    /// The view of this member of the group file.
    pub(super) fn with_tools_of(mut self, file: &GroupFile) -> Self {
        let settings = file.members.iter().find(|member| member.id.as_str() == self.member);
        self.in_batches = settings.is_some_and(|member| matches!(member.url, MemberUrl::SqlServer { .. }));
        self
    }

    /// Whether there was nothing to do.
    pub(super) fn statements_are_empty(&self) -> bool {
        self.statements.is_empty()
    }

    fn failed(&self) -> bool {
        self.error.is_some() || self.findings.iter().any(|finding| finding.severity == "error")
    }
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let file = load(&context.group_file)?;
    let members = file.clone();
    let (findings, provisioned) = block_on(async {
        if arguments.dry_run {
            return planned(&file).await;
        }
        let options = Options {
            create_members: arguments.create,
            enable_wal: arguments.enable_wal,
            ..Options::default()
        };
        let engine = match Engine::open(file.clone(), options.clone()).await {
            Err(EngineError::Log(LogError::Locked { .. })) if beside(&file).await? => {
                let options = Options { access: Access::ReadOnly, ..options };
                Engine::open(file, options).await?
            }
            opened => opened?,
        };
        let provisioned = engine.provision(false).await;
        let is_shared = matches!(engine.file.log, LogSettings::Kafka(_));
        if is_shared && engine.tables_changed && resolvers(&engine.file, engine.log.as_ref()).await? > 0 {
            note(&odd(
                "the group's tables have changed: restart what runs for it (`tributary run`), on all machines",
            ));
        }
        Ok((engine.findings, provisioned))
    })?;
    let members: Vec<_> = provisioned.iter().map(|done| view(done).with_tools_of(&members)).collect();
    let group: Vec<_> = findings.iter().map(FindingView::from).collect();
    show(context, arguments.dry_run, &group, &members, "provisioned")
}

/// Whether the members can be provisioned beside the process that has the log to itself: nothing has to be written
/// there, since it knows all tables.
async fn beside(file: &GroupFile) -> anyhow::Result<bool> {
    let known = known_spec(file).await?;
    Ok(known.is_some_and(|spec| file.tables.iter().all(|table| spec.table(&table.name).is_some())))
}

/// What would be done, with everything left as it is.
async fn planned(file: &GroupFile) -> anyhow::Result<(Vec<GroupFinding>, Vec<Provisioned>)> {
    let connectors = connectors(file)?;
    let known = known_spec(file).await?;
    let mut reached = Vec::new();
    for (member, inspection) in inspect_all(&connectors).await {
        // One that cannot be reached is told when its own turn comes.
        if let Ok(inspection) = inspection {
            reached.push((member, inspection));
        }
    }
    let (spec, findings) = derive(file, &reached, known.as_ref());
    if findings.iter().any(|found| found.finding.severity == Severity::Error) {
        return Err(EngineError::Findings { findings }.into());
    }
    let provisioned = provision_all(file, &spec, &connectors, true).await;
    Ok((findings, provisioned))
}

fn view(done: &Provisioned) -> MemberView {
    let mut view = MemberView::of(done.member.to_string(), &done.statements);
    if let Some(bound) = &done.bound {
        view.findings = bound.findings.iter().map(FindingView::from).collect();
    }
    view
}

/// Shows what was done, or would be, in all members.
pub(super) fn show(
    context: &Context,
    dry_run: bool,
    group: &[FindingView],
    members: &[MemberView],
    done: &str,
) -> anyhow::Result<Exit> {
    #[derive(Serialize)]
    struct Shown<'a> {
        dry_run: bool,
        findings: &'a [FindingView],
        members: &'a [MemberView],
    }
    match context.output {
        Format::Json => output::json(&Shown { dry_run, findings: group, members })?,
        Format::Text => {
            group.iter().try_for_each(finding_line)?;
            members.iter().try_for_each(|member| told(member, dry_run, done))?;
        }
    }
    Ok(Exit::found(members.iter().any(MemberView::failed)))
}

fn told(member: &MemberView, dry_run: bool, done: &str) -> anyhow::Result<()> {
    let id = &member.member;
    member.findings.iter().try_for_each(finding_line)?;
    if let (Some(error), Some(code)) = (&member.error, member.code) {
        return output::line(&format!("{} {error}", bad(&format!("{id}: failed[{code}]:"))));
    }
    if member.failed() {
        return output::line(&bad(&format!("{id}: left alone because of the errors above")));
    }
    let count = member.statements.len();
    if dry_run {
        output::line(&format!("-- member {id}: {count} statements"))?;
        for statement in &member.statements {
            let sql = statement.sql.trim_end().trim_end_matches(';');
            // SQL Server's own tools want each of them in a batch of its own.
            let end = if member.in_batches { "\nGO" } else { "" };
            output::line(&format!("-- {}\n{sql};{end}", statement.purpose))?;
        }
        return Ok(());
    }
    let text = if count == 0 { "nothing to do".to_owned() } else { format!("{done} ({count} statements)") };
    output::line(&good(&format!("{id}: {text}")))
}
