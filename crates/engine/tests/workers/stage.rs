//! Members, a log and workers, put together by hand, so that each worker can be given a log of its own.

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tributary_apply::{Apply, ApplyMetrics};
use tributary_capture::{Capture, CaptureMetrics};
use tributary_member::sqlite::SqliteConnector;
use tributary_member::{Connector, TableBinding};
use tributary_model::{Column, LogicalType, MemberId, Policy, TableName, TableSchema};
use tributary_resolver::{Resolver, ResolverMetrics};
use tributary_runtime::supervisor::Settings as SupervisorSettings;
use tributary_runtime::{Backoff, Metrics, SharedClock, State, Supervisor, SystemClock, WorkerStatus};
use tributary_settle::{DeleteVsUpdate, TableRules};
use tributary_stream::embedded::EmbeddedLog;
use tributary_stream::{
    Channels, ConsumerSettings, Incoming, Isolation, Log, Start, TopicLimits, TopicName, TopicPartition,
    Topics,
};

/// How long anything may take before a test gives up.
pub(crate) const DEADLINE: Duration = Duration::from_secs(150);

/// Members with one table, `Item (Id, Name)`, and their log.
pub(crate) struct Stage {
    folder: tempfile::TempDir,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) channels: Arc<Channels>,
    members: BTreeMap<String, Arc<dyn Connector>>,
    bindings: Vec<Arc<TableBinding>>,
}

/// Where the logs of all stages come from, by the prefix of their topics; in memory unless the binary says otherwise.
pub(crate) static GROUND: OnceLock<Ground> = OnceLock::new();

pub(crate) type Ground = fn(&str) -> Arc<dyn Log>;

impl Stage {
    pub(crate) fn new(members: &[&str]) -> Self {
        Self::with(members, 2)
    }

    pub(crate) fn with(members: &[&str], partitions: u32) -> Self {
        let prefix = format!("t{}", uuid::Uuid::new_v4().simple());
        let ground = GROUND.get_or_init(|| |_| Arc::new(EmbeddedLog::memory()));
        Self::on(ground(&prefix), &prefix, members, partitions)
    }

    pub(crate) fn on(log: Arc<dyn Log>, prefix: &str, members: &[&str], partitions: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let column = |name: &str, logical, nullable| Column {
            name: name.to_owned(),
            logical,
            nullable,
            max_length: None,
        };
        let schema = Arc::new(TableSchema {
            name: TableName::new("Item"),
            columns: vec![column("Id", LogicalType::Long, false), column("Name", LogicalType::String, true)],
            key: vec![0],
            foreign_keys: Vec::new(),
            unique: Vec::new(),
            generation: 1,
        });
        let bindings = vec![Arc::new(TableBinding::same_names(Arc::clone(&schema)))];
        let mut connectors: BTreeMap<String, Arc<dyn Connector>> = BTreeMap::new();
        for id in members {
            let path = folder.path().join(format!("{id}.db"));
            let connector = SqliteConnector::new(MemberId::new(id).unwrap(), "g", path).create(true);
            block_on(async { connector.connect(&bindings).await.unwrap().provision().await.unwrap() });
            connectors.insert((*id).to_owned(), Arc::new(connector));
        }
        let limits = TopicLimits::default();
        let topics = Topics::new(prefix, "g");
        let channels =
            block_on(Channels::open(log.as_ref(), topics, "g", limits, &[(schema, partitions)])).unwrap();
        Self { folder, log, channels: Arc::new(channels), members: connectors, bindings }
    }

    pub(crate) fn member_path(&self, member: &str) -> PathBuf {
        self.folder.path().join(format!("{member}.db"))
    }

    /// A connection to a member as the workers have it.
    pub(crate) async fn member(&self, member: &str) -> Box<dyn tributary_member::Member> {
        self.members[member].connect(&self.bindings).await.unwrap()
    }

    fn connect(&self, member: &str) -> Connection {
        let connection = Connection::open(self.member_path(member)).unwrap();
        connection.busy_timeout(Duration::from_secs(30)).unwrap();
        connection
    }

