//! What was found out about one part of a goal, as it is kept: one file a part, written anew by each run.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::{definition::GOALS, judge::Verdict};
use crate::stats::interval::Estimate;

/// Goes up when a reader of the last version would misread the new one.
pub(super) const SCHEMA: u32 = 1;

/// One part of a goal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Finding {
    pub(super) schema: u32,
    /// The part: `P4-64B`.
    pub(super) name: String,
    pub(super) goal: String,
    pub(super) what: String,
    /// The moment of the start, as `20260131T235959Z`.
    pub(super) started: String,
    pub(super) commit: Option<String>,
    pub(super) machine: String,
    /// How it was measured, in words.
    pub(super) conditions: String,
    pub(super) took_s: f64,
    /// What a reader should know before trusting it.
    pub(super) notes: Vec<String>,
    pub(super) lines: Vec<Line>,
    pub(super) rows: Vec<Row>,
}

/// One claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) what: String,
    /// Our figure, and the other with its name, as people read them.
    pub(super) ours: String,
    pub(super) against: String,
    /// Over rounds; `null` for exact counts.
    pub(super) ratio: Option<Estimate>,
    pub(super) bound: String,
    pub(super) verdict: Verdict,
}

/// One row of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) row: String,
    pub(super) kind: Kind,
    /// The median over rounds as people read it.
    pub(super) figure: String,
    pub(super) value: Option<Estimate>,
    /// Nanoseconds or bytes a second, one entry a round.
    pub(super) rounds: Vec<Option<f64>>,
    /// Of this row to ours.
    pub(super) ratio: Option<Estimate>,
}

/// Whose a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Ours,
    Kernel,
    Peer,
    Floor,
}

impl Finding {
    /// Writes the finding into `folder`, over an older one of the same part.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let path = folder.join(format!("{}.json", self.name));
        let text = serde_json::to_string_pretty(self).context("writing a finding")?;
        fs::write(&path, text + "\n").with_context(|| format!("writing {}", path.display()))
    }
}

/// All findings in `folder`, in the order of the goals and of their sizes.
pub(super) fn read(folder: &Path) -> Result<Vec<Finding>> {
    let mut findings: Vec<Finding> = Vec::new();
    let entries = fs::read_dir(folder)
        .with_context(|| format!("reading findings in {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let finding: Finding = serde_json::from_slice(&text)
            .with_context(|| format!("{} is no finding", path.display()))?;
        if finding.schema != SCHEMA {
            bail!("{} has schema {}, not {SCHEMA}", path.display(), finding.schema);
        }
        findings.push(finding);
    }
    findings.sort_by_key(|finding| {
        let goal = GOALS.iter().position(|(name, _)| *name == finding.goal);
        let part = super::definition::PARTS.iter().position(|part| part.name == finding.name);
        (goal, part, finding.name.clone())
    });
    Ok(findings)
}
