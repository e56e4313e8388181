//! The story's voice: plain lines, and checks that say what they found or end the story.

use anyhow::{Result, bail};
use std::fmt::Debug;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// Writes the story, and counts what it has checked.
pub(super) struct Teller<'a> {
    out: &'a mut dyn Write,
    began: Instant,
    step: usize,
    title: &'static str,
    checks: usize,
}

impl<'a> Teller<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, began: Instant::now(), step: 0, title: "before the first step", checks: 0 }
    }

    /// The number of the present step.
    pub(super) fn step(&self) -> usize {
        self.step
    }

    /// The present step, for an error.
    pub(super) fn title(&self) -> String {
        format!("step {} of the quickstart ({}) did not go as told", self.step, self.title)
    }

    pub(super) fn line(&mut self, text: &str) -> Result<()> {
        writeln!(self.out, "{text}")?;
        // Whoever watches sees each line when it happens.
        Ok(self.out.flush()?)
    }

    /// Begins the next step.
    pub(super) fn begin(&mut self, title: &'static str) -> Result<()> {
        self.step += 1;
        self.title = title;
        let text = format!("\n{}. {title}", self.step);
        self.line(&text)
    }

    /// Says what is done.
    pub(super) fn say(&mut self, text: &str) -> Result<()> {
        self.line(&format!("   {text}"))
    }

    /// Shows something that was looked up, indented.
    pub(super) fn show(&mut self, text: &str) -> Result<()> {
        text.lines().try_for_each(|line| self.line(&format!("     | {line}")))
    }

    /// Says that something was checked; fails when it was not as expected.
    pub(super) fn check<T: PartialEq + Debug>(&mut self, what: &str, expected: &T, found: &T) -> Result<()> {
        if expected != found {
            bail!("{what}: expected {expected:?}, found {found:?}");
        }
        self.checks += 1;
        self.line(&format!("   [ok] {what}"))
    }

    pub(super) fn finish(&mut self, group_file: &Path, kept: bool) -> Result<()> {
        let (checks, seconds) = (self.checks, self.began.elapsed().as_secs_f64());
        self.line(&format!("\nAll {} steps went as told: {checks} checks in {seconds:.1} s.", self.step))?;
        if !kept {
            return self.line("Run it with --keep DIR to keep the databases and look around.");
        }
        let file = group_file.display();
        self.line("The files were kept. To go on:")?;
        for command in ["status", "conflicts list", "run"] {
            self.line(&format!("   tributary {command} -g {file}"))?;
        }
        self.line("   (then edit the databases with any SQLite program, and watch the others follow)")
    }
}