    pub(crate) fn execute(&self, member: &str, sql: &str) {
        self.connect(member).execute_batch(sql).unwrap();
    }

    /// Rows as `a|b|c`.
    pub(crate) fn rows(&self, member: &str, sql: &str) -> Vec<String> {
        let connection = self.connect(member);
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let texts: Vec<String> = (0..columns)
                .map(|at| match row.get_ref(at).unwrap() {
                    ValueRef::Null => "NULL".to_owned(),
                    ValueRef::Integer(value) => value.to_string(),
                    ValueRef::Real(value) => value.to_string(),
                    ValueRef::Text(value) => String::from_utf8_lossy(value).into_owned(),
                    ValueRef::Blob(value) => format!("{value:02x?}"),
                })
                .collect();
            Ok(texts.join("|"))
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// All rows of the table in a member.
    pub(crate) fn items(&self, member: &str) -> Vec<String> {
        self.rows(member, "SELECT Id, Name FROM Item ORDER BY Id")
    }

    pub(crate) fn changes(&self) -> TopicName {
        self.channels.tables[0].changes.clone()
    }

    pub(crate) fn resolved(&self) -> TopicName {
        self.channels.tables[0].resolved.clone()
    }

    /// Everything committed that a topic holds now, by partition.
    pub(crate) fn records(&self, topic: &TopicName) -> Vec<Incoming> {
        block_on(async {
            let settings =
                ConsumerSettings { group: None, isolation: Isolation::Committed, start: Start::Beginning };
            let mut consumer = self.log.consumer(settings).await.unwrap();
            let ranges = self.log.offsets(topic).await.unwrap();
            let all: Vec<_> = (0..ranges.len() as u32)
                .map(|partition| (TopicPartition::new(topic.clone(), partition), None))
                .collect();
            consumer.assign(&all).await.unwrap();
            let mut records = Vec::new();
            let behind = |positions: Vec<(TopicPartition, u64)>| {
                positions.iter().any(|(at, next)| *next < ranges[at.partition as usize].end)
            };
            while behind(consumer.positions()) {
                records
                    .extend(consumer.poll(1000, 1 << 20, Duration::from_millis(50)).await.unwrap().records);
            }
            records.sort_by_key(|record| (record.partition, record.offset));
            records
        })
    }

    /// How many records the ledger has.
    pub(crate) fn conflicts(&self) -> usize {
        let topic = self.channels.topics.conflicts();
        block_on(tributary_stream::read_latest(self.log.as_ref(), &topic)).unwrap().len()
    }

    /// A process that sees the log as `log`; its files are in the folder `name`.
    pub(crate) fn process(&self, name: &str, log: Arc<dyn Log>) -> Process<'_> {
        let settings = SupervisorSettings {
            // A broker on a busy machine takes its time.
            grace: DEADLINE,
            backoff: Backoff::new(Duration::from_millis(5), 1.5, Duration::from_millis(100), 0.0).unwrap(),
            ..SupervisorSettings::default()
        };
        let data = self.folder.path().join(name);
        std::fs::create_dir_all(&data).unwrap();
        Process {
            stage: self,
            log,
            data,
            supervisor: Supervisor::new(settings),
            metrics: Metrics::new("t"),
            clock: SystemClock::shared(),
        }
    }

    /// A process without faults.
    pub(crate) fn sound(&self, name: &str) -> Process<'_> {
        self.process(name, Arc::clone(&self.log))
    }
}

/// Workers that live and die together.
pub(crate) struct Process<'a> {
    stage: &'a Stage,
    log: Arc<dyn Log>,
    pub(crate) data: PathBuf,
    pub(crate) supervisor: Supervisor,
    pub(crate) metrics: Metrics,
    clock: SharedClock,
}

