//! The folder of a run: made once, never written over.

use std::{
    fs::{self, File},
    io::{self, BufWriter},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};

use crate::{
    export::cells,
    report::{html, markdown, record::Report},
};

/// Finds out now, not after minutes of measuring, whether a folder can be made in `parent`.
pub(crate) fn probe(parent: &Path, name: &str) -> Result<()> {
    let folder = make(parent, name)?;
    fs::remove_dir(&folder).with_context(|| format!("removing {} again", folder.display()))
}

/// Writes `report` into a new folder in `parent`, and returns the folder.
pub(crate) fn write(report: &Report, parent: &Path, name: &str) -> Result<PathBuf> {
    let folder = make(parent, name)?;
    fill(report, &folder).with_context(|| {
        format!(
            "the report in {} is not whole; is there room? --output DIR takes another place, --output - with --json none",
            folder.display()
        )
    })?;
    Ok(folder)
}

fn fill(report: &Report, folder: &Path) -> Result<()> {
    let create = |file: &str| {
        let path = folder.join(file);
        File::create_new(&path)
            .with_context(|| format!("writing {}", path.display()))
            .map(BufWriter::new)
    };
    let mut json = create("report.json")?;
    serde_json::to_writer(&mut json, report).context("writing report.json")?;
    io::Write::flush(&mut json)?;
    cells::write(report, create("cells.csv")?)?;
    for (file, text) in
        [("REPORT.md", markdown::render(report)), ("report.html", html::render(report))]
    {
        let mut to = create(file)?;
        io::Write::write_all(&mut to, text.as_bytes())?;
        io::Write::flush(&mut to)?;
    }
    Ok(())
}

/// A folder that did not exist before: `name`, or `name-2` and so on if somebody was quicker.
fn make(parent: &Path, name: &str) -> Result<PathBuf> {
    let doing = || {
        format!(
            "cannot make a results folder in {}; choose another with --output DIR, or none with --output -",
            parent.display()
        )
    };
    fs::create_dir_all(parent).with_context(doing)?;
    for number in 1.. {
        let folder =
            parent.join(if number == 1 { name.to_owned() } else { format!("{name}-{number}") });
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(doing),
        }
    }
    unreachable!("the numbers do not end before a free name is found")
}

/// The time as `20260131T235959Z`.
pub(crate) fn utc(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days since the epoch to a date of the Gregorian calendar, in years that begin in March so that the leap day is
    // the last of one; 719,468 days lie between 1 March of the year 0 and the epoch.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "19700101T000000Z"),
            (951_782_400, "20000229T000000Z"),
            (1_709_251_199, "20240229T235959Z"),
            (1_767_225_600, "20260101T000000Z"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_second_run_of_the_same_second_gets_a_folder_of_its_own() {
        let parent = tempfile::tempdir().unwrap();
        let first = make(parent.path(), "a").unwrap();
        let second = make(parent.path(), "a").unwrap();
        assert_eq!(first.file_name().unwrap(), "a");
        assert_eq!(second.file_name().unwrap(), "a-2");
    }

    #[test]
    fn asking_whether_there_is_room_leaves_nothing_behind() {
        let parent = tempfile::tempdir().unwrap();
        probe(parent.path(), "a").unwrap();
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
        assert!(
            probe(Path::new("/proc/nowhere"), "a").unwrap_err().to_string().contains("--output")
        );
    }
}
