//! Sets up log lines for the process: where they go, how they look, which are shown.
//!
//! Lines go to standard error, so that standard output stays free for results. What is logged is everyone's own
//! business.

use std::io::{self, IsTerminal};
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people: one line each, in colour where that is welcome.
    #[default]
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// How logging is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How lines look. Default: text.
    pub format: Format,
    /// Which lines are shown, in the notation of `RUST_LOG` (`info,tributary_apply=debug`). Default: `info`.
    pub filter: String,
    /// Whether text is coloured. Default: [`color_is_welcome`].
    pub color: bool,
    /// Targets that are not shown even where the filter would: libraries that tell what must not be told. Default: none.
    pub hidden: Vec<&'static str>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            format: Format::Text,
            filter: "info".to_owned(),
            color: color_is_welcome(),
            hidden: Vec::new(),
        }
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoggingError {
    /// The filter cannot be read.
    #[error("log filter {filter:?} is not understood; write it like \"info\" or \"info,crate_name=debug\"")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Somebody else has set it up before.
    #[error("logging is set up already")]
    Twice {
        /// What the library said.
        #[source]
        source: tracing::subscriber::SetGlobalDefaultError,
    },
}

impl LoggingError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Filter { .. } => "RUN-008",
            Self::Twice { .. } => "RUN-009",
        }
    }
}

/// Whether standard error is a terminal whose user has not asked for plain text (`NO_COLOR`).
#[must_use]
pub fn color_is_welcome() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && io::stderr().is_terminal()
}

/// Sets up logging to standard error for the whole process.
///
/// # Errors
/// When the filter cannot be read, or logging is set up already.
pub fn init(settings: &Settings) -> Result<(), LoggingError> {
    let subscriber = subscriber(settings, io::stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|source| LoggingError::Twice { source })
}

/// What [`init`] sets up, with a writer of your own.
///
/// # Errors
/// When the filter cannot be read.
pub fn subscriber<W>(
    settings: &Settings,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, LoggingError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let failed = |source| LoggingError::Filter { filter: settings.filter.clone(), source };
    let mut filter = EnvFilter::try_new(&settings.filter).map_err(failed)?;
    for target in &settings.hidden {
        filter = filter.add_directive(format!("{target}=off").parse().map_err(failed)?);
    }
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    Ok(match settings.format {
        Format::Text => Box::new(builder.with_ansi(settings.color).finish()),
        Format::Json => Box::new(builder.json().flatten_event(true).finish()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(settings: &Settings) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = subscriber(settings, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(rows = 3, "page read");
            tracing::debug!("not shown");
        });
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn text_is_plain_unless_colour_is_asked_for() {
        let mut settings = Settings { color: false, ..Settings::default() };
        let plain = lines(&settings);
        assert!(plain.contains("page read") && plain.contains("rows=3"), "{plain}");
        assert!(!plain.contains("not shown") && !plain.contains('\u{1b}'), "{plain}");
        settings.color = true;
        assert!(lines(&settings).contains('\u{1b}'));
    }

    #[test]
    fn json_has_an_object_a_line() {
        let settings = Settings { format: Format::Json, color: true, ..Settings::default() };
        let text = lines(&settings);
        assert_eq!(text.lines().count(), 1);
        assert!(text.starts_with('{') && text.ends_with("}\n"), "{text}");
        assert!(text.contains("\"message\":\"page read\"") && text.contains("\"rows\":3"), "{text}");
    }

    #[test]
    fn the_filter_chooses() {
        let settings = Settings { filter: "debug".to_owned(), color: false, ..Settings::default() };
        assert!(lines(&settings).contains("not shown"));
        let silent = Settings { filter: "off".to_owned(), ..settings };
        assert_eq!(lines(&silent), "");
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_refused() {
        let settings = Settings { filter: "info=loud=x".to_owned(), ..Settings::default() };
        let Err(error) = subscriber(&settings, io::sink) else { panic!("was accepted") };
        assert!(error.to_string().contains("info=loud=x"));
    }

    #[test]
    fn hidden_targets_are_not_shown() {
        let kept = Kept::default();
        let writer = kept.clone();
        let settings = Settings {
            filter: "debug".to_owned(),
            color: false,
            hidden: vec!["library"],
            ..Settings::default()
        };
        tracing::subscriber::with_default(subscriber(&settings, move || writer.clone()).unwrap(), || {
            tracing::error!(target: "library", "a row's value");
            tracing::error!(target: "library::inner", "a row's value");
            tracing::error!(target: "other", "ours");
        });
        let told = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(told.contains("ours") && !told.contains("value"), "{told}");
    }
}
