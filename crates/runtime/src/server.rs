//! The HTTP server that monitoring asks: `/metrics`, `/healthz`, `/readyz`, `/status.json`.
//!
//! Serves text that others make. Whether the process is *ready*, and what its status is, are closures; whether it is
//! *healthy* is read off the [`Board`]: all workers that should be turning have beaten lately. A worker that waits
//! for its next attempt, or has halted, does not make the process unhealthy, since killing it would mend nothing.

use crate::{Board, Failure, Heartbeat, Metrics, Stop, metrics};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::fmt;
use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// Where the server listens unless told otherwise: on this machine alone.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);

/// How long answers under way may still take after a stop.
const DRAIN: Duration = Duration::from_secs(2);

/// How often the server's own worker beats.
const BEAT: Duration = Duration::from_secs(1);

/// Whether the process can do its work, and if not, why.
pub type Readiness = Result<(), String>;

/// What the server tells.
#[derive(Clone)]
pub struct Served {
    /// For `/metrics`.
    pub metrics: Metrics,
    /// For `/healthz`.
    pub board: Board,
    /// A worker that has not beaten for this long makes `/healthz` fail.
    pub stale_after: Duration,
    /// For `/readyz`.
    pub ready: Arc<dyn Fn() -> Readiness + Send + Sync>,
    /// For `/status.json`: returns JSON text.
    pub status: Arc<dyn Fn() -> String + Send + Sync>,
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("stale_after", &self.stale_after).finish_non_exhaustive()
    }
}

/// Why the server cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address is taken, not this machine's, or not allowed.
    #[error("cannot listen on {listen}; give another address, or port 0 for any that is free")]
    Bind {
        /// The address.
        listen: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Accepting connections failed.
    #[error("the server on {address} failed")]
    Serve {
        /// The bound address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl ServerError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Bind { .. } => "RUN-006",
            Self::Serve { .. } => "RUN-007",
        }
    }
}

/// A server that has its address already. Run it as a worker: [`Server::run`] fits a factory of the supervisor, and
/// may be called again after a failure, on the same address.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    served: Served,
}

