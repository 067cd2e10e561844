//! Results of checks.

use serde_json::{Value, json};

use crate::exit::CliError;
use crate::output::{GREEN, Output, RED, YELLOW};
use crate::text::Line;

/// The result of one check.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    check: &'static str,
    pub(super) detail: String,
    /// The sentence that says how to mend it.
    fix: Option<String>,
}

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    Warning,
    Failed,
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

impl Finding {
    pub(super) fn good(check: &'static str, detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Good, check, detail: detail.into(), fix: None }
    }

    pub(super) fn warning(check: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warning, check, detail: detail.into(), fix: Some(fix.into()) }
    }

    pub(super) fn failed(check: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failed, check, detail: detail.into(), fix: Some(fix.into()) }
    }

    /// Writes the finding as text or as an object.
    pub(super) fn write(&self, output: &Output) -> Result<(), CliError> {
        if output.json {
            return output.object(&self.object());
        }
        let (glyph, style) = match self.verdict {
            Verdict::Good => ("✓", GREEN),
            Verdict::Warning => ("!", YELLOW),
            Verdict::Failed => ("✗", RED),
        };
        let verdict = format!("{glyph} {:<7}", self.verdict.as_str());
        output.line(&Line::new().styled(style, verdict).text(format_args!("  {:<13}  {}", self.check, self.detail)))?;
        self.fix.as_ref().map_or(Ok(()), |fix| output.line(&Line::new().text("    ").text(fix)))
    }

    fn object(&self) -> Value {
        json!({
            "object": "check",
            "check": self.check,
            "result": self.verdict.as_str(),
            "detail": self.detail,
            "fix": self.fix,
        })
    }
}
