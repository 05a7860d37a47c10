//! The record as it is, indented. `bench-harness/schema` holds the schema of each version.

use std::io::Write;

use anyhow::Result;

use crate::report::record::Report;

/// Writes `report`.
pub(super) fn write(report: &Report, mut to: impl Write) -> Result<()> {
    serde_json::to_writer_pretty(&mut to, report)?;
    writeln!(to)?;
    Ok(())
}
