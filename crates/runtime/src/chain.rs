//! Prints an error with everything that caused it.
//!
//! Errors of this workspace do not repeat their cause in their own text, so this is the one place that joins them.

use std::error::Error;
use std::fmt;

/// Displays an error and its sources, joined by `": "`.
///
/// A source whose text already ends what was printed is left out: some libraries do repeat their cause.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut printed = self.0.to_string();
        f.write_str(&printed)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            let text = error.to_string();
            if !printed.ends_with(&text) {
                write!(f, ": {text}")?;
            }
            printed = text;
            next = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Sample {
        #[error("disk is full")]
        Root,
        #[error("cannot write the page")]
        Middle(#[source] Box<Sample>),
        #[error("cannot save: {0}")]
        Repeats(#[source] Box<Sample>),
    }

    #[test]
    fn joins_the_whole_chain() {
        let error = Sample::Middle(Box::new(Sample::Middle(Box::new(Sample::Root))));
        // The same text twice in a row says nothing new.
        assert_eq!(Chain(&error).to_string(), "cannot write the page: disk is full");
        assert_eq!(Chain(&Sample::Root).to_string(), "disk is full");
    }

    #[test]
    fn does_not_repeat_a_cause_that_was_printed_already() {
        let error = Sample::Repeats(Box::new(Sample::Middle(Box::new(Sample::Root))));
        assert_eq!(Chain(&error).to_string(), "cannot save: cannot write the page: disk is full");
    }
}
