//! `ipc-bench doctor`: what on this machine will spoil a measurement, and how to mend it. It changes nothing itself.

mod findings;
mod look;

use std::io::{Write, stdout};

use anyhow::Result;
use clap::Args;

use self::{
    findings::{Finding, Weight, findings},
    look::Facts,
};
use crate::Exit;

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Exit with 4 if something will spoil a measurement.
    #[arg(long)]
    strict: bool,
}

/// Looks, and prints what it found.
pub(crate) fn run(args: &DoctorArgs) -> Result<Exit> {
    let found = findings(&Facts::look());
    let mut out = stdout().lock();
    write!(out, "{}", screen(&found))?;
    out.flush()?;
    let spoilt = found.iter().any(|finding| finding.weight == Weight::Spoils);
    Ok(if args.strict && spoilt { Exit::Untrustworthy } else { Exit::Fine })
}

fn screen(found: &[Finding]) -> String {
    let mut text = String::new();
    for (weight, title) in [
        (Weight::Spoils, "Spoils a measurement"),
        (Weight::Bends, "Bends some figures"),
        (Weight::Missing, "Cannot run"),
    ] {
        let these: Vec<&Finding> =
            found.iter().filter(|finding| finding.weight == weight).collect();
        if these.is_empty() {
            continue;
        }
        text += &format!("{title}\n");
        for finding in these {
            text += &format!("  {}\n      {}\n", finding.what, finding.remedy);
        }
    }
    if found.iter().all(|finding| finding.weight != Weight::Spoils) {
        text += "Nothing that was looked at will spoil a measurement.\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_spoils_comes_first_and_a_quiet_machine_is_told_so() {
        let finding = |weight, what: &str| Finding {
            weight,
            what: what.to_owned(),
            remedy: "mend it".to_owned(),
        };
        let text = screen(&[finding(Weight::Bends, "a"), finding(Weight::Spoils, "b")]);
        assert!(text.find("  b\n").unwrap() < text.find("  a\n").unwrap(), "{text}");
        assert!(!text.contains("Nothing"), "{text}");
        assert!(screen(&[finding(Weight::Bends, "a")]).contains("Nothing that was looked at"));
    }
}
