//! Three nodes of Kafka as one cluster.

use super::broker::random_id;
use super::ports::free_port;
use super::{Broker, BrokerSettings};
use std::time::{Duration, Instant};

const NODES: usize = 3;

/// Three nodes, each broker and controller, with three replicas of everything of which two must be in sync.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Broker>,
}

impl Cluster {
    /// A cluster that answers. Each node has these settings; a data folder is not shared, so none may be given.
    pub fn start(settings: &BrokerSettings) -> Self {
        assert!(settings.data.is_none(), "the nodes of a cluster cannot share a folder");
        let controllers: Vec<_> = (0..NODES).map(|_| free_port()).collect();
        let id = random_id();
        let prepare = |node| Broker::prepare(settings.clone(), node, controllers.clone(), &id);
        let mut nodes: Vec<_> = (1..=NODES).map(prepare).collect();
        nodes.iter_mut().for_each(Broker::spawn);
        nodes.iter_mut().for_each(Broker::wait);
        Self { nodes }
    }

    /// The addresses of all nodes' plain listeners, separated by commas.
    pub fn addresses(&self) -> String {
        self.nodes.iter().map(Broker::address).collect::<Vec<_>>().join(",")
    }

    /// The nodes; the first is node 1.
    pub fn nodes(&self) -> &[Broker] {
        &self.nodes
    }

    /// The nodes, to be killed and started again.
    pub fn nodes_mut(&mut self) -> &mut [Broker] {
        &mut self.nodes
    }

    /// Which node leads a partition, as an index of [`Cluster::nodes`].
    pub fn leader(&self, topic: &str, partition: u32) -> usize {
        let told = self.topics(&["--describe", "--topic", topic]);
        let line = told.lines().find(|line| line.contains(&format!("Partition: {partition}\t")));
        let node =
            line.and_then(|line| line.split("Leader: ").nth(1)?.split_whitespace().next()?.parse().ok());
        let node: usize = node.unwrap_or_else(|| panic!("no leader of {topic} {partition} in: {told}"));
        node - 1
    }

    /// Waits until every partition has all its replicas in sync.
    pub fn wait_until_in_sync(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        loop {
            // Each look takes a second, so there is no need to wait in between.
            let lagging = self.topics(&["--describe", "--under-replicated-partitions"]);
            if lagging.trim().is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "still not in sync:\n{lagging}");
        }
    }

    fn topics(&self, arguments: &[&str]) -> String {
        let node = self.nodes.iter().find(|node| node.answers()).expect("a node answers");
        node.tool("org.apache.kafka.tools.TopicCommand", arguments)
    }
}
