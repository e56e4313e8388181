//! Where Kafka is, for the commands that make a group of their own: `quickstart` and `bench`.

use clap::Args;
use tributary_demo::LogChoice;

/// A Kafka to use in place of the embedded log.
#[derive(Debug, Args)]
pub(crate) struct KafkaArguments {
    /// Uses Kafka in place of the embedded log: a broker's `host:port`, without credentials; several with commas. The
    /// topics are left there, under the group's name.
    #[arg(long, value_name = "BROKERS", value_delimiter = ',', requires = "registry")]
    kafka: Vec<String>,
    /// The schema registry beside it, such as http://localhost:8081.
    #[arg(long, value_name = "URL", requires = "kafka")]
    registry: Option<String>,
}

impl KafkaArguments {
    pub(crate) fn into_choice(self) -> LogChoice {
        match self.registry {
            Some(registry) => LogChoice::Kafka { brokers: self.kafka, registry },
            None => LogChoice::Embedded,
        }
    }
}