impl Process<'_> {
    /// Lets its workers go by another clock.
    pub(crate) fn by_clock(self, clock: SharedClock) -> Self {
        Self { clock, ..self }
    }

    /// Starts capture of a member, as `capture <member>`.
    pub(crate) fn capture(self, member: &str) -> Self {
        self.capture_with(member, tributary_capture::Settings::default())
    }

    pub(crate) fn capture_with(self, member: &str, settings: tributary_capture::Settings) -> Self {
        let capture = Arc::new(Capture {
            connector: Arc::clone(&self.stage.members[member]),
            bindings: self.stage.bindings.clone(),
            log: Arc::clone(&self.log),
            channels: Arc::clone(&self.stage.channels),
            clock: Arc::clone(&self.clock),
            settings,
            metrics: Arc::new(CaptureMetrics::new(&self.metrics, member, &["Item"]).unwrap()),
            standing: Arc::default(),
        });
        let spawned = self.supervisor.spawn(format!("capture {member}"), move |stop, heartbeat| {
            let capture = Arc::clone(&capture);
            async move { capture.run(stop, heartbeat).await.map_err(tributary_capture::Error::into_failure) }
        });
        spawned.unwrap();
        self
    }

    /// Starts the resolver.
    pub(crate) fn resolver(self) -> Self {
        let tables = [TableRules {
            table: TableName::new("Item"),
            policy: Policy::LatestWins,
            delete_vs_update: DeleteVsUpdate::ByPolicy,
            priority: Vec::new(),
            publish_members: std::collections::BTreeSet::new(),
            projections: Default::default(),
        }];
        let resolver = Arc::new(Resolver {
            log: Arc::clone(&self.log),
            channels: Arc::clone(&self.stage.channels),
            tables: Arc::new(tables),
            projections: Arc::new(|_| None),
            witnesses: Arc::new([]),
            clock: Arc::clone(&self.clock),
            settings: tributary_resolver::Settings {
                state: self.data.join("resolver.db"),
                batch_rows: 100,
                changes_grace: Duration::from_secs(3600),
                tombstone_retention: Duration::from_secs(3600),
                conflict_retention: None,
                expire_every: Duration::from_secs(60),
            },
            metrics: Arc::new(ResolverMetrics::new(&self.metrics, &["Item"]).unwrap()),
        });
        let spawned = self.supervisor.spawn("resolver", move |stop, heartbeat| {
            let resolver = Arc::clone(&resolver);
            async move { resolver.run(stop, heartbeat).await.map_err(tributary_resolver::Error::into_failure) }
        });
        spawned.unwrap();
        self
    }

    /// Starts apply to a member, as `apply <member>`.
    pub(crate) fn apply(self, member: &str) -> Self {
        let apply = Arc::new(Apply {
            connector: Arc::clone(&self.stage.members[member]),
            bindings: self.stage.bindings.clone(),
            log: Arc::clone(&self.log),
            channels: Arc::clone(&self.stage.channels),
            clock: Arc::clone(&self.clock),
            settings: tributary_apply::Settings::default(),
            metrics: Arc::new(ApplyMetrics::new(&self.metrics, member).unwrap()),
            standing: Arc::default(),
        });
        let spawned = self.supervisor.spawn(format!("apply {member}"), move |stop, heartbeat| {
            let apply = Arc::clone(&apply);
            async move { apply.run(stop, heartbeat).await.map_err(tributary_apply::Error::into_failure) }
        });
        spawned.unwrap();
        self
    }

    pub(crate) fn worker(&self, name: &str) -> WorkerStatus {
        self.supervisor.board().state_of(name).unwrap()
    }

    /// Waits until a worker says this of itself.
    pub(crate) fn wait_for_note(&self, name: &str, note: &str) {
        until(&format!("{name} to say {note}"), || self.worker(name).note.contains(note));
    }

    /// Waits until a worker has halted; gives the reason.
    pub(crate) fn wait_for_halt(&self, name: &str) -> String {
        let mut reason = String::new();
        until(&format!("{name} to halt"), || match self.worker(name).state {
            State::Halted { error } => {
                reason = error;
                true
            }
            _ => false,
        });
        reason
    }

    /// A sample of a metric's series, by the text before its value.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let text = self.metrics.render();
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        line.map_or(0.0, |value| value.trim().parse().unwrap())
    }

    pub(crate) fn stop(self) {
        assert_eq!(self.supervisor.stop_all(), Vec::<String>::new(), "all workers ended in time");
    }
}

/// Waits for a condition.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < DEADLINE, "gave up waiting for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
