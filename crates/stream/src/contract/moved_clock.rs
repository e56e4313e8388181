//! What happens when a long time has passed; for logs whose clock can be moved.

use super::compaction::{keys, tombstones};
use super::{Factory, all, publish, record};
use std::time::Duration;

/// A tombstone stays readable for its time and then goes, but for the newest record of a partition. The key may come
/// back.
pub async fn tombstones_go_after_their_time<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = tombstones(&log).await;
    factory.compact(&log, &topic).await;
    factory.advance_clock(Duration::from_secs(3599));
    factory.compact(&log, &topic).await;
    assert_eq!(keys(&all(&log, &topic).await), ["kept", "gone", "back", "newest"]);
    factory.advance_clock(Duration::from_secs(2));
    factory.compact(&log, &topic).await;
    assert_eq!(keys(&all(&log, &topic).await), ["kept", "back", "newest"]);
    publish(&log, vec![record(&topic, 0, "gone", "again")]).await;
    factory.compact(&log, &topic).await;
    assert_eq!(keys(&all(&log, &topic).await), ["kept", "back", "gone"]);
}