impl Server {
    /// Takes the address. With port 0 the system chooses a free one.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn bind(listen: SocketAddr, served: Served) -> Result<Self, ServerError> {
        let bound = || {
            let listener = TcpListener::bind(listen)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = bound().map_err(|source| ServerError::Bind { listen, source })?;
        Ok(Self { listener, address, served })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until asked to stop; answers under way are finished, for a short while.
    ///
    /// # Errors
    /// When accepting connections fails: may be tried again.
    pub fn run(&self, stop: Stop, heartbeat: Heartbeat) -> impl Future<Output = Result<(), Failure>> + use<> {
        let listener = self.listener.try_clone();
        let address = self.address;
        let routes = routes(self.served.clone());
        async move {
            let failed = |source| Failure::retry(ServerError::Serve { address, source });
            let listener = tokio::net::TcpListener::from_std(listener.map_err(failed)?).map_err(failed)?;
            let asked = stop.clone();
            let serve =
                axum::serve(listener, routes).with_graceful_shutdown(async move { asked.stopped().await });
            let beats = async {
                loop {
                    heartbeat.beat();
                    if !stop.sleep(BEAT).await {
                        // A client that never finishes its request must not hold up the process.
                        tokio::time::sleep(DRAIN).await;
                        break;
                    }
                }
            };
            tokio::select! {
                served = serve.into_future() => served.map_err(failed),
                () = beats => Ok(()),
            }
        }
    }
}

fn routes(served: Served) -> Router {
    Router::new()
        .route("/metrics", get(render_metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/status.json", get(status))
        .with_state(served)
}

async fn render_metrics(State(served): State<Served>) -> Response {
    ([(header::CONTENT_TYPE, metrics::TEXT_FORMAT)], served.metrics.render()).into_response()
}

async fn healthz(State(served): State<Served>) -> Response {
    let stale = served.board.stale(served.stale_after);
    if stale.is_empty() {
        return "ok\n".into_response();
    }
    let mut text = String::new();
    for worker in stale {
        let seconds = worker.since_heartbeat.as_secs();
        let _ = writeln!(text, "worker {} has not beaten for {seconds} s", worker.name);
    }
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn readyz(State(served): State<Served>) -> Response {
    match (served.ready)() {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn status(State(served): State<Served>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], (served.status)()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::Settings;
    use crate::{ManualClock, Supervisor};
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::sync::atomic::{AtomicBool, Ordering};

    const LONG: Duration = Duration::from_secs(30);

    struct Site {
        supervisor: Supervisor,
        clock: ManualClock,
        ready: Arc<AtomicBool>,
        metrics: Metrics,
        address: SocketAddr,
    }

    fn site() -> Site {
        let clock = ManualClock::at(0);
        let supervisor =
            Supervisor::new(Settings { grace: LONG, clock: clock.shared(), ..Settings::default() });
        let ready = Arc::new(AtomicBool::new(false));
        let is_ready = Arc::clone(&ready);
        let metrics = Metrics::new("sample");
        let served = Served {
            metrics: metrics.clone(),
            board: supervisor.board(),
            stale_after: Duration::from_secs(10),
            ready: Arc::new(move || match is_ready.load(Ordering::SeqCst) {
                true => Ok(()),
                false => Err("store cannot be reached".to_owned()),
            }),
            status: Arc::new(|| "{\"workers\":1}".to_owned()),
        };
        let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), served).unwrap();
        let address = server.address();
        supervisor.spawn("server", move |stop, heartbeat| server.run(stop, heartbeat)).unwrap();
        Site { supervisor, clock, ready, metrics, address }
    }

    fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn answers_over_a_real_connection() {
        let site = site();
        assert_ne!(site.address.port(), 0);
        let rows = site.metrics.counters("rows_total", "Rows read.", []).unwrap().child([]);
        rows.inc_by(12);
        let answer = get(site.address, "/metrics");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("content-type: text/plain; version=0.0.4\r\n"), "{answer}");
        assert!(answer.contains("sample_rows_total 12\n"), "{answer}");
        let answer = get(site.address, "/status.json");
        assert!(answer.contains("content-type: application/json\r\n"), "{answer}");
        assert!(answer.ends_with("{\"workers\":1}"), "{answer}");
        assert!(get(site.address, "/nothing").starts_with("HTTP/1.1 404"));
        assert!(site.supervisor.stop_all().is_empty());
        assert!(TcpStream::connect(site.address).is_err(), "the port is free again");
    }

    #[test]
    fn readiness_is_what_the_closure_says() {
        let site = site();
        let answer = get(site.address, "/readyz");
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("store cannot be reached"), "{answer}");
        site.ready.store(true, Ordering::SeqCst);
        assert!(get(site.address, "/readyz").starts_with("HTTP/1.1 200"));
        assert!(site.supervisor.stop_all().is_empty());
    }

    #[test]
    fn a_silent_worker_makes_it_unhealthy_and_is_named() {
        let site = site();
        site.supervisor
            .spawn("silent", |stop, heartbeat| async move {
                heartbeat.beat();
                stop.stopped().await;
                Ok(())
            })
            .unwrap();
        let board = site.supervisor.board();
        board.wait_until(LONG, |states| states.iter().all(|w| w.state == crate::State::Running)).unwrap();
        assert!(get(site.address, "/healthz").starts_with("HTTP/1.1 200"));
        site.clock.advance(Duration::from_secs(11));
        let answer = get(site.address, "/healthz");
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("worker silent has not beaten for 11 s"), "{answer}");
        assert!(site.supervisor.stop_all().is_empty());
    }

    #[test]
    fn an_idle_connection_does_not_hold_up_a_stop() {
        let site = site();
        let mut idle = TcpStream::connect(site.address).unwrap();
        idle.write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
        // Answered by another connection, so the server has had its chance to see the first.
        assert!(get(site.address, "/healthz").starts_with("HTTP/1.1 200"));
        assert!(site.supervisor.stop_all().is_empty());
    }

    #[test]
    fn an_address_that_is_taken_is_an_error_that_names_it() {
        let site = site();
        let served = Served {
            metrics: Metrics::new("other"),
            board: site.supervisor.board(),
            stale_after: LONG,
            ready: Arc::new(|| Ok(())),
            status: Arc::new(String::new),
        };
        let error = Server::bind(site.address, served).unwrap_err();
        assert!(error.to_string().contains(&site.address.to_string()));
        assert!(site.supervisor.stop_all().is_empty());
    }
}
